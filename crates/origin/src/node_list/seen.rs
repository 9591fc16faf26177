//! What the operator can see of the poll.

use std::time::SystemTime;

/// What came of the polls of the manager's list of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeListSeen {
    /// How many nodes the last good poll named; `None` before there was one.
    pub nodes: Option<usize>,
    /// Why the last poll failed; `None` if it did not.
    pub error: Option<String>,
    /// Since when it is so.
    pub since: SystemTime,
}

impl NodeListSeen {
    /// After another poll.
    pub(crate) fn next(before: Option<Self>, nodes: Result<usize, String>) -> Self {
        let (nodes, error) = match nodes {
            Ok(nodes) => (Some(nodes), None),
            Err(error) => (before.as_ref().and_then(|seen| seen.nodes), Some(error)),
        };
        let same = before.filter(|seen| seen.error == error);
        Self {
            nodes,
            error,
            since: same.map_or_else(SystemTime::now, |seen| seen.since),
        }
    }
}

/// What came of the logins at a Stream Manager 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSeen {
    /// Why the last login failed; `None` if it did not.
    pub error: Option<String>,
    /// Whether the manager said no, rather than nothing.
    pub refused: bool,
    /// Since when it is so.
    pub since: SystemTime,
    /// When the token ends that is in use; `None` if there is none.
    pub token_ends: Option<SystemTime>,
}
