//! What Red5 keys a session by, and what is remembered there.
//!
//! Red5 keys a publisher by the name of its stream: a client that publishes under a name again at
//! the same node gets the very path that the former publisher had. A player is keyed by the
//! `requestId` that it made up, four hexadecimal digits (red5pro-webrtc-sdk 11.0.0), so another
//! player can get the same one later. A player without one shares its path with others, and is told
//! from them by its time alone: its slot is its own.

use std::{net::IpAddr, time::Duration};

use http::uri::PathAndQuery;
use whipstitch_signaling::{Role, query, session::Session};

use super::state::State;
use crate::request::clock::{SKEW, millis};

/// Most former sessions remembered of one slot.
pub(super) const MAX_HISTORY: usize = 16;

/// A node, and the path and query that it keys one session by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    role: Role,
    node: IpAddr,
    resource: PathAndQuery,
    /// When the session was issued, if nothing else distinguishes it from others at this path.
    alone: Option<u64>,
}

impl Slot {
    /// The slot of this session.
    pub(crate) fn of(role: Role, session: &Session) -> Self {
        let (node, resource) = (session.node, session.resource.clone());
        let alone = (!is_keyed(role, &resource)).then_some(session.issued_at);
        Self {
            role,
            node,
            resource,
            alone,
        }
    }

    /// The slot of a session that has no URL of ours.
    pub(crate) fn at(role: Role, node: IpAddr, resource: PathAndQuery) -> Self {
        let alone = (!is_keyed(role, &resource)).then_some(0);
        Self {
            role,
            node,
            resource,
            alone,
        }
    }

    /// Publish or play.
    pub(super) const fn role(&self) -> Role {
        self.role
    }
}

fn is_keyed(role: Role, resource: &PathAndQuery) -> bool {
    let query = || resource.query().unwrap_or_default();
    role == Role::Publish || query::get(query(), "requestId").is_some()
}

/// A place in the order of arrival at this replica; also the number of a session.
pub(super) type Number = u64;

/// What is in flight at a slot, and which sessions are and were there.
#[derive(Debug)]
pub(super) struct SlotEntry<S> {
    /// POSTs in flight whose clients wait.
    pub(super) creating: u32,
    /// DELETEs in flight.
    pub(super) deleting: u32,
    /// The newest session of this replica, open or closed.
    pub(super) newest: Option<Newest>,
    /// Former sessions of this replica, and sessions of others that were ended through it.
    pub(super) history: Vec<Former>,
    /// The newest session, while it is not closed.
    pub(super) current: Option<Current<S>>,
    /// The newest session, if it is closed and its client may still send requests for it.
    pub(super) lingering: Option<S>,
    /// Its place in the order of age, and when it got that; `None` if only something is in flight.
    pub(super) rank: Option<(Number, Duration)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    pub(super) number: Number,
    pub(super) issued_at: u64,
    pub(super) opened: Duration,
    /// Whether the node has it no more beyond doubt.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Former {
    /// `None` of another replica's.
    pub(super) number: Option<Number>,
    pub(super) issued_at: u64,
    pub(super) ended: bool,
}

#[derive(Debug)]
pub(super) struct Current<S> {
    pub(super) state: State,
    pub(super) session: S,
}

/// Which session a DELETE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that was issued at this time.
    Issued(u64),
    /// One without a URL, whose POST came after this moment.
    Since(Arrival),
}

/// A moment in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival(pub(super) Number);

/// Both clocks at one moment: milliseconds since 1970, which may be set at any time, and the time
/// since the start of the table, which never is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: u64,
    pub(super) uptime: Duration,
}

impl<S> Default for SlotEntry<S> {
    fn default() -> Self {
        Self {
            creating: 0,
            deleting: 0,
            newest: None,
            history: Vec::new(),
            current: None,
            lingering: None,
            rank: None,
        }
    }
}

impl<S> SlotEntry<S> {
    /// The open session that was issued at this time.
    pub(super) fn current(&self, issued_at: u64) -> Option<&Current<S>> {
        let is_it = self.newest?.issued_at == issued_at;
        self.current.as_ref().filter(|_| is_it)
    }

    /// Changes the state of that session.
    pub(super) fn change(&mut self, issued_at: u64, into: impl FnOnce(State) -> State) {
        if self.newest.is_some_and(|one| one.issued_at == issued_at)
            && let Some(current) = &mut self.current
        {
            current.state = into(current.state);
        }
    }

    /// Whether a newer session has the slot.
    ///
    /// Sessions of this replica are ordered by their arrival. Another replica's is older only if
    /// the wall clock says so by more than [`SKEW`].
    pub(super) fn is_superseded(&self, target: Target, now: Now) -> bool {
        let Some(newest) = &self.newest else {
            return false;
        };
        let mut history = self.history.iter();
        let issued_at = match target {
            Target::Since(Arrival(since)) => {
                // One that has ended has the slot no more.
                let former = |one: &Former| !one.ended && one.number > Some(since);
                return (!newest.ended && newest.number > since) || history.any(former);
            }
            Target::Issued(at) if at == newest.issued_at => return false,
            Target::Issued(at) => at,
        };
        // The newest one's time by today's wall clock, which may have been set since.
        let began = now
            .wall
            .saturating_sub(millis(now.uptime.saturating_sub(newest.opened)));
        history.any(|former| former.number.is_some() && former.issued_at == issued_at)
            || began.saturating_sub(issued_at) > millis(SKEW)
    }

    /// Whether this replica saw that session end beyond doubt.
    pub(super) fn has_ended(&self, issued_at: u64) -> bool {
        let newest = self.newest.filter(|newest| newest.issued_at == issued_at);
        let former = || self.history.iter().find(|one| one.issued_at == issued_at);
        newest.map_or_else(
            || former().is_some_and(|former| former.ended),
            |newest| newest.ended,
        )
    }

    /// Adds a former session; the oldest of too many is forgotten.
    pub(super) fn remember(&mut self, former: Former) {
        self.history.retain(|one| one.issued_at != former.issued_at);
        let surplus = (self.history.len() + 1).saturating_sub(MAX_HISTORY);
        self.history.drain(..surplus);
        self.history.push(former);
    }

    /// Whether nothing has to be kept of it.
    pub(super) fn is_empty(&self) -> bool {
        self.creating == 0 && self.deleting == 0 && self.rank.is_none()
    }
}
