//! One open session, as the admin interface shows it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use whipstitch_origin::Origin;
use whipstitch_signaling::{Role, StreamKey, session::Session as Sealed};

use super::traffic::{Sides, Traffic};
use crate::{
    Exchange,
    request::trace::TraceId,
    request::{client_key::ClientKey, trusted_proxies::Scheme},
};

/// Longest piece of a `User-Agent` that is kept, in bytes.
const MAX_AGENT: usize = 128;

/// Longest `Authorization` that is kept for a DELETE of ours, in bytes: each session can have one.
const MAX_AUTHORIZATION: usize = 2048;

/// Names a session of this process: hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// It is not the id of any session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a session")]
pub struct NotAnId;

impl FromStr for SessionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        // from_str_radix takes a sign too.
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NotAnId)
    }
}

/// What kind of session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A publisher over WHIP.
    Whip,
    /// A player over WHEP.
    Whep,
    /// Red5's dialogue over a WebSocket.
    Socket,
    /// A WebSocket to the Stream Manager itself.
    Manager,
}

impl SessionKind {
    /// Its value in the admin interface.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
            Self::Socket => "socket",
            Self::Manager => "manager",
        }
    }
}

/// What a session is about, as its exchange knows it.
#[derive(Debug)]
pub(crate) struct About {
    request_id: HeaderValue,
    trace: Option<TraceId>,
    node: SocketAddr,
    named: IpAddr,
    scope: Box<str>,
    stream: Option<StreamKey>,
    client: Option<IpAddr>,
    secure: bool,
    agent: Option<Box<str>>,
    authorization: Option<Box<HeaderValue>>,
    is_managers: bool,
}

impl About {
    /// A session that this exchange makes at this node, in this scope.
    pub(crate) fn new(exchange: &Exchange, origin: &Origin, scope: impl Into<Box<str>>) -> Self {
        Self::at(exchange, (origin.addr(), origin.named()), scope.into())
    }

    /// A WebSocket that this exchange opens to the Stream Manager at this address, with this path.
    pub(crate) fn to_manager(exchange: &Exchange, manager: SocketAddr, path: &str) -> Self {
        Self {
            is_managers: true,
            ..Self::at(exchange, (manager, manager.ip()), short(path.as_bytes()))
        }
    }

    fn at(exchange: &Exchange, (node, named): (SocketAddr, IpAddr), scope: Box<str>) -> Self {
        let record = exchange.record();
        Self {
            request_id: record.id.clone(),
            trace: record.trace.id(),
            node,
            named,
            scope,
            is_managers: false,
            stream: record.stream.get().cloned(),
            client: exchange.client(),
            secure: exchange.scheme() == Some(Scheme::Https),
            agent: record.agent.as_ref().map(|agent| short(agent.as_bytes())),
            authorization: None,
        }
    }

    /// The client made it with this `Authorization`. A copy, since a field keeps the whole header
    /// of its request.
    pub(crate) fn authorized_by(mut self, field: Option<&HeaderValue>) -> Self {
        let kept = field.filter(|field| field.len() <= MAX_AUTHORIZATION);
        let copied = kept.and_then(|field| HeaderValue::from_bytes(field.as_bytes()).ok());
        self.authorization = copied.map(|mut field| {
            field.set_sensitive(true);
            // Most sessions have none.
            Box::new(field)
        });
        self
    }
}

/// The beginning of what a client says of itself, in characters that can be printed.
fn short(agent: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(agent.get(..MAX_AGENT).unwrap_or(agent));
    text.chars().filter(|each| !each.is_control()).collect()
}

/// One open session.
#[derive(Debug)]
pub struct SessionView {
    id: SessionId,
    about: About,
    began: SystemTime,
    traffic: Traffic,
    what: What,
    /// How many looks at the Stream Manager's list in a row did not find its stream.
    unlisted: AtomicU8,
}

/// What kind of session, and how it is ended from outside.
#[derive(Debug)]
enum What {
    Socket(CancellationToken),
    Http(Box<Http>),
}

/// A WHIP or WHEP session at its node.
#[derive(Debug)]
pub(crate) struct Http {
    /// The node.
    pub(crate) origin: Origin,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) key: StreamKey,
    /// What its URL says of it.
    pub(crate) sealed: Sealed,
    /// The client that made it, where clients can be told apart.
    pub(crate) client: Option<ClientKey>,
}

impl SessionView {
    pub(super) fn socket(id: SessionId, about: About, close: CancellationToken) -> Self {
        Self::new(id, about, What::Socket(close))
    }

    pub(super) fn http(id: SessionId, about: About, http: Http) -> Self {
        Self::new(id, about, What::Http(Box::new(http)))
    }

    fn new(id: SessionId, about: About, what: What) -> Self {
        Self {
            id,
            about,
            began: SystemTime::now(),
            traffic: Traffic::new(),
            what,
            unlisted: AtomicU8::new(0),
        }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The token that closes a WebSocket.
    pub(super) fn close(&self) -> Option<&CancellationToken> {
        match &self.what {
            What::Socket(close) => Some(close),
            What::Http(_) => None,
        }
    }

    /// A WHIP or WHEP session at its node.
    pub(crate) fn at_node(&self) -> Option<&Http> {
        match &self.what {
            What::Socket(_) => None,
            What::Http(http) => Some(http),
        }
    }

    /// What the client authorized itself by when it made the session.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.about.authorization.as_deref().cloned()
    }

    /// The Stream Manager lists its stream, or not; how often in a row it did not.
    pub(super) fn listed(&self, is_listed: bool) -> u8 {
        let looks = if is_listed {
            0
        } else {
            self.unlisted.load(Ordering::Relaxed).saturating_add(1)
        };
        self.unlisted.store(looks, Ordering::Relaxed);
        looks
    }

    /// Its name in this process.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The id of the request that opened it.
    pub fn request_id(&self) -> &str {
        self.about.request_id.to_str().unwrap_or_default()
    }

    /// The trace in which that request was.
    pub(crate) fn trace(&self) -> Option<TraceId> {
        self.about.trace
    }

    /// What kind it is.
    pub fn kind(&self) -> SessionKind {
        match &self.what {
            What::Socket(_) if self.about.is_managers => SessionKind::Manager,
            What::Socket(_) => SessionKind::Socket,
            What::Http(http) => match http.role {
                Role::Publish => SessionKind::Whip,
                Role::Play => SessionKind::Whep,
            },
        }
    }

    /// The application, and the room if there is one; of a WebSocket to the Stream Manager, the
    /// beginning of its path.
    pub fn scope(&self) -> &str {
        &self.about.scope
    }

    /// The stream; a WebSocket need not name one.
    pub fn stream(&self) -> Option<&StreamKey> {
        self.about.stream.as_ref()
    }

    /// The address of the node that was dialled.
    pub fn node(&self) -> SocketAddr {
        self.about.node
    }

    /// The node's address as the Stream Manager names it.
    pub fn named(&self) -> IpAddr {
        self.about.named
    }

    /// The client's address, as far as trusted proxies report it.
    pub fn client(&self) -> Option<IpAddr> {
        self.about.client
    }

    /// Whether the client came over TLS, as far as is known.
    pub fn is_secure(&self) -> bool {
        self.about.secure
    }

    /// The beginning of the client's `User-Agent`.
    pub fn agent(&self) -> Option<&str> {
        self.about.agent.as_deref()
    }

    /// When it began.
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// How long ago that is, by a clock that is never set.
    pub fn age(&self) -> Duration {
        self.traffic.age()
    }

    /// When the last byte passed; of a WHIP or WHEP session, when the client last sent a request
    /// for it, the POST included.
    pub fn last_activity(&self) -> SystemTime {
        self.began + self.traffic.last()
    }

    /// Bytes from the client and from the node; only a WebSocket's pass this way.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        self.is_socket().then(|| self.traffic.bytes())
    }

    /// Bytes a second, both ways, in the last seconds.
    pub fn rate(&self) -> Option<u64> {
        self.is_socket().then(|| self.traffic.rate())
    }

    fn is_socket(&self) -> bool {
        matches!(self.what, What::Socket(_))
    }

    /// Which sides are connected.
    pub fn sides(&self) -> Sides {
        self.traffic.sides()
    }
}
