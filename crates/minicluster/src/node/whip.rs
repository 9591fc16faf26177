//! WHIP as Red5 Pro speaks it: one session per stream name, which is also the resource URL.

use tokio::sync::mpsc;

use super::{Exchange, created, refused, trickle as candidates};
use crate::media::{EVENTS, MediaError};
use crate::reply::{self, Reply};

/// POST an offer, get the answer: 201 with a relative Location.
pub(crate) async fn publish(exchange: &Exchange<'_>, body: &str) -> Reply {
    if exchange.content_type() != "application/sdp" || body.is_empty() {
        return reply::text(412, "Invalid request body: an SDP offer is wanted.");
    }
    let node = exchange.node;
    let id = match node.registry.reserve_publisher(node.index, &exchange.key) {
        Ok(id) => id,
        Err(refusal) => return refused(refusal),
    };
    let claim = node.registry.claim(id);
    // An HTTP session has no receiver for its events.
    let (events, _) = mpsc::channel(EVENTS);
    match node.life().media.publish(id, body, events).await {
        Ok(published) => {
            node.registry.set_live(id, published.tracks);
            claim.keep();
            created(&exchange.raw_path, published.answer)
        }
        Err(MediaError::Sdp(reason)) => reply::text(400, format!("Invalid offer SDP: {reason}.")),
        Err(MediaError::Gone) => reply::text(417, "Session creation failure."),
    }
}

/// PATCH candidates: 200, as Red5 has it.
pub(crate) async fn trickle(exchange: &Exchange<'_>, body: &str) -> Reply {
    if exchange.content_type() != "application/trickle-ice-sdpfrag" {
        return reply::text(412, "Invalid request body: an SDP fragment is wanted.");
    }
    match exchange
        .node
        .registry
        .publisher_at(exchange.node.index, &exchange.key)
    {
        Some(id) => {
            candidates(exchange.node, id, body).await;
            reply::empty(200)
        }
        None => reply::text(417, "Session lookup failure."),
    }
}

/// DELETE: the stream ends.
pub(crate) fn end(exchange: &Exchange<'_>) -> Reply {
    match exchange
        .node
        .registry
        .publisher_at(exchange.node.index, &exchange.key)
    {
        Some(id) if exchange.node.registry.end(id) => reply::empty(200),
        _ => reply::text(417, "Session lookup failure."),
    }
}
