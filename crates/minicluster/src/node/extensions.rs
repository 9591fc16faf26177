//! Protocol extensions as a node may offer them (RFC 9725 §4.9; draft-ietf-wish-whep, core
//! extensions): server-sent events, layers, and the statistics that red5pro-webrtc-sdk 15 posts.
//!
//! | request | answer |
//! |---|---|
//! | `POST /extensions/{scope…}/{stream}/events` | 201 and the `Location` of a stream, relative |
//! | `GET …/events/stream` | `text/event-stream`, open until either side closes it |
//! | `DELETE …/events/stream` | 200 |
//! | `POST …/layer` | 200 and the body again |
//! | `POST …/statistics` | 204 |

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HOST, LINK, LOCATION};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::broadcast;

use super::{Exchange, NodeState};
use crate::reply::{self, Reply, ReplyBody};
use crate::stream::{Dialect, SignalingPath};

/// Events that a slow listener may be behind.
pub(super) const EVENTS: usize = 64;
const PREFIX: &str = "/extensions/";

pub(super) fn is_one(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// The links of a new session: one as a path, one with this node's address.
pub(super) fn offer(answer: &mut Reply, dialect: Dialect, exchange: &Exchange<'_>) {
    let protocol = match dialect {
        Dialect::Whip => "whip",
        Dialect::Whep => "whep",
    };
    let (scope, name) = (&exchange.key.scope, &exchange.key.name);
    let host = exchange
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let urn = format!("urn:ietf:params:{protocol}:ext:core");
    let events = format!(
        "<{PREFIX}{scope}/{name}/events>; rel=\"{urn}:server-sent-events\"; events=\"active,layers\""
    );
    let layer = format!("<http://{host}{PREFIX}{scope}/{name}/layer>; rel=\"{urn}:layer\"");
    add(answer, &[events, layer]);
}

/// The link that red5pro-webrtc-sdk 15 looks for on OPTIONS.
pub(super) fn offer_statistics(answer: &mut Reply, path: &SignalingPath) {
    let (scope, name) = (&path.key.scope, &path.key.name);
    add(
        answer,
        &[format!(
            "<{PREFIX}{scope}/{name}/statistics>; rel=\"statistics\""
        )],
    );
}

fn add(answer: &mut Reply, links: &[String]) {
    let values = links
        .iter()
        .filter_map(|link| HeaderValue::from_str(link).ok());
    for value in values {
        answer.headers_mut().append(LINK, value);
    }
}

pub(super) async fn answer(node: &NodeState, request: Request<Incoming>) -> Response<ReplyBody> {
    let (head, incoming) = request.into_parts();
    let last = head.uri.path().rsplit('/').next().unwrap_or_default();
    match (head.method.as_str(), last) {
        ("GET", "stream") => events(node.events.subscribe()),
        ("DELETE", "stream") => reply::whole(reply::empty(200)),
        ("POST", "events" | "layer" | "statistics") => {
            let body = match reply::read(incoming).await {
                Ok(body) => body,
                Err(answer) => return reply::whole(answer),
            };
            reply::whole(posted(last, body))
        }
        _ => reply::whole(reply::tomcat_not_found()),
    }
}

fn posted(extension: &str, body: String) -> Reply {
    match extension {
        "events" => {
            let mut answer = reply::empty(201);
            let location = HeaderValue::from_static("events/stream");
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        "layer" => reply::body(200, "application/json", body),
        _ => reply::empty(204),
    }
}

fn events(receiver: broadcast::Receiver<Bytes>) -> Response<ReplyBody> {
    let frames = stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await.ok()?;
        Some((Ok::<_, Infallible>(Frame::data(event)), receiver))
    });
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    let media = HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert(CONTENT_TYPE, media);
    answer
}
