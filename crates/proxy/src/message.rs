//! The types are the pipeline: what is known about a request at each stage of its way.

use http::uri::PathAndQuery;
use http::{Request, uri::Authority};
use whipstitch_origin::{Lookup, Origin};
use whipstitch_signaling::{Role, StreamKey, socket::SocketQuery};

use crate::{Body, Exchange};

/// A request whose framing and addressing can be trusted: one host, origin-form, no hop-by-hop fields.
#[derive(Debug)]
pub struct Clean {
    /// The request; its URI has only path and query.
    pub request: Request<Body>,
    /// The host that the client asked for.
    pub host: Authority,
    /// Whether it asks to become a WebSocket (RFC 6455 or RFC 8441).
    pub websocket: bool,
    /// Its record.
    pub exchange: Exchange,
}

/// A request of which is known what it asks for.
#[derive(Debug)]
pub struct Routed {
    /// What is asked.
    pub ask: Ask,
    /// The request.
    pub request: Request<Body>,
    /// The host that the client asked for.
    pub host: Authority,
    /// Its record.
    pub exchange: Exchange,
}

/// What a request asks for.
#[derive(Debug)]
pub enum Ask {
    /// Something of a WHIP or WHEP endpoint.
    Endpoint {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
    },
    /// Something of a session that was sealed.
    Session {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// The sealed token.
        token: String,
    },
    /// A WebSocket to a node.
    Socket(SocketQuery),
    /// Anything of the Stream Manager.
    Manager {
        /// Whether the answer may name nodes: a GET of the event API.
        names_nodes: bool,
    },
}

/// A request of which is known where it goes.
#[derive(Debug)]
pub enum Bound {
    /// HTTP to a node.
    Node(ToNode),
    /// A WebSocket to a node.
    Socket(ToSocket),
    /// HTTP to the Stream Manager.
    Manager {
        /// The request.
        request: Request<Body>,
        /// Whether the answer may name nodes.
        names_nodes: bool,
    },
}

/// A WHIP or WHEP request, and the node that gets it.
#[derive(Debug)]
pub struct ToNode {
    /// The node.
    pub origin: Origin,
    /// Path and query at the node.
    pub target: PathAndQuery,
    /// The endpoint that was asked; `None` for a session, which is named already.
    pub endpoint: Option<Endpoint>,
    /// The request.
    pub request: Request<Body>,
    /// Its record.
    pub exchange: Exchange,
}

/// What is needed to name a new session to the client.
#[derive(Debug)]
pub struct Endpoint {
    /// The question that led to the node.
    pub lookup: Lookup,
    /// The host that the client asked for.
    pub host: Authority,
}

/// A WebSocket request, and the node that gets it.
#[derive(Debug)]
pub struct ToSocket {
    /// The node.
    pub origin: Origin,
    /// What the client asks of the node.
    pub query: SocketQuery,
    /// The request.
    pub request: Request<Body>,
    /// Its record.
    pub exchange: Exchange,
}
