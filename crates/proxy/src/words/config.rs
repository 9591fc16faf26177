//! What an operator can set about requests: `[proxy]`, `[ice]`, `[limits]` and `[timeouts]`.

use std::{path::PathBuf, time::Duration};

use http::StatusCode;
use ipnet::IpNet;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use whipstitch_signaling::{ice::IceUrl, web_origin::WebOrigin};

pub use crate::words::hsts::{Hsts, HstsError};

/// `[proxy]`: what is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Proxy {
    /// Off: WHIP, WHEP and WebSocket signalling answer 503, the Stream Manager's own pages and API
    /// still pass.
    pub enabled: bool,
    /// Host names (without port) that are served; any when empty.
    pub hosts: Vec<String>,
    /// Redirects GET and HEAD over plain HTTP to `https`, and refuses everything else over it.
    pub https_redirect: bool,
    /// `Strict-Transport-Security` of answers to clients that use `https`.
    pub hsts: Option<Hsts>,
    /// Scheme and authority that clients use when something in front changes them, e.g.
    /// `https://live.example.com`.
    pub public_url: Option<String>,
    /// Whether the URLs of sessions name scheme and host.
    pub location: Location,
    /// Networks of trusted proxies, whose forwarded headers are believed.
    pub trusted: Vec<IpNet>,
    /// Origins whose pages may open WebSockets, beside those of the host that is asked, and use
    /// this proxy (CORS); any when empty.
    pub allowed_origins: Vec<WebOrigin>,
    /// Further origins whose pages may use this proxy (CORS), but open no WebSockets.
    pub cors_origins: Vec<WebOrigin>,
    /// Lets `/streammanager/api/…/admin/…` through to the Stream Manager.
    pub admin_api: bool,
    /// What becomes of requests to the forward proxy of Stream Manager 2.0.
    pub forward: Forwarding,
    /// What a player gets while its stream is not live.
    pub not_live_status: NotLiveStatus,
    /// Answers trickle and ICE restarts without `If-Match` with 428 and those with a wrong one with
    /// 412 (RFC 9725 §4.3.1); not for clients that know no entity tags.
    pub strict_etags: bool,
    /// Adds `Server-Timing` to every answer, which shows where the time went, and lets pages of any
    /// origin read it.
    pub server_timing: bool,
    /// How a client's bearer token reaches a node.
    pub bearer: Bearer,
}

/// How the `Authorization: Bearer` of a client reaches a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bearer {
    /// As it is.
    #[default]
    Pass,
    /// As the query that Red5's authentication plugins read: see [`whipstitch_signaling::bearer`].
    Query,
}

/// The status of an answer to a player whose stream is not live. Either comes with `Retry-After`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum NotLiveStatus {
    /// 409, which draft-ietf-wish-whep asks for.
    #[default]
    Conflict,
    /// 404, as players written against `MediaMTX` expect it.
    NotFound,
}

impl NotLiveStatus {
    /// As a status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Conflict => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

impl From<NotLiveStatus> for u16 {
    fn from(status: NotLiveStatus) -> Self {
        status.status().as_u16()
    }
}

impl TryFrom<u16> for NotLiveStatus {
    type Error = &'static str;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        match status {
            409 => Ok(Self::Conflict),
            404 => Ok(Self::NotFound),
            _ => Err("is neither 409 nor 404"),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            enabled: true,
            hosts: Vec::new(),
            https_redirect: false,
            hsts: None,
            public_url: None,
            location: Location::default(),
            trusted: Vec::new(),
            allowed_origins: Vec::new(),
            cors_origins: Vec::new(),
            admin_api: false,
            forward: Forwarding::default(),
            not_live_status: NotLiveStatus::default(),
            strict_etags: false,
            server_timing: false,
            bearer: Bearer::default(),
        }
    }
}

/// What becomes of requests to `/as/v1/proxy/forward/`, which name where they are to be sent (Red5
/// Pro documentation, Stream Manager 2.0, Proxy API).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// They are refused.
    #[default]
    Refuse,
    /// They go to the Stream Manager, which alone can sign them, if they name a node of the cluster
    /// and bring a token.
    Nodes,
}

/// How the URLs of sessions are written (`Location`, RFC 9725 §4.2; and `Link`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// With scheme and host where both are known, as a path elsewhere.
    #[default]
    Auto,
    /// With scheme and host, always.
    Absolute,
    /// As a path, always.
    Path,
}

/// `[ice]`: the ICE servers that clients are told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ice {
    /// Servers of our own; only the node's are told of when empty.
    pub servers: Vec<IceUrl>,
    /// File with the secret that the TURN servers share (coturn's `static-auth-secret`): each
    /// session gets credentials of its own.
    pub turn_secret_file: Option<PathBuf>,
    /// How long such credentials are good for.
    #[serde(with = "duration")]
    pub turn_ttl: Duration,
    /// User name at the TURN servers, the same for every session.
    pub username: Option<String>,
    /// File with the password of `username`.
    pub credential_file: Option<PathBuf>,
    /// Leaves the node's own servers out instead of adding to them.
    pub replace: bool,
}

impl Default for Ice {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            turn_secret_file: None,
            turn_ttl: Duration::from_hours(12),
            username: None,
            credential_file: None,
            replace: false,
        }
    }
}

/// `[limits]`: what one client, and all of them together, may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most requests that wait for their answer's header at once; further ones get 503.
    pub in_flight: usize,
    /// Most WebSocket sessions at once; further ones get 503.
    pub sockets: usize,
    /// Most streams of server-sent events at once; further ones get 503.
    pub event_streams: usize,
    /// Most WHIP and WHEP sessions in the table. For a further one, one is evicted: first closed
    /// sessions, then the oldest player, the oldest publisher last. The session's own URL still
    /// works; a URL without a token no longer means it, and its client then gets 404.
    pub sessions: usize,
    /// Longest body of a WHIP or WHEP request, in bytes.
    pub sdp_bytes: u64,
    /// Longest body of any other request, in bytes.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 1_000,
            sockets: 7_000,
            event_streams: 4_000,
            sessions: 20_000,
            sdp_bytes: 64 * 1024,
            body_bytes: 16 * 1024 * 1024,
        }
    }
}

/// `[timeouts]`: how long each wait on a node, the Stream Manager or a client's body may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Longest wait for one TCP connection to a node, as far as `answer` allows.
    #[serde(with = "duration")]
    pub connect: Duration,
    /// All the time that one WHIP or WHEP request or WebSocket handshake may take of the Stream
    /// Manager and the nodes together: lookups, connections and answers, however many nodes are
    /// tried. The wait for the client's own body is not part of it. Below the 8 s that OBS waits
    /// for everything.
    #[serde(with = "duration")]
    pub answer: Duration,
    /// Longest wait for the header of the Stream Manager's answer to a request that is passed on.
    #[serde(with = "duration")]
    pub manager_answer: Duration,
    /// Longest wait for the whole body of a WHIP or WHEP request, and for the next piece of any
    /// other body.
    #[serde(with = "duration")]
    pub body: Duration,
    /// How long the answer to a POST is still awaited when its client has left, or was told that it
    /// comes too late: the session that the node makes is then ended.
    #[serde(with = "duration")]
    pub abandoned: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(6),
            manager_answer: Duration::from_secs(30),
            body: Duration::from_secs(10),
            abandoned: Duration::from_secs(10),
        }
    }
}
