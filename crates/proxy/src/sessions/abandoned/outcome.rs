//! What became of a session that was left behind.

use std::net::SocketAddr;

use tracing::{info, warn};

/// How it ended; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The node ended it when it was told to.
    Deleted,
    /// It was over already.
    Gone,
    /// Another session was let in at its place since, and a DELETE would have ended that one.
    Replaced,
    /// The node did not end it, although it was told to.
    Failed,
    /// The POST was not answered, so it is not known whether there is one; or others at its place
    /// were not, so it is not known whose.
    Unknown,
    /// There was no room for it.
    Dropped,
}

impl Outcome {
    /// Every outcome, in the order of its discriminant.
    pub(crate) const ALL: [Self; 6] = [
        Self::Deleted,
        Self::Gone,
        Self::Replaced,
        Self::Failed,
        Self::Unknown,
        Self::Dropped,
    ];

    /// Its value in metrics and logs.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Dropped => "dropped",
        }
    }

    /// One line of the log; `cause` is why the node did not end it, if it was told to.
    pub(super) fn log(self, id: &str, node: Option<SocketAddr>, cause: Option<&str>) {
        let node = node.map(tracing::field::display);
        let outcome = self.label();
        match self {
            Self::Deleted | Self::Gone | Self::Replaced => {
                info!(id, node, outcome, "orphaned session is over");
            }
            Self::Failed | Self::Unknown | Self::Dropped => warn!(
                id,
                node,
                outcome,
                cause,
                "orphaned session not deleted; it lives until the node times it out"
            ),
        }
    }
}
