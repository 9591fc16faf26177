//! The sessions of this proxy as the proxy of Stream Manager 2.0 shows its own (Red5 Pro
//! documentation, Stream Manager 2.0 Admin API, "List Proxy Sessions" and "Kick Proxy Session"),
//! for what was written against that.

use std::{collections::BTreeMap, sync::Arc};

use http::{Response, StatusCode};
use serde::Serialize;
use whipstitch_proxy::{
    Live,
    live::{Ender, Kind, LiveSession, Sides},
};
use whipstitch_signaling::query;

use super::{
    answer::{self, Body, unix_ms},
    sessions,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    stream_guid: String,
    status: &'static str,
    session_id: String,
    timestamp: u64,
}

/// The stream; a WebSocket that names none has its scope.
fn guid(session: &LiveSession) -> String {
    let stream = session.stream().map(ToString::to_string);
    stream.unwrap_or_else(|| session.scope().to_owned())
}

fn shown<'s>(sessions: impl IntoIterator<Item = &'s Arc<LiveSession>>) -> BTreeMap<String, Shown> {
    let entry = |session: &Arc<LiveSession>| {
        let Sides { client, node } = session.sides();
        let id = session.id().to_string();
        let key = format!("{}|{id}", session.named());
        let shown = Shown {
            stream_guid: guid(session),
            status: if client && node {
                "CONNECTED"
            } else {
                "DISCONNECTED"
            },
            session_id: id,
            timestamp: unix_ms(session.began()),
        };
        (key, shown)
    };
    sessions.into_iter().map(entry).collect()
}

/// Those that lead to nodes.
fn all(live: &Live) -> Vec<Arc<LiveSession>> {
    let mut all = live.all();
    all.retain(|session| session.kind() != Kind::Manager);
    all
}

/// The session of this id, or those of the stream of this guid, whose slashes may be escaped. A
/// WebSocket that names no stream is meant by its id only: what is shown as its guid is its scope,
/// and others share that.
fn meant(live: &Live, raw: &str) -> Vec<Arc<LiveSession>> {
    let Some(id) = query::percent_decode(raw) else {
        return Vec::new();
    };
    let mut all = all(live);
    all.retain(|session| {
        let named = session.stream().map(ToString::to_string);
        session.id().to_string() == id || named.is_some_and(|guid| guid == id)
    });
    all
}

/// `GET /as/v1/admin/rtcproxy`
pub(super) fn list(live: &Live) -> Response<Body> {
    answer::json(&shown(&all(live)))
}

/// `GET /as/v1/admin/rtcproxy/{sessionId or streamGuid}`
pub(super) fn some(live: &Live, id: &str) -> Response<Body> {
    match meant(live, id) {
        none if none.is_empty() => sessions::unknown(),
        some => answer::json(&shown(&some)),
    }
}

/// `DELETE /as/v1/admin/rtcproxy/{sessionId or streamGuid}`: 200 without a body.
pub(super) fn end(live: &Live, ender: &Ender, id: &str) -> Response<Body> {
    let meant = meant(live, id);
    let begun = meant.iter().filter_map(|session| ender.end(session.id()));
    if begun.count() == 0 {
        return sessions::unknown();
    }
    answer::text(StatusCode::OK, "")
}
