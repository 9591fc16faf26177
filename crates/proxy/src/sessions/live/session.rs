//! One open session, for whoever looks.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use whipstitch_origin::Origin;
use whipstitch_signaling::{Role, StreamKey, session::Session as Sealed};

use super::traffic::{Sides, Traffic};
use crate::{Exchange, report::trace::TraceId, request::trusted_proxies::Scheme};

/// Longest piece of a `User-Agent` that is kept, in bytes.
const MAX_AGENT: usize = 128;

/// Longest `Authorization` that is kept for a DELETE by the operator, in bytes: there are up to 20
/// 000 sessions.
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
pub enum Kind {
    /// A publisher over WHIP.
    Whip,
    /// A player over WHEP.
    Whep,
    /// Red5's dialogue over a WebSocket.
    Socket,
    /// A WebSocket to the Stream Manager itself.
    Manager,
}

impl Kind {
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
    pub(super) is_managers: bool,
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
pub struct LiveSession {
    id: SessionId,
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
    began: SystemTime,
    traffic: Traffic,
    way_out: WayOut,
}

/// How it is ended from outside.
#[derive(Debug)]
pub(super) enum WayOut {
    Socket(CancellationToken),
    Manager(CancellationToken),
    Http {
        origin: Origin,
        role: Role,
        key: StreamKey,
        sealed: Sealed,
    },
}

impl LiveSession {
    pub(super) fn new(id: SessionId, about: About, way_out: WayOut) -> Self {
        Self {
            id,
            request_id: about.request_id,
            trace: about.trace,
            node: about.node,
            named: about.named,
            scope: about.scope,
            stream: about.stream,
            client: about.client,
            secure: about.secure,
            agent: about.agent,
            authorization: about.authorization,
            began: SystemTime::now(),
            traffic: Traffic::new(),
            way_out,
        }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(super) fn way_out(&self) -> &WayOut {
        &self.way_out
    }

    /// What the client authorized itself by when it made the session.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.as_deref().cloned()
    }

    /// Whether it is the session of this URL: two at one place are told apart by their times.
    pub(super) fn is(&self, url: &Sealed) -> bool {
        matches!(&self.way_out, WayOut::Http { sealed, .. } if sealed.issued_at == url.issued_at)
    }

    /// Its name in this process.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The id of the request that opened it.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The trace in which that request was.
    pub(crate) fn trace(&self) -> Option<TraceId> {
        self.trace
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match &self.way_out {
            WayOut::Socket(_) => Kind::Socket,
            WayOut::Manager(_) => Kind::Manager,
            WayOut::Http { role, .. } => match role {
                Role::Publish => Kind::Whip,
                Role::Play => Kind::Whep,
            },
        }
    }

    /// The application, and the room if there is one; of a WebSocket to the Stream Manager, the
    /// beginning of its path.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The stream; a WebSocket need not name one.
    pub fn stream(&self) -> Option<&StreamKey> {
        self.stream.as_ref()
    }

    /// The address of the node that was dialled.
    pub fn node(&self) -> SocketAddr {
        self.node
    }

    /// The address by which the Stream Manager knows the node.
    pub fn named(&self) -> IpAddr {
        self.named
    }

    /// Who made it: the address that counts for the client, whoever forwarded its request.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Whether the client came over TLS, as far as can be told.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The beginning of the client's `User-Agent`.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// When it began.
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// How long ago that is, by a clock that is never set.
    pub fn age(&self) -> Duration {
        self.traffic.age()
    }

    /// When the last byte passed; of a WHIP or WHEP session, when its client last spoke of it.
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
        matches!(self.way_out, WayOut::Socket(_) | WayOut::Manager(_))
    }

    /// Which ends are there.
    pub fn sides(&self) -> Sides {
        self.traffic.sides()
    }
}
