//! One record per exchange: what the layers found out, for the access line and the metrics.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header::USER_AGENT};
use tokio::time::Instant;
use whipstitch_origin::{Asker, Cause};
use whipstitch_signaling::{Role, StreamKey};

use crate::{
    report::trace::{Traced, Tracing},
    request::{
        phases::{Phase, Phases},
        trusted_proxies::{Forwarders, Scheme, Whence},
    },
    words::{problem::Kind, reason::Answerer},
};

/// The header that carries the id of an exchange, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a client, in characters.
const MAX_REQUEST_ID: usize = 64;

/// Who is at the other end of a client's connection. Set by whoever accepted it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address.
    pub addr: SocketAddr,
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// The address as it stands in `X-Forwarded-For`, made once per connection.
    forwarded_for: HeaderValue,
    handshake: Option<Arc<Handshake>>,
}

/// The TLS handshake of a connection, until its first exchange has been told.
#[derive(Debug)]
struct Handshake {
    phase: Phase,
    told: AtomicBool,
}

impl Peer {
    /// A client at this address.
    pub fn new(addr: SocketAddr, tls: bool) -> Self {
        let text = addr.ip().to_canonical().to_string();
        let forwarded_for =
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            addr,
            tls,
            forwarded_for,
            handshake: None,
        }
    }

    /// The same client, whose TLS handshake began then and took so long.
    #[must_use]
    pub fn after_handshake(mut self, began: Instant, took: Duration) -> Self {
        self.handshake = Some(Arc::new(Handshake {
            phase: Phase { began, took },
            told: AtomicBool::new(false),
        }));
        self
    }

    /// The handshake of the connection, to whoever asks first: an exchange after the first did not
    /// wait for it.
    fn first_handshake(&self) -> Option<Phase> {
        let handshake = self.handshake.as_ref()?;
        let told = handshake.told.swap(true, Ordering::Relaxed);
        (!told).then_some(handshake.phase)
    }

    pub(crate) fn forwarded_for(&self) -> HeaderValue {
        self.forwarded_for.clone()
    }
}

/// What an exchange is about; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    WhipEndpoint,
    WhipSession,
    WhepEndpoint,
    WhepSession,
    Extension,
    Socket,
    Manager,
    Unknown,
}

impl Subject {
    /// Every subject, in the order of its discriminant.
    pub(crate) const ALL: [Self; 8] = [
        Self::WhipEndpoint,
        Self::WhipSession,
        Self::WhepEndpoint,
        Self::WhepSession,
        Self::Extension,
        Self::Socket,
        Self::Manager,
        Self::Unknown,
    ];

    /// Its value in metrics and logs.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::WhipEndpoint => "whip_endpoint",
            Self::WhipSession => "whip_session",
            Self::WhepEndpoint => "whep_endpoint",
            Self::WhepSession => "whep_session",
            Self::Extension => "extension",
            Self::Socket => "socket",
            Self::Manager => "manager",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) const fn endpoint(role: Role) -> Self {
        match role {
            Role::Publish => Self::WhipEndpoint,
            Role::Play => Self::WhepEndpoint,
        }
    }

    /// Whose endpoint it is, if it is one.
    pub(crate) const fn endpoint_of(self) -> Option<Role> {
        match self {
            Self::WhipEndpoint => Some(Role::Publish),
            Self::WhepEndpoint => Some(Role::Play),
            _ => None,
        }
    }

    pub(crate) const fn session(role: Role) -> Self {
        match role {
            Role::Publish => Self::WhipSession,
            Role::Play => Self::WhepSession,
        }
    }
}

/// The record of one exchange. Cheap to clone: all clones are one record.
#[derive(Clone)]
pub struct Exchange(Arc<Record>);

pub(crate) struct Record {
    pub(crate) id: HeaderValue,
    pub(crate) peer: Option<Peer>,
    /// What the client says of itself.
    pub(crate) agent: Option<HeaderValue>,
    pub(crate) began: Instant,
    pub(crate) received: AtomicU64,
    pub(crate) subject: OnceLock<Subject>,
    pub(crate) stream: OnceLock<StreamKey>,
    pub(crate) tries: Mutex<Tries>,
    /// Who asks, and by which way.
    pub(crate) whence: Whence,
    /// Where its time went.
    pub(crate) phases: Phases,
    pub(crate) problem: OnceLock<Kind>,
    /// Why the node or the Stream Manager did not answer; for the operator.
    pub(crate) cause: OnceLock<Cause>,
    pub(crate) trace: Traced,
    /// Who made the answer; nobody but this proxy, if it is not said.
    pub(crate) answerer: OnceLock<Answerer>,
    /// Whether the answer was cut off because the process stops.
    pub(crate) stopped: AtomicBool,
}

/// The nodes that a request was sent to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// The last one, which answered if one did.
    pub(crate) node: Option<SocketAddr>,
    /// How many.
    pub(crate) count: u32,
}

impl Exchange {
    /// One that no forwarder is believed about.
    #[cfg(test)]
    pub(crate) fn begin(headers: &HeaderMap, peer: Option<Peer>) -> Self {
        Self::through(headers, peer, &Forwarders::default(), None)
    }

    /// The record of a request with this header, which may have come through one of `forwarders`,
    /// in a trace if there is one.
    pub(crate) fn through(
        headers: &HeaderMap,
        peer: Option<Peer>,
        forwarders: &Forwarders,
        tracing: Option<&Tracing>,
    ) -> Self {
        let phases = Phases::default();
        if let Some(handshake) = peer.as_ref().and_then(Peer::first_handshake) {
            phases.tls(handshake);
        }
        let whence = forwarders.whence(headers, peer.as_ref());
        Self(Arc::new(Record {
            id: client_id(headers).unwrap_or_else(new_id),
            trace: Traced::begin(headers, whence.trusted, tracing),
            whence,
            peer,
            agent: headers.get(USER_AGENT).cloned(),
            began: Instant::now(),
            received: AtomicU64::new(0),
            subject: OnceLock::new(),
            stream: OnceLock::new(),
            tries: Mutex::default(),
            phases,
            problem: OnceLock::new(),
            cause: OnceLock::new(),
            answerer: OnceLock::new(),
            stopped: AtomicBool::new(false),
        }))
    }

    pub(crate) fn record(&self) -> &Record {
        &self.0
    }

    /// The client's address, as far as it can be told.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.0.whence.client
    }

    /// The client for which a lookup is made: unknown if its address may be that of a proxy with
    /// many clients behind it.
    pub(crate) fn asker(&self) -> Asker {
        let whence = &self.0.whence;
        let client = whence.client.filter(|_| whence.is_one);
        client.map_or(Asker::UNKNOWN, Asker::at)
    }

    /// The forwarder that speaks for the client, if there is one that is believed.
    pub(crate) fn forwarder(&self) -> Option<IpAddr> {
        let peer = self.0.peer.as_ref()?;
        self.0.whence.way.as_ref()?;
        Some(peer.addr.ip().to_canonical())
    }

    /// The client's own connection; `None` through a trusted proxy, where each request may come
    /// over another.
    pub(crate) fn own_connection(&self) -> Option<SocketAddr> {
        let peer = self.0.peer.as_ref();
        peer.filter(|_| self.forwarder().is_none())
            .map(|peer| peer.addr)
    }

    /// By which scheme the client reaches us, or whoever stands in front; `None` if nobody can
    /// tell.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        let ours = || self.0.peer.as_ref()?.tls.then_some(Scheme::Https);
        self.0.whence.scheme.or_else(ours)
    }

    pub(crate) fn subject(&self) -> Subject {
        self.0.subject.get().copied().unwrap_or(Subject::Unknown)
    }

    pub(crate) fn is_about(&self, subject: Subject, stream: Option<&StreamKey>) {
        let _ = self.0.subject.set(subject);
        if let Some(stream) = stream {
            let _ = self.0.stream.set(stream.clone());
        }
    }

    /// One more try; the last one is the one that counts.
    pub(crate) fn goes_to(&self, node: SocketAddr) {
        let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.node = Some(node);
        tries.count += 1;
        drop(tries);
        self.0.phases.next_try();
    }

    pub(crate) fn tries(&self) -> Tries {
        *self.0.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its time goes.
    pub(crate) fn phases(&self) -> &Phases {
        &self.0.phases
    }

    /// Whose answer it is.
    pub(crate) fn answered_by(&self, answerer: Answerer) {
        let _ = self.0.answerer.set(answerer);
    }

    /// The answer is cut off, as the process stops.
    pub(crate) fn stopped(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, kind: Kind) {
        let _ = self.0.problem.set(kind);
    }

    /// Why there is a problem, for the log.
    pub(crate) fn failed_by(&self, cause: Cause) {
        let _ = self.0.cause.set(cause);
    }

    /// The id, for `instance` of a problem.
    pub(crate) fn id(&self) -> &str {
        self.0.id.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.0.id).finish()
    }
}

/// An id that the client brought, if it can stand in a log line and a URL as it is.
fn client_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(harmless);
    fits.then(|| id.clone())
}

/// 16 hexadecimal digits: unique in this process, and unlikely to be another's.
pub(crate) fn new_id() -> HeaderValue {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = SEED.hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(format!("{id:016x}")).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_kept_if_it_is_harmless() {
        let id = |value: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))]);
            Exchange::begin(&headers, None).id().to_owned()
        };
        assert_eq!(id("abc-123_X.y"), "abc-123_X.y");
        for bad in ["", "a b", "a\"b", "a/b"] {
            assert_eq!(id(bad).len(), 16, "{bad:?}");
        }
        assert_ne!(id(""), id(""));
    }
}
