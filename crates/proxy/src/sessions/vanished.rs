//! Finds sessions whose client vanished without a DELETE.
//!
//! It compares the open WHIP sessions with the streams that the Stream Manager lists as published
//! ([`LiveStreams`]). A session that is missing from two looks in a row is closed as `vanished`:
//! its stream is absent, or is listed at the node of a newer session of this replica and not at
//! its own. That is information for the operator: no DELETE is sent, and a client that is alive
//! after all keeps its session, since its URL is served whether the table knows it or not. A
//! session that is listed again, or whose PATCH the node accepts, is reopened.
//!
//! Players are not judged. Red5's documents say that a player is notified when its stream is
//! unpublished, not that its session ends; and no list names single players.
//!
//! The manager is asked only while this replica has a WHIP session older than [`Timing::grace`], or
//! one that vanished and may be listed again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::info;
use whipstitch_origin::{Found, LiveStreams, Looked, NotAskable};
use whipstitch_signaling::StreamKey;

use super::{
    table::{SessionTable, lock},
    view::{SessionKind, SessionView},
};
use crate::{Metrics, words::end_reason::EndReason};

/// How many looks at the list in a row have to miss a stream.
const LOOKS: u8 = 2;

/// When the task looks. Not configurable: a test shortens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two looks.
    pub every: Duration,
    /// Minimum age of a session that is judged: a stream is listed some seconds after its POST.
    pub grace: Duration,
}

impl Default for Timing {
    /// A vanished client is found within a minute: its node gives up media after seconds, and two
    /// looks take at most 40 s.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(20),
            grace: Duration::from_secs(30),
        }
    }
}

/// What one look says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Its stream is published, at its node as far as is known.
    Present,
    /// Its node has its stream no more.
    Missing,
    /// It was not asked about, or the answer does not say.
    Unknown,
}

impl SessionTable {
    /// Closes the publishers that are missing for the second time in a row, and returns them.
    /// Sessions younger than `grace` are not judged.
    pub(super) fn look(
        &self,
        grace: Duration,
        presence: impl Fn(&SessionView) -> Presence,
    ) -> Vec<Arc<SessionView>> {
        let mut gone = self.publishers(grace);
        gone.retain(|session| match presence(session) {
            Presence::Present => session.listed(true) >= LOOKS,
            Presence::Missing => session.listed(false) >= LOOKS,
            Presence::Unknown => false,
        });
        gone.retain(|session| self.vanished(session));
        gone
    }

    /// The client of this session has vanished, as far as others say; whether it was open here.
    pub(super) fn vanished(&self, session: &SessionView) -> bool {
        let http = session.at_node();
        http.is_some_and(|http| self.lose(http.role, &http.sealed, EndReason::Vanished))
    }

    /// Looks for sessions whose client vanished, for ever.
    pub async fn watch(self, live_streams: LiveStreams, timing: Timing, metrics: Metrics) {
        let mut ticks = interval(timing.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        loop {
            ticks.tick().await;
            let judged = streams(&self.publishers(timing.grace));
            let vanished = streams(&self.lingering());
            if judged.is_empty() && vanished.is_empty() {
                continue;
            }
            let looked = live_streams.look(&judged, &vanished).await;
            let failure = looked.as_ref().err().cloned();
            log_change(before.as_ref(), failure.as_ref());
            before.clone_from(&failure);
            *lock(&self.inner().findable) = Some(failure.map_or(Ok(()), Err));
            match looked {
                Ok(looked) => {
                    let vanished = self.compare(timing.grace, &looked);
                    metrics.sessions_vanished(vanished);
                }
                // Two looks are in a row only if no look failed between them.
                Err(_) => self.forget_looks(),
            }
        }
    }

    /// Closes what is missing, and reopens what is listed again; how many were closed.
    pub(super) fn compare(&self, grace: Duration, looked: &Looked) -> usize {
        let open = self.publishers(Duration::ZERO);
        for session in self.lingering() {
            if is_back(found(looked, &session), &session, &open)
                && let Some(http) = session.at_node()
            {
                self.reopen(http.role, &http.sealed);
            }
        }
        let presence = |session: &SessionView| presence(found(looked, session), session, &open);
        self.look(grace, presence).len()
    }

    /// Whether vanished clients can be found, by the last look at the Stream Manager's list; `None`
    /// before the first.
    pub fn finds_vanished(&self) -> Option<Result<(), NotAskable>> {
        lock(&self.inner().findable).clone()
    }

    fn forget_looks(&self) {
        for session in self.publishers(Duration::ZERO) {
            session.listed(true);
        }
    }

    /// The open WHIP sessions that are at least this old.
    fn publishers(&self, grace: Duration) -> Vec<Arc<SessionView>> {
        let mut all = self.all();
        all.retain(|session| session.kind() == SessionKind::Whip && session.age() >= grace);
        all
    }
}

fn streams(sessions: &[Arc<SessionView>]) -> BTreeSet<StreamKey> {
    let streams = sessions.iter().filter_map(|session| session.stream());
    streams.cloned().collect()
}

fn found<'a>(looked: &'a Looked, session: &SessionView) -> Found<'a> {
    let stream = session.stream();
    stream.map_or(Found::Unknown, |stream| looked.found(stream))
}

/// Whether a session that vanished is listed again.
pub(super) fn is_back(found: Found<'_>, session: &SessionView, open: &[Arc<SessionView>]) -> bool {
    match found {
        Found::Listed(Some(nodes)) => nodes.contains(&session.named()),
        Found::Listed(None) => newer(open, session).next().is_none(),
        Found::Absent | Found::Unknown => false,
    }
}

/// What was found of its stream means this for the session; `open` are all publishers.
pub(super) fn presence(
    found: Found<'_>,
    session: &SessionView,
    open: &[Arc<SessionView>],
) -> Presence {
    match found {
        Found::Absent => Presence::Missing,
        Found::Unknown => Presence::Unknown,
        // The newer session shows that the list writes addresses as lookups do.
        Found::Listed(Some(nodes))
            if !nodes.contains(&session.named())
                && newer(open, session).any(|newer| nodes.contains(&newer.named())) =>
        {
            Presence::Missing
        }
        Found::Listed(_) => Presence::Present,
    }
}

/// The newer sessions of the same stream.
fn newer<'a>(
    open: &'a [Arc<SessionView>],
    than: &'a SessionView,
) -> impl Iterator<Item = &'a Arc<SessionView>> {
    open.iter()
        .filter(move |other| other.stream() == than.stream() && other.id() > than.id())
}

/// Logs that vanished clients cannot be found, and when that changes.
fn log_change(before: Option<&NotAskable>, now: Option<&NotAskable>) {
    match now {
        Some(why) if before != now => {
            info!("sessions whose client vanished cannot be found: {why}");
        }
        None if before.is_some() => {
            info!("sessions whose client vanished can be found again");
        }
        Some(_) | None => {}
    }
}
