//! The WebSocket sessions as the Stream Manager's own proxy shows them (Red5 Pro documentation,
//! Stream Manager REST API 4.0, "Proxy API"), for what was written against that.

use std::{net::IpAddr, time::SystemTime};

use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use whipstitch_proxy::{SessionKind, SessionTable, SessionView, Sides};
use whipstitch_signaling::query;

use super::{
    answer::{self, Body, unix_ms},
    sessions,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    target_port: u16,
    target_host: IpAddr,
    target_app: String,
    client_connected: bool,
    proxy_connected: bool,
    client_user_agent: String,
    client_address: Option<IpAddr>,
    secure_client: bool,
    creation_time: u64,
}

impl Shown {
    fn of(session: &SessionView) -> Self {
        let Sides { client, node } = session.sides();
        Self {
            id: session.id().to_string(),
            target_port: session.node().port(),
            target_host: session.node().ip(),
            target_app: session.scope().to_owned(),
            client_connected: client,
            proxy_connected: node,
            client_user_agent: session.agent().unwrap_or_default().to_owned(),
            client_address: session.client(),
            secure_client: session.is_secure(),
            creation_time: unix_ms(session.began()),
        }
    }
}

/// "Unhealthy" is a session with only one side still connected.
fn is_healthy(session: &SessionView) -> bool {
    let Sides { client, node } = session.sides();
    client && node
}

/// `GET …/clients?filter=any|healthy|unhealthy&count=true`
pub(super) fn clients(table: &SessionTable, query: &str) -> Response<Body> {
    let wanted = match query::get(query, "filter") {
        None | Some("" | "any") => None,
        Some("healthy") => Some(true),
        Some("unhealthy") => Some(false),
        Some(_) => {
            let words = "filter is any, healthy or unhealthy";
            return answer::error(StatusCode::BAD_REQUEST, words);
        }
    };
    let all = table.all();
    let chosen = all
        .iter()
        .filter(|session| session.kind() == SessionKind::Socket)
        .filter(|session| wanted.is_none_or(|wanted| wanted == is_healthy(session)));
    if query::get(query, "count") == Some("true") {
        let timestamp = unix_ms(SystemTime::now());
        return answer::json(&json!({ "count": chosen.count(), "timestamp": timestamp }));
    }
    let clients: Vec<Shown> = chosen.map(|session| Shown::of(session)).collect();
    answer::json(&clients)
}

/// `GET …/clients/{id}`
pub(super) fn client(table: &SessionTable, id: &str) -> Response<Body> {
    let session = sessions::find(table, id);
    match session.filter(|session| session.kind() == SessionKind::Socket) {
        Some(session) => answer::json(&Shown::of(&session)),
        None => sessions::unknown(),
    }
}
