//! What a client may do.

use std::sync::Arc;

use whipstitch_signaling::{Role, StreamKey};

use crate::Pattern;

/// Which streams a client may use in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// None.
    No,
    /// All.
    Any,
    /// Those that one of the patterns holds.
    Streams(Arc<[Pattern]>),
    /// This one.
    Only(StreamKey),
}

impl Permission {
    /// Whether this stream is one of them.
    pub fn allows(&self, key: &StreamKey) -> bool {
        match self {
            Self::No => false,
            Self::Any => true,
            Self::Streams(patterns) => patterns.iter().any(|one| one.holds(key.as_str())),
            Self::Only(only) => only == key,
        }
    }
}

/// What may be said over a WebSocket, whose dialogue names role and stream only after its
/// handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogue {
    scope: String,
    publish: Permission,
    play: Permission,
}

impl Dialogue {
    /// What may be said over a WebSocket of this scope.
    pub fn new(scope: &str, publish: Permission, play: Permission) -> Self {
        Self {
            scope: scope.to_owned(),
            publish,
            play,
        }
    }

    /// Whether this role may be taken for the stream of this name, in the scope of the WebSocket.
    pub fn allows(&self, role: Role, name: &str) -> bool {
        StreamKey::new(&self.scope, name).is_ok_and(|key| self.of(role).allows(&key))
    }

    /// Whether it restricts anything.
    pub(crate) fn is_open(&self) -> bool {
        (&self.publish, &self.play) == (&Permission::Any, &Permission::Any)
    }

    pub(crate) fn of(&self, role: Role) -> &Permission {
        match role {
            Role::Publish => &self.publish,
            Role::Play => &self.play,
        }
    }
}
