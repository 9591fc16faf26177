//! `RTCPublisher` and `RTCSubscriber` of Red5's SDK up to 14: lookup, WebSocket, the first frames.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::{
    Role,
    answer::Exchange,
    manager,
    report::Row,
    rule::{Outcome, Unmet, failed, failed_set, skipped},
    sdp,
    target::{Manager, Target},
    wire::{Io, MAX_BODY, Wire},
};

/// Firefox and Edge give up a socket after this, and open another (red5pro-webrtc-sdk 11.0.0,
/// socket base).
const OPENS_WITHIN: Duration = Duration::from_secs(2);
/// Most frames that are read for the one that is waited for.
const MAX_FRAMES: usize = 32;

type Socket = WebSocketStream<Box<dyn Io>>;

/// The rules in the order of the dialogue: name and source.
const RULES: [(&str, &str); 4] = [
    (
        "the manager names a node",
        "Red5 Pro documentation, Stream Manager REST API 4.0; red5pro/streaming-html5, static/script/sm-api.js, getOrigin and getEdge",
    ),
    (
        "the socket opens within 2 s",
        "red5pro-webrtc-sdk 11.0.0, socket base: id, host and app in the query; Firefox and Edge open a second one after 2 s",
    ),
    (
        "the first word is NetConnection.Connect.Success",
        "red5pro-webrtc-sdk 11.0.0, socket base: without a `message` beside it",
    ),
    (
        "isAvailable is answered",
        "red5pro-webrtc-sdk 11.0.0, RTCPublisher: false is a free name; RTCSubscriber: true is a live one",
    ),
];

/// The dialogue of one role.
pub(crate) struct Dialogue<'d> {
    /// How the server is reached.
    pub(crate) wire: &'d Wire,
    /// The server under test.
    pub(crate) target: &'d Target,
    /// The origin of the page.
    pub(crate) origin: &'d str,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) stream: String,
}

/// What `--client` calls a role's dialogue.
pub(crate) fn id(role: Role) -> &'static str {
    match role {
        Role::Publish => "red5-rtc",
        Role::Play => "red5-rtc-play",
    }
}

/// Its usual name.
pub(crate) fn name(role: Role) -> &'static str {
    match role {
        Role::Publish => "Red5 SDK 11-14 RTCPublisher",
        Role::Play => "Red5 SDK 11-14 RTCSubscriber",
    }
}

impl Dialogue<'_> {
    /// Runs it, and closes the socket before anything is published or played.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let mut outcomes = Vec::new();
        self.play(&mut outcomes).await;
        let who = (id(self.role), name(self.role), self.role);
        let rows = RULES.iter().enumerate().map(|(at, (rule, source))| {
            let outcome = outcomes.get(at).cloned();
            let outcome = outcome
                .unwrap_or_else(|| skipped("not reached: an earlier step of the dialogue failed"));
            Row::new(who, (rule, source), outcome)
        });
        rows.collect()
    }

    async fn play(&self, outcomes: &mut Vec<Outcome>) {
        if self.target.manager == Manager::None {
            outcomes.extend(
                (0..RULES.len()).map(|_| skipped("not offered: no Stream Manager answers here")),
            );
            return;
        }
        let query = match self.locate().await {
            Ok(query) => query,
            Err(unmet) => return outcomes.push(Err(unmet)),
        };
        outcomes.push(Ok(()));
        let mut socket = match self.open(&query).await {
            Ok(socket) => socket,
            Err(unmet) => return outcomes.push(Err(unmet)),
        };
        outcomes.push(Ok(()));
        let first = self.connected(&mut socket).await;
        let proceed = first.is_ok();
        outcomes.push(first);
        if proceed {
            outcomes.push(self.available(&mut socket).await);
        }
        // As the SDK leaves: a Close without a code.
        let _ = timeout(self.wire.patience, socket.close(None)).await;
    }

    /// The query besides the id. Stream Manager 2.0 makes the lookup itself.
    async fn locate(&self) -> Result<String, Unmet> {
        if self.target.manager == Manager::V2 {
            return Ok("nodeGroup=default".to_owned());
        }
        let then = "the page has no address to connect to";
        match manager::locate(self.wire, self.target, self.role, &self.stream).await {
            Ok(host) => Ok(format!(
                "host={host}&app={}",
                self.target.app.replace('/', "%2F")
            )),
            Err(Exchange::Answer(answer)) if self.hopes() && matches!(answer.status, 400 | 404) => {
                skipped(format!(
                    "{}: without media the stream is not live; name one that is with --only-read --stream",
                    answer.status
                ))
            }
            Err(Exchange::Answer(answer)) => failed_set(
                format!("lookup: {}", answer.shown()),
                then,
                "the Stream Manager: are nodes in service? On Whipstitch stream_manager.url, and see /lookups",
            ),
            Err(Exchange::NoAnswer(words)) => failed(format!("lookup: {words}"), then),
        }
    }

    /// Whether the stream counts as live only if the server accepts a session without media.
    fn hopes(&self) -> bool {
        self.role == Role::Play && !self.target.live
    }

    async fn open(&self, query: &str) -> Result<Socket, Unmet> {
        let (path, id) = self.place();
        let url = self
            .target
            .base
            .with(&path, Some(format!("id={id}&{query}")));
        let began = Instant::now();
        let opened = timeout(
            self.wire.patience,
            self.handshake(&url.to_string().replacen("http", "ws", 1), &url),
        )
        .await;
        let then = "reports Connect.Failure, or PUBLISH/SUBSCRIBE.Fail after 5 s";
        let set =
            "proxy.enabled, nodes.allow; in front of Whipstitch a proxy that does not pass Upgrade";
        match opened {
            Ok(Ok(socket)) if began.elapsed() <= OPENS_WITHIN => Ok(socket),
            Ok(Ok(_)) => failed_set(
                format!("open after {:.1} s", began.elapsed().as_secs_f32()),
                "Firefox and Edge give it up and open another",
                "timeouts.connect and timeouts.answer lower",
            ),
            Ok(Err(words)) => failed_set(words, then, set),
            Err(_) => failed_set(
                format!("not open within {} s", self.wire.patience.as_secs()),
                then,
                set,
            ),
        }
    }

    fn place(&self) -> (String, String) {
        let id = match self.role {
            Role::Publish => self.stream.clone(),
            Role::Play => format!("subscriber-{}", sdp::random_hex(4)),
        };
        let action = match self.role {
            Role::Publish => "publish",
            Role::Play => "subscribe",
        };
        let path = match self.target.manager {
            Manager::V2 => format!(
                "/as/v1/proxy/ws/{action}/{}/{}",
                self.target.app, self.stream
            ),
            Manager::V1 | Manager::None => "/streammanager/".to_owned(),
        };
        (path, id)
    }

    async fn handshake(&self, ws: &str, url: &crate::url::Url) -> Result<Socket, String> {
        let mut request = ws
            .into_client_request()
            .map_err(|error| error.to_string())?;
        if let Ok(origin) = self.origin.parse() {
            request.headers_mut().insert("origin", origin);
        }
        let io = self.wire.connect(url).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_BODY))
            .max_frame_size(Some(MAX_BODY));
        match tokio_tungstenite::client_async_with_config(request, io, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(format!("{} instead of 101", response.status())),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn connected(&self, socket: &mut Socket) -> Outcome {
        let then = "connect() is never resolved, or rejected";
        let first = self
            .frame(socket, |frame| frame.get("data").is_some())
            .await;
        let Some(frame) = first.map_err(|words| match failed::<()>(words, then) {
            Err(unmet) => unmet,
            Ok(()) => Unmet::Skipped(String::new()),
        })?
        else {
            return failed("the socket was closed", then);
        };
        match frame.pointer("/data/code").and_then(Value::as_str) {
            Some("NetConnection.Connect.Success") if frame.pointer("/data/message").is_none() => {
                Ok(())
            }
            Some(code) => failed(shown(code), then),
            None => failed("a frame without a code", then),
        }
    }

    async fn available(&self, socket: &mut Socket) -> Outcome {
        let wanted = self.role == Role::Play;
        let question = match self.role {
            Role::Publish => json!({ "isAvailable": self.stream, "bundle": true }),
            Role::Play => json!({ "isAvailable": self.stream }),
        };
        let then = match self.role {
            Role::Publish => "reports PUBLISH_INVALID_NAME",
            Role::Play => "reports SUBSCRIBE_INVALID_NAME",
        };
        let sent = timeout(
            self.wire.patience,
            socket.send(Message::text(question.to_string())),
        )
        .await;
        if !matches!(sent, Ok(Ok(()))) {
            return failed("the socket was closed", then);
        }
        match self
            .frame(socket, |frame| frame.get("isAvailable").is_some())
            .await
        {
            Ok(Some(frame)) => match frame.get("isAvailable").and_then(Value::as_bool) {
                Some(live) if live == wanted => Ok(()),
                Some(false) if self.hopes() => skipped(
                    "without media the stream is not live; name one that is with --only-read --stream",
                ),
                Some(live) => failed_set(format!("isAvailable: {live}"), then, "--stream"),
                None => failed("isAvailable is neither true nor false", then),
            },
            Ok(None) => failed("the socket was closed", then),
            Err(words) => failed(words, then),
        }
    }

    /// The next frame of a kind; other frames are skipped, as the SDK does.
    async fn frame(
        &self,
        socket: &mut Socket,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Option<Value>, String> {
        let until = Instant::now() + self.wire.patience;
        for _ in 0..MAX_FRAMES {
            let next = timeout_at(until, socket.next());
            let next = next
                .await
                .map_err(|_| format!("nothing within {} s", self.wire.patience.as_secs()))?;
            match next {
                Some(Ok(Message::Text(text))) => {
                    if let Some(frame) = serde_json::from_str(&text).ok().filter(&wanted) {
                        return Ok(Some(frame));
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
        Err(format!("not among the first {MAX_FRAMES} frames"))
    }
}

fn shown(code: &str) -> String {
    code.chars()
        .filter(|letter| !letter.is_control())
        .take(80)
        .collect()
}
