//! What can go wrong between the client and the destination.
//!
//! An answer *from* a node or the Stream Manager is not an error, whatever its status: it passes
//! untouched.

use std::fmt::Display;

use thiserror::Error;
use tracing::error;
use whipstitch_auth::Refused;
use whipstitch_origin::{Cause, HintsError, LookupError, ManagerFault, Refusal};
use whipstitch_signaling::{
    ForwardTargetError, NameError, session::Unsealable, socket::SocketQueryError, tag::Unmatched,
};

use crate::BodyError;

/// Why a request is not answered by a node or by the Stream Manager.
#[derive(Debug, Error)]
pub enum Error {
    /// The request itself cannot be served.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// The request's body was not taken.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The method has no meaning at this URL.
    #[error("this URL allows {allow} only")]
    Method {
        /// The methods that have one, as `Allow` lists them.
        allow: &'static str,
    },
    /// Something that this proxy is configured not to do.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Who may publish and play, and that it is not this client.
    #[error(transparent)]
    Unauthorized(#[from] Refused),
    /// A certificate authority's challenge that was not ordered.
    #[error("no challenge of a certificate authority is answered here")]
    NoChallenge,
    /// The session URL is not one of ours, or no longer.
    #[error("there is no such session: {0}")]
    UnknownSession(#[from] NoSession),
    /// No node is known for a stream that a client wants to publish.
    #[error(transparent)]
    Publish(LookupError),
    /// No node is known for a stream that a client wants to play.
    #[error(transparent)]
    Play(LookupError),
    /// The node did not do its part.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// The Stream Manager did not answer a request that was passed on to it.
    #[error("the Stream Manager {0}")]
    Manager(ManagerFault),
    /// The Stream Manager answered a WebSocket handshake in a way that RFC 6455 does not allow.
    #[error("the Stream Manager did not accept the WebSocket: {0}")]
    ManagerHandshake(&'static str),
    /// A DELETE is not sent while a POST for the same slot stays unanswered.
    #[error("another session of the same stream is being made at the node; send the DELETE again")]
    SlotPending(Cause),
    /// There is no room for more.
    #[error("{what} is reached")]
    Overloaded {
        /// The configuration key of the limit.
        what: &'static str,
    },
    /// A defect of ours.
    #[error("something went wrong inside the proxy")]
    Internal,
}

/// What is wrong with a request.
#[derive(Debug, Error)]
pub enum BadRequest {
    /// Not exactly one usable `Host`, or a target that names another.
    #[error("{0}")]
    Host(&'static str),
    /// A path that would leave the path of `stream_manager.url`.
    #[error("the path must not hold a segment `.` or `..`, however it is escaped")]
    Path,
    /// A path of WHIP or WHEP that only another reader would take for one.
    #[error(
        "WHIP and WHEP are at /{{scope}}/{{whip|whep}}/{{endpoint|resource}}/{{stream}}, written without escapes, double slashes, dots or parameters"
    )]
    Disguised,
    /// A scope or stream name outside the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A WebSocket query, or a `host=`, outside the rules.
    #[error(transparent)]
    Socket(#[from] SocketQueryError),
    /// A `target=` of the forward proxy outside the rules.
    #[error(transparent)]
    Forward(#[from] ForwardTargetError),
    /// Hints for the Stream Manager outside the rules.
    #[error(transparent)]
    Hints(#[from] HintsError),
    /// `host=` of a WebSocket is not an address.
    #[error("query key `host` {0}")]
    Address(Refusal),
    /// A WebSocket handshake outside RFC 6455 §4.2.1.
    #[error("{0}")]
    Handshake(&'static str),
    /// An `Authorization` that cannot be passed on as `proxy.bearer` wants it.
    #[error("{0}")]
    Authorization(&'static str),
    /// The entity tag of a session was asked for, and is not there.
    #[error(transparent)]
    Condition(#[from] Unmatched),
    /// An offer from a client that got a counter-offer.
    #[error(
        "the answer to the offer was a counter-offer, which is answered with PATCH at its Location and not with another offer; or POST without an offer, and the node makes one"
    )]
    Counter,
    /// A body where none has a meaning.
    #[error("a GET, HEAD, OPTIONS or DELETE carries no body here")]
    Content,
    /// An `Expect` other than 100-continue, or more than one.
    #[error("the only expectation that is met here is `Expect: 100-continue`, once")]
    Expectation,
    /// The `Content-Type` is none that this URL takes.
    #[error("the Content-Type must be {expected}")]
    MediaType {
        /// What it takes.
        expected: &'static str,
    },
}

/// What this proxy is configured not to do.
#[derive(Debug, Error)]
pub enum Denied {
    /// The host name is not served.
    #[error("this host name is not served here")]
    Host,
    /// Plain HTTP where `https` is wanted.
    #[error("this is plain HTTP, and only https is served here: begin the URL with https://")]
    PlainHttp,
    /// The manager's administration API.
    #[error("the administration API is not open here")]
    AdminApi,
    /// The manager's forward proxy.
    #[error(
        "this is not forwarded from here: below /as/v1/proxy there are WHIP, WHEP and WebSockets"
    )]
    ForwardProxy,
    /// A request to be forwarded that does not say who sends it.
    #[error("requests are forwarded only with `Authorization: Bearer` and a token")]
    Bearer,
    /// What a client wants a request forwarded to.
    #[error("`target` is not a node of this cluster at the port of its nodes")]
    Target,
    /// A page whose origin is not in the list.
    #[error(
        "pages of this origin may not use this proxy: it is not in proxy.allowed_origins or proxy.cors_origins"
    )]
    Origin,
    /// A page whose origin is not in the list opens a WebSocket.
    #[error(
        "pages of this origin may not open a WebSocket here: it is not in proxy.allowed_origins"
    )]
    Page,
    /// A node that a client named.
    #[error("`host` is not a node of this cluster")]
    Node,
    /// Signalling is switched off.
    #[error("WHIP, WHEP and WebSocket signalling are switched off here")]
    Signaling,
}

/// Why a session URL, or that of an extension, means no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoSession {
    /// No key of ours opens the token for this stream; there is no telling why.
    #[error(
        "the token in its URL is not one of this stream's, or was sealed with a key that this replica does not have"
    )]
    Unopened,
    /// A newer session has its slot.
    #[error("a newer session of the same stream has taken its place at the node")]
    Superseded,
    /// It is older than `sessions.lifetime`.
    #[error("its URL is older than a session may last")]
    Expired,
    /// The session that an extension belongs to was ended.
    #[error("the session that this extension belongs to has ended")]
    Ended,
    /// No token, and no session that could be meant without one.
    #[error(
        "its URL holds no token, and this client has made no session of this stream here, or more than one"
    )]
    NoToken,
}

/// What a node did instead of answering. `Display` is for clients; the cause is for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeFault {
    /// No connection, or one that broke before the answer.
    #[error("the node that the Stream Manager named cannot be reached")]
    Unreachable(Cause),
    /// No answer in time.
    #[error("the node that the Stream Manager named did not answer in time")]
    Timeout(Cause),
    /// An answer to a WebSocket handshake that RFC 6455 does not allow.
    #[error("the node did not accept the WebSocket: {0}")]
    Handshake(&'static str),
    /// A 406 to a player that is no counter-offer.
    #[error("the node could not start the playback")]
    Playback,
    /// A session description that is too long, or broke off.
    #[error("the node's session description is too long, or broke off")]
    Sdp(Cause),
    /// A session answered with a redirect.
    #[error("the node answered with a redirect")]
    Redirect,
}

impl Error {
    /// Why the node or the Stream Manager could not be reached, or did not answer: for the log,
    /// never for the client.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Node(
                NodeFault::Unreachable(cause) | NodeFault::Timeout(cause) | NodeFault::Sdp(cause),
            )
            | Self::SlotPending(cause) => Some(cause.clone()),
            Self::Manager(fault)
            | Self::Publish(LookupError::Manager(fault))
            | Self::Play(LookupError::Manager(fault)) => fault.cause(),
            _ => None,
        }
    }
}

impl From<Unsealable> for Error {
    fn from(error: Unsealable) -> Self {
        defect("a session URL")(error)
    }
}

/// For `map_err` where an error means a defect of ours: the log gets what could not be made and
/// why, the client neither.
pub(crate) fn defect<E: Display>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |error| {
        error!(what, %error, "cannot make {what}; please report this as a defect");
        Error::Internal
    }
}
