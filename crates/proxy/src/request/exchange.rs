//! One record per exchange: what the layers found out, for the access line and the metrics.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use tokio::time::Instant;
use whipstitch_auth::{Admitted, Dialogue};
use whipstitch_origin::{Asker, Cause};
use whipstitch_signaling::{Role, StreamKey, owner::Owner};

use crate::{
    request::{
        peer::Peer,
        phases::Phases,
        request_id::{client_id, new_id},
        trace::{TraceState, Tracing},
        trusted_proxies::{Provenance, Scheme, TrustedProxies},
    },
    words::{problem::Kind, reason::Answerer},
};

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
    /// The client's `User-Agent`.
    pub(crate) agent: Option<HeaderValue>,
    pub(crate) began: Instant,
    pub(crate) received: AtomicU64,
    pub(crate) subject: OnceLock<Subject>,
    pub(crate) stream: OnceLock<StreamKey>,
    pub(crate) tries: Mutex<Tries>,
    /// Who the client is, and how it reaches us.
    pub(crate) provenance: Provenance,
    /// Where its time went.
    pub(crate) phases: Phases,
    pub(crate) problem: OnceLock<Kind>,
    /// Why the node or the Stream Manager did not answer; for the operator.
    pub(crate) cause: OnceLock<Cause>,
    pub(crate) trace: TraceState,
    /// Who the client is, if that was judged.
    pub(crate) admitted: OnceLock<Admitted>,
    /// Who made the answer; this proxy, if it is not set.
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
    /// One without trusted proxies.
    #[cfg(test)]
    pub(crate) fn begin(headers: &HeaderMap, peer: Option<Peer>) -> Self {
        Self::through(headers, peer, &TrustedProxies::default(), None)
    }

    /// The record of a request with this header, which may have come through one of `proxies`, in a
    /// trace if there is one.
    pub(crate) fn through(
        headers: &HeaderMap,
        peer: Option<Peer>,
        proxies: &TrustedProxies,
        tracing: Option<&Tracing>,
    ) -> Self {
        let phases = Phases::default();
        if let Some(handshake) = peer.as_ref().and_then(Peer::first_handshake) {
            phases.tls(handshake);
        }
        let provenance = proxies.read(headers, peer.as_ref());
        Self(Arc::new(Record {
            id: client_id(headers).unwrap_or_else(new_id),
            trace: TraceState::begin(headers, provenance.trusted, tracing),
            provenance,
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
            admitted: OnceLock::new(),
            answerer: OnceLock::new(),
            stopped: AtomicBool::new(false),
        }))
    }

    pub(crate) fn record(&self) -> &Record {
        &self.0
    }

    /// The client's address, as far as it can be told.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.0.provenance.client
    }

    /// The client for which a lookup is made: unknown if its address may be that of a proxy with
    /// many clients behind it.
    pub(crate) fn asker(&self) -> Asker {
        let provenance = &self.0.provenance;
        let client = provenance.client.filter(|_| provenance.is_one);
        client.map_or(Asker::UNKNOWN, Asker::at)
    }

    /// The trusted proxy that forwarded the request, if it names its client.
    pub(crate) fn forwarder(&self) -> Option<IpAddr> {
        let peer = self.0.peer.as_ref()?;
        self.0.provenance.hops.as_ref()?;
        Some(peer.addr.ip().to_canonical())
    }

    /// The client's own connection; `None` through a trusted proxy, where each request may come
    /// over another.
    pub(crate) fn own_connection(&self) -> Option<SocketAddr> {
        let peer = self.0.peer.as_ref();
        peer.filter(|_| self.forwarder().is_none())
            .map(|peer| peer.addr)
    }

    /// The scheme of the client's request to us or to the trusted proxy; `None` if it is not known.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        let ours = || self.0.peer.as_ref()?.tls.then_some(Scheme::Https);
        self.0.provenance.scheme.or_else(ours)
    }

    /// The same, where a client at our own sockets without TLS speaks plain HTTP. A trusted proxy
    /// that names no scheme may have TLS before it: that is not known.
    pub(crate) fn scheme_to_us(&self) -> Option<Scheme> {
        let plain = || (!self.0.provenance.trusted).then_some(Scheme::Http);
        self.scheme().or_else(plain)
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

    /// The client may do what it asks for.
    pub(crate) fn is_admitted(&self, admitted: Admitted) {
        let _ = self.0.admitted.set(admitted);
    }

    /// Who the client is, if it had to say so.
    pub(crate) fn owner(&self) -> Option<Owner> {
        self.0.admitted.get()?.owner
    }

    /// What the client may say over its WebSocket, if that is restricted.
    pub(crate) fn dialogue(&self) -> Option<Arc<Dialogue>> {
        self.0.admitted.get()?.dialogue.clone()
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
