//! The URL grammar: what is asked for.
//!
//! | path | asks for | source |
//! |---|---|---|
//! | `/{scope…}/whip\|whep/endpoint/{stream}` | a new session | Red5 Pro documentation, WHIP/WHEP configuration |
//! | `/{scope…}/whip\|whep/{stream}` with `OPTIONS`, `POST` | the same, once it is written in full | see [`crate::short`] |
//! | `/{scope…}/whip\|whep/resource/{stream}/{token}` | a session that we sealed | ours, see [`crate::session`] |
//! | `/{scope…}/whip\|whep/resource/{stream}` | a session, by its stream's name | as the first |
//! | `/streammanager`, `/streammanager/` with `Upgrade: websocket` | a socket to a node | Red5 Pro documentation, Stream Manager proxy |
//! | `/streammanager/whip\|whep/…?app={scope…}` | the same as `/{scope…}/whip\|whep/…`, once it is written so | see [`crate::app_query`] |
//! | `/streammanager/…/admin/…`, `/as/v1/admin/…` | the manager's administration | Stream Manager REST API 4.0; Stream Manager 2.0 |
//! | `/as/v1/proxy/forward/…` | the manager, for a node that is named | see [`crate::forward_target`]; Red5 Pro documentation, Stream Manager 2.0 |
//! | `/{scope…}/whip\|whep/extension/{stream}/{token}` | an extension that we sealed | ours, see [`crate::extension`] |
//! | anything else | the manager | |
//!
//! With [`Api::V2`] there are these besides, and nothing else below `/as/v1/proxy` (Red5 Pro
//! documentation, Stream Manager 2.0, WHIP/WHEP and WebSocket proxy):
//!
//! | path | asks for |
//! |---|---|
//! | `/as/v1/proxy/whip\|whep/{scope…}/{stream}` | a new session, or a session by its stream's name |
//! | `/as/v1/proxy/whip\|whep/{scope…}/{stream}/session:{token}` | a session that we sealed |
//! | `/as/v1/proxy/whip\|whep/{scope…}/{stream}/extension:{token}` | an extension that we sealed |
//! | `/as/v1/proxy/ws/publish\|subscribe/{scope…}/{stream}` | a socket to a node of this stream |

mod classic;
mod guarded;
mod guid;
mod naming;

pub use self::{
    guarded::{has_dots, leads_to_a_node, signals},
    naming::names_nodes,
};

use crate::{
    Api,
    stream::{NameError, Role, StreamKey},
};

/// What a request asks for, by its path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A WHIP or WHEP endpoint, where sessions begin.
    Endpoint {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// How its URL is written.
        form: Form,
    },
    /// A WHIP or WHEP session.
    Session {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// The sealed token, if the URL has one.
        token: Option<String>,
    },
    /// A protocol extension that a node has offered.
    Extension {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// How its URL is written.
        form: Form,
        /// The sealed token.
        token: String,
    },
    /// The WebSocket proxy of Stream Manager 1.x, which is told everything by the query.
    Socket,
    /// The WebSocket proxy of Stream Manager 2.0, whether the request is one for a WebSocket or
    /// not.
    StreamSocket {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
    },
    /// The Stream Manager's administration API.
    ManagerAdmin,
    /// The forward proxy of Stream Manager 2.0, which sends a request wherever its query says, and
    /// with [`Api::V2`] whatever else is below `/as/v1/proxy`.
    ForwardProxy,
    /// The Stream Manager.
    Manager,
}

impl Route {
    /// Reads a path. `websocket` says whether the request asks to become a WebSocket.
    ///
    /// # Errors
    /// The path is one of WHIP, WHEP or a socket, but its scope or stream name is not allowed.
    pub fn parse(path: &str, websocket: bool, api: Api) -> Result<Self, NameError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if websocket && matches!(path, "streammanager" | "streammanager/") {
            return Ok(Self::Socket);
        }
        let of_2_0 = match api {
            Api::V1 => None,
            Api::V2 => guid::parse(path),
        };
        of_2_0
            .or_else(|| classic::parse(path))
            .unwrap_or_else(|| Ok(guarded::parse(path, api)))
    }
}

/// How the URLs of a WHIP or WHEP endpoint and of its sessions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/{scope…}/{whip|whep}/endpoint/{stream}`: Stream Manager 1.x, and the nodes of both.
    Classic,
    /// `/as/v1/proxy/{whip|whep}/{scope…}/{stream}`: Stream Manager 2.0.
    Guid,
}

impl Form {
    /// The path of a session with a sealed token.
    pub fn session(self, role: Role, key: &StreamKey, token: &str) -> String {
        let protocol = role.protocol();
        match self {
            Self::Classic => {
                let (scope, name) = (key.scope(), key.name());
                ["/", scope, "/", protocol, "/resource/", name, "/", token].concat()
            }
            Self::Guid => format!("/as/v1/proxy/{protocol}/{key}/{}{token}", guid::SESSION),
        }
    }

    /// The path of an extension with a sealed token.
    pub fn extension(self, role: Role, key: &StreamKey, token: &str) -> String {
        let (protocol, scope, name) = (role.protocol(), key.scope(), key.name());
        match self {
            Self::Classic => format!("/{scope}/{protocol}/extension/{name}/{token}"),
            Self::Guid => format!("/as/v1/proxy/{protocol}/{key}/{}{token}", guid::EXTENSION),
        }
    }
}

/// The path of an endpoint at a node, which is the same whichever Stream Manager it belongs to.
pub fn node_endpoint(role: Role, key: &StreamKey) -> String {
    format!(
        "/{}/{}/endpoint/{}",
        key.scope(),
        role.protocol(),
        key.name()
    )
}

#[cfg(test)]
mod tests;
