//! The sessions of this proxy as the proxy of Stream Manager 2.0 shows its own (Red5 Pro
//! documentation, Stream Manager 2.0 Admin API, "List Proxy Sessions" and "Kick Proxy Session"),
//! for what was written against that.

use std::{collections::BTreeMap, sync::Arc};

use http::{Response, StatusCode};
use serde::Serialize;
use whipstitch_proxy::{SessionKind, SessionTable, SessionView, Sides, Terminator};
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
fn guid(session: &SessionView) -> String {
    let stream = session.stream().map(ToString::to_string);
    stream.unwrap_or_else(|| session.scope().to_owned())
}

fn shown<'s>(sessions: impl IntoIterator<Item = &'s Arc<SessionView>>) -> BTreeMap<String, Shown> {
    let entry = |session: &Arc<SessionView>| {
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
fn all(table: &SessionTable) -> Vec<Arc<SessionView>> {
    let mut all = table.all();
    all.retain(|session| session.kind() != SessionKind::Manager);
    all
}

/// The session of this id, or those of the stream of this guid, whose slashes may be escaped. A
/// WebSocket that names no stream is meant by its id only: what is shown as its guid is its scope,
/// and others share that.
fn meant(table: &SessionTable, raw: &str) -> Vec<Arc<SessionView>> {
    let Some(id) = query::percent_decode(raw) else {
        return Vec::new();
    };
    let mut all = all(table);
    all.retain(|session| {
        let named = session.stream().map(ToString::to_string);
        session.id().to_string() == id || named.is_some_and(|guid| guid == id)
    });
    all
}

/// `GET /as/v1/admin/rtcproxy`
pub(super) fn list(table: &SessionTable) -> Response<Body> {
    answer::json(&shown(&all(table)))
}

/// `GET /as/v1/admin/rtcproxy/{sessionId or streamGuid}`
pub(super) fn some(table: &SessionTable, id: &str) -> Response<Body> {
    match meant(table, id) {
        none if none.is_empty() => sessions::unknown(),
        some => answer::json(&shown(&some)),
    }
}

/// `DELETE /as/v1/admin/rtcproxy/{sessionId or streamGuid}`: 200 without a body.
pub(super) fn end(table: &SessionTable, terminator: &Terminator, id: &str) -> Response<Body> {
    let meant = meant(table, id);
    let begun = meant
        .iter()
        .filter_map(|session| terminator.end(session.id()));
    if begun.count() == 0 {
        return sessions::unknown();
    }
    answer::text(StatusCode::OK, "")
}
