//! What operators see of the Stream Manager, its list of nodes and the login for it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::cause::Cause;

/// The state of the Stream Manager's lookup API, as far as calls showed it.
#[derive(Clone, Debug, Default)]
pub struct ManagerSeen {
    /// Whether the last call got an answer; `None` before the first call.
    pub answers: Option<bool>,
    /// Duration of the last call that got an answer.
    pub last_answer: Option<Duration>,
    /// Cause and time of the last call that got none.
    pub last_error: Option<(Cause, Instant)>,
    /// Since when calls fail; `None` while they get answers, and before the first call.
    pub failing_since: Option<Instant>,
    /// The poll of its list of nodes; `None` before the first poll.
    pub node_list: Option<NodeListSeen>,
    /// The login for that poll; `None` before the first login.
    pub login: Option<LoginSeen>,
}

impl ManagerSeen {
    pub(super) fn answered(&mut self, asked: Instant) {
        self.answers = Some(true);
        self.failing_since = None;
        self.last_answer = Some(asked.elapsed());
    }

    pub(super) fn failed(&mut self, cause: Cause) {
        let now = Instant::now();
        self.answers = Some(false);
        self.failing_since.get_or_insert(now);
        self.last_error = Some((cause, now));
    }
}

/// Counts since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Lookups that a fresh cache entry answered.
    pub hits: u64,
    /// Lookups that a stale cache entry answered.
    pub stale: u64,
    /// Lookups that waited for the manager, alone or with others.
    pub misses: u64,
    /// Calls to the manager.
    pub asked: u64,
    /// Their durations together, in seconds.
    pub asked_seconds: f64,
}

/// The state of the poll of the manager's list of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeListSeen {
    /// How many nodes the last successful poll named; `None` before the first.
    pub nodes: Option<usize>,
    /// Why the last poll failed; `None` if it succeeded.
    pub error: Option<String>,
    /// Since when the poll is in this state.
    pub since: SystemTime,
}

impl NodeListSeen {
    /// The state after another poll.
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

/// The state of the login at a Stream Manager 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSeen {
    /// Why the last login failed; `None` if it succeeded.
    pub error: Option<String>,
    /// Whether the manager refused the login, rather than not answering.
    pub refused: bool,
    /// Since when the login is in this state.
    pub since: SystemTime,
    /// When the token in use expires; `None` without one.
    pub token_ends: Option<SystemTime>,
}
