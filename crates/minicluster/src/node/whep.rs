//! WHEP as Red5 Pro speaks it: the node makes the offer, the player's PATCH carries the answer, and
//! `requestId` identifies each player of a stream.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::{Exchange, created, refused, trickle};
use crate::media::{EVENTS, MediaError, Plan, parse_offer};
use crate::registry::SessionId;
use crate::reply::{self, Reply};

/// POST: 201 with the node's offer. A player with an empty body leaves the offer to the node; a
/// player with an offer of its own has to discard it, unless the cluster answers offers.
pub(crate) async fn play(exchange: &Exchange<'_>, body: &str) -> Reply {
    let node = exchange.node;
    let plan = match plan(exchange, body) {
        Ok(plan) => plan,
        Err(error) => return reply::text(400, format!("Invalid offer SDP: {error}.")),
    };
    let request_id = exchange
        .request_id()
        .map_or_else(invent_request_id, ToOwned::to_owned);
    let (id, tracks) = match node
        .registry
        .reserve_player(node.index, &exchange.key, &request_id)
    {
        Ok(reserved) => reserved,
        Err(refusal) => return refused(refusal),
    };
    let claim = node.registry.claim(id);
    let (events, _) = mpsc::channel(EVENTS);
    match node
        .life()
        .media
        .play(id, tracks, exchange.key.name.clone(), plan, events)
        .await
    {
        Ok(sdp) => {
            claim.keep();
            created(&location(exchange, &request_id), sdp)
        }
        Err(MediaError::Sdp(reason)) if !body.is_empty() => {
            reply::text(400, format!("Invalid offer SDP: {reason}."))
        }
        Err(error) => reply::text(
            406,
            format!("Playback failed due to an exception during creation: {error}."),
        ),
    }
}

fn plan(exchange: &Exchange<'_>, body: &str) -> Result<Plan, MediaError> {
    let offer = if body.is_empty() {
        None
    } else {
        Some(Box::new(parse_offer(body)?))
    };
    Ok(match offer {
        Some(offer) if exchange.node.config.whep_answers => Plan::Answer(offer),
        _ => Plan::Offer { datachannel: false },
    })
}

/// The SDK keeps the query of its own endpoint URL. Only a client that sent no request id has to
/// learn it from the Location, or one that uses the Location literally, as standard players do.
fn location(exchange: &Exchange<'_>, request_id: &str) -> String {
    if exchange.request_id().is_some() && !exchange.node.config.whep_answers {
        exchange.raw_path.clone()
    } else {
        format!("{}?requestId={request_id}", exchange.raw_path)
    }
}

fn invent_request_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("subscriber-m{:x}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// PATCH the answer or candidates: 204.
pub(crate) async fn patch(exchange: &Exchange<'_>, body: &str) -> Reply {
    let Some(id) = session(exchange) else {
        return no_session();
    };
    match exchange.content_type() {
        "application/sdp" => match exchange.node.life().media.answer(id, body).await {
            Ok(()) => reply::empty(204),
            Err(MediaError::Sdp(reason)) => {
                reply::text(400, format!("Invalid answer SDP: {reason}."))
            }
            Err(MediaError::Gone) => no_session(),
        },
        "application/trickle-ice-sdpfrag" => {
            trickle(exchange.node, id, body).await;
            reply::empty(204)
        }
        _ => reply::text(400, "An SDP answer or an SDP fragment is wanted."),
    }
}

/// DELETE: this player leaves.
pub(crate) fn end(exchange: &Exchange<'_>) -> Reply {
    match session(exchange) {
        Some(id) if exchange.node.registry.end(id) => reply::empty(200),
        _ => no_session(),
    }
}

fn session(exchange: &Exchange<'_>) -> Option<SessionId> {
    exchange
        .node
        .registry
        .player_at(exchange.node.index, &exchange.key, exchange.request_id()?)
}

fn no_session() -> Reply {
    reply::text(404, "No session for this requestId.")
}
