//! The types are the pipeline: what is known about a request at each stage of its way.

use bytes::Bytes;
use http::{
    Method, Request,
    uri::{Authority, PathAndQuery},
};
use whipstitch_origin::{Candidates, Lookup, Origin};
use whipstitch_signaling::{
    Form, ForwardTarget, Role, StreamKey, extension::Extension, session::Session,
    socket::SocketQuery,
};

use crate::{
    Exchange,
    request::{budget::Budget, client_key::ClientKey, request_body::RequestBody},
    words::error::BadRequest,
};

/// A request whose framing and addressing can be trusted: one host, origin-form, no hop-by-hop
/// fields.
#[derive(Debug)]
pub struct Clean {
    /// The request; its URI has only path and query.
    pub request: Request<RequestBody>,
    /// The host that the client asked for.
    pub host: Authority,
    /// Whether it asks to become a WebSocket (RFC 6455 or RFC 8441).
    pub websocket: bool,
    /// Its record.
    pub exchange: Exchange,
}

/// A request whose route is known. What is signalling has a body `B`: [`Unread`], or [`Bytes`] when
/// it is there as a whole.
#[derive(Debug)]
pub enum Routed<B> {
    /// WHIP, WHEP or a WebSocket: read whole before anything is done for it.
    Signaling(Signaling<B>),
    /// HTTP to the Stream Manager: its body passes as it comes.
    Manager(ForManager),
}

/// WHIP, WHEP or a WebSocket.
#[derive(Debug)]
pub struct Signaling<B> {
    /// What is asked.
    pub ask: Ask,
    /// The request.
    pub request: Request<B>,
    /// The host that the client asked for.
    pub host: Authority,
    /// Its record.
    pub exchange: Exchange,
}

/// Whether a request of this method may have a body here. A server may leave one unread where it
/// expects none, and take it for the next request of a connection that clients share (CL.0).
pub(crate) fn has_content(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE
    )
}

/// HTTP to the Stream Manager.
#[derive(Debug)]
pub struct ForManager {
    /// What is asked.
    pub ask: ManagerAsk,
    /// The request.
    pub request: Request<RequestBody>,
    /// Its record.
    pub exchange: Exchange,
}

/// A body that is to be read whole.
#[derive(Debug)]
pub struct Unread {
    pub(crate) body: RequestBody,
    /// The error if there is anything in it; `None` if there may be.
    pub(crate) refusal: Option<BadRequest>,
}

/// What signalling asks for.
#[derive(Debug)]
pub enum Ask {
    /// Something of a WHIP or WHEP endpoint.
    Endpoint {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// How its URL is written.
        form: Form,
    },
    /// Something of a session.
    Session {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// The sealed token; without one, the session that we know of this client.
        token: Option<String>,
    },
    /// A protocol extension that a node has offered.
    Extension(ExtensionUrl),
    /// A WebSocket to a node.
    Socket(SocketQuery),
    /// A WebSocket to the Stream Manager itself.
    ManagerSocket,
}

/// What is asked of the Stream Manager.
#[derive(Debug)]
pub enum ManagerAsk {
    /// Anything of it.
    Any {
        /// Whether the answer may name nodes: a GET of the event API.
        names_nodes: bool,
    },
    /// Its forward proxy, to this node.
    Forward(ForwardTarget),
}

/// The URL of a protocol extension.
#[derive(Debug)]
pub struct ExtensionUrl {
    /// Publish or play.
    pub role: Role,
    /// The stream.
    pub key: StreamKey,
    /// How it is written.
    pub form: Form,
    /// The sealed token.
    pub token: String,
}

/// A request whose destination is known.
#[derive(Debug)]
pub enum Bound {
    /// HTTP to a node.
    Node(ToNode),
    /// A WebSocket to a node.
    Socket(ToSocket),
    /// HTTP to the Stream Manager.
    Manager {
        /// The request.
        request: Request<RequestBody>,
        /// Whether the answer may name nodes.
        names_nodes: bool,
        /// Its record.
        exchange: Exchange,
    },
    /// A WebSocket to the Stream Manager itself.
    ManagerSocket {
        /// The request.
        request: Request<Bytes>,
        /// Its record.
        exchange: Exchange,
    },
}

/// A WHIP or WHEP request, and the nodes that may get it.
#[derive(Debug)]
pub struct ToNode {
    /// What it addresses.
    pub(crate) resource: Resource,
    /// Path and query at the node.
    pub(crate) target: PathAndQuery,
    /// Who asks, if that can be told.
    pub(crate) client: Option<ClientKey>,
    /// The time that is left for it.
    pub(crate) budget: Budget,
    /// The request.
    pub(crate) request: Request<Bytes>,
    /// Its record.
    pub(crate) exchange: Exchange,
}

/// What a request addresses at a node.
#[derive(Debug)]
pub(crate) enum Resource {
    /// A session, or a question about one, that any of some nodes can serve.
    Endpoint(Endpoint),
    /// A session that is where it is.
    Session(SessionAtNode),
    /// An extension that is where it is.
    Extension(ExtensionAtNode),
}

/// An endpoint, and who can serve it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The question that led to the nodes.
    pub(crate) lookup: Lookup,
    /// The nodes, the one to try first at the front.
    pub(crate) candidates: Candidates,
    /// The host that the client asked for.
    pub(crate) host: Authority,
    /// How the URLs of its sessions are written.
    pub(crate) form: Form,
}

/// A session, and the node that has it.
#[derive(Debug)]
pub(crate) struct SessionAtNode {
    /// The node.
    pub(crate) origin: Origin,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) key: StreamKey,
    /// What its URL says of it.
    pub(crate) session: Session,
}

/// A protocol extension, and the node that offered it.
#[derive(Debug)]
pub(crate) struct ExtensionAtNode {
    /// The node.
    pub(crate) origin: Origin,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) key: StreamKey,
    /// What its URL says of it.
    pub(crate) extension: Extension,
    /// The host that the client asked for.
    pub(crate) host: Authority,
    /// How the URLs of what it makes are written.
    pub(crate) form: Form,
}

/// A WebSocket request, and the nodes that may get it.
#[derive(Debug)]
pub struct ToSocket {
    /// The nodes.
    pub(crate) nodes: SocketNodes,
    /// What the client asks of the node.
    pub(crate) query: SocketQuery,
    /// The time that is left for it.
    pub(crate) budget: Budget,
    /// The request.
    pub(crate) request: Request<Bytes>,
    /// Its record.
    pub(crate) exchange: Exchange,
}

/// The nodes that may get a WebSocket.
#[derive(Debug)]
pub(crate) enum SocketNodes {
    /// The one that the client named.
    Named(Origin),
    /// Any of those that a lookup found.
    Any {
        /// The lookup.
        lookup: Lookup,
        /// What it found, the node to try first at the front.
        candidates: Candidates,
    },
}
