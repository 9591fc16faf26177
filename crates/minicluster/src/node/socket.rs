//! Red5's WebSocket signalling: the handshake, and the rules of the connection, independent of the
//! dialogue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::body::Incoming;
use hyper_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use hyper_tungstenite::tungstenite::handshake::derive_accept_key;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use hyper_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use hyper_tungstenite::tungstenite::{Bytes, Error, Message};
use hyper_tungstenite::{HyperWebsocket, HyperWebsocketStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::NodeState;
use super::dialogue::Dialogue;
use crate::frames;
use crate::media::EVENTS;
use crate::reply::{self, Reply};
use crate::stream::{StreamKey, percent_decode};

// All four are those of Red5/red5-server's WebSocket plugin.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING: &[u8] = b"PING!";
const READ_IDLE: Duration = Duration::from_secs(30);
const SEND_WITHIN: Duration = Duration::from_secs(8);
const MAX_TEXT: usize = 10_000;

/// Answer a handshake at `/{scope…}/?…`. The query names the client; nothing else in it concerns
/// the node.
pub(crate) fn upgrade(
    node: &Arc<NodeState>,
    mut request: Request<Incoming>,
    wrong_accept: bool,
) -> Reply {
    let scope = percent_decode(request.uri().path());
    let scope = StreamKey::new(&scope, "").scope;
    if request.method() != Method::GET || !hyper_tungstenite::is_upgrade_request(&request) {
        return reply::text(400, "Not a WebSocket handshake.");
    }
    if !node.knows(&StreamKey::new(&scope, "")) {
        return reply::text(404, format!("No such scope: {scope}."));
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_TEXT))
        .max_frame_size(Some(MAX_TEXT));
    let websocket = match hyper_tungstenite::upgrade(&mut request, Some(config)) {
        Ok((_, websocket)) => websocket,
        Err(ProtocolError::MissingSecWebSocketVersionHeader) => {
            let mut answer = reply::text(426, "WebSocket version 13 is wanted.");
            answer
                .headers_mut()
                .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return answer;
        }
        Err(_) => return reply::text(400, "A Sec-WebSocket-Key is wanted."),
    };
    let until = node.life().until;
    let task = serve(node.clone(), websocket, scope);
    node.tracker.spawn(async move {
        tokio::select! {
            () = until.cancelled() => {}
            () = task => {}
        }
    });
    switching(request.headers(), wrong_accept)
}

/// The 101: the first subprotocol asked for is agreed to, extensions are not.
fn switching(asked: &HeaderMap, wrong_accept: bool) -> Reply {
    let mut answer = reply::empty(101);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let key = asked
        .get("sec-websocket-key")
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let accept = derive_accept_key(if wrong_accept { b"another key" } else { key });
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    let first = asked
        .get(SEC_WEBSOCKET_PROTOCOL)
        .and_then(|list| list.to_str().ok()?.split(',').next());
    if let Some(first) = first.and_then(|name| HeaderValue::from_str(name.trim()).ok()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, first);
    }
    answer
}

/// Serves the connection from its first frame to its last, then ends the dialogue's session.
async fn serve(node: Arc<NodeState>, websocket: HyperWebsocket, scope: String) {
    let Ok(mut socket) = websocket.await else {
        return;
    };
    let (sender, events) = mpsc::channel(EVENTS);
    let mut dialogue = Dialogue::new(node, scope, sender);
    if let Err(error) = talk(&mut socket, &mut dialogue, events).await {
        tracing::debug!(%error, "WebSocket ended");
        if let Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
            let frame = CloseFrame {
                code: CloseCode::Size,
                reason: "at most 10000 bytes".into(),
            };
            let _ = tokio::time::timeout(SEND_WITHIN, socket.close(Some(frame))).await;
        }
    }
    dialogue.hang_up();
}

async fn talk(
    socket: &mut HyperWebsocketStream,
    dialogue: &mut Dialogue,
    mut events: mpsc::Receiver<crate::media::MediaEvent>,
) -> Result<(), Error> {
    let mut ended = dialogue.watch();
    let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut idle = Instant::now() + READ_IDLE;
    send(socket, Message::text(frames::connect_success())).await?;
    loop {
        let replies = tokio::select! {
            message = socket.next() => {
                idle = Instant::now() + READ_IDLE;
                match message.transpose()? {
                    Some(Message::Text(text)) => dialogue.receive(&text).await,
                    Some(_) => Vec::new(),
                    None => return Ok(()),
                }
            }
            Some(event) = events.recv() => dialogue.media(&event),
            Ok(()) = ended.changed() => dialogue.look_for_end(),
            _ = pings.tick() => {
                send(socket, Message::Ping(Bytes::from_static(PING))).await?;
                Vec::new()
            }
            () = tokio::time::sleep_until(idle) => return Ok(()),
        };
        for frame in replies {
            send(socket, Message::text(frame)).await?;
        }
    }
}

async fn send(socket: &mut HyperWebsocketStream, message: Message) -> Result<(), Error> {
    match tokio::time::timeout(SEND_WITHIN, socket.send(message)).await {
        Ok(sent) => sent,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
