//! Finds sessions whose client vanished without a DELETE.
//!
//! It compares the open WHIP sessions with the streams that the Stream Manager lists as published
//! ([`LiveStreams`]). A session whose stream is missing from two looks in a row is closed as
//! `vanished`. That is information for the operator: no DELETE is sent, and a client that is alive
//! after all keeps its session, since its URL is served whether the table knows it or not.
//!
//! Players are not judged. Red5's documents say that a player is notified when its stream is
//! unpublished, not that its session ends; and no list names single players.
//!
//! The manager is asked only while this replica has a WHIP session older than [`Timing::grace`].

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::info;
use whipstitch_origin::{LiveStreams, NotAskable};
use whipstitch_signaling::StreamKey;

use super::{
    table::SessionTable,
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

impl SessionTable {
    /// Compares the publishers with the Stream Manager's list of live streams, at this node or at
    /// any if it is `None`. Those whose stream is missing for the second time in a row have
    /// vanished; they are closed and returned. Sessions younger than `grace` are not judged.
    pub fn look(
        &self,
        grace: Duration,
        node: Option<IpAddr>,
        is_listed: impl Fn(&SessionView) -> bool,
    ) -> Vec<Arc<SessionView>> {
        let mut gone = self.all();
        gone.retain(|session| {
            session.kind() == SessionKind::Whip
                && node.is_none_or(|node| session.named() == node)
                && session.age() >= grace
                && session.listed(is_listed(session)) >= LOOKS
        });
        gone.retain(|session| self.vanished(session));
        gone
    }

    /// The client of this session has vanished, as far as others say; whether it was open here.
    pub fn vanished(&self, session: &SessionView) -> bool {
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
            let wanted = publishers(&self, timing.grace);
            if wanted.is_empty() {
                continue;
            }
            let looked = live_streams.look(&wanted).await;
            let failure = looked.as_ref().err().cloned();
            log_change(before.as_ref(), failure.as_ref());
            before = failure;
            let Ok(published) = looked else { continue };
            let vanished = self.look(timing.grace, None, |session| {
                session.stream().is_none_or(|stream| {
                    // A session that got old enough during the look was not asked about.
                    published.contains(stream) || !wanted.contains(stream)
                })
            });
            metrics.sessions_vanished(vanished.len());
        }
    }
}

/// The streams of the WHIP sessions that are at least this old.
fn publishers(sessions: &SessionTable, grace: Duration) -> BTreeSet<StreamKey> {
    let all = sessions.all();
    all.iter()
        .filter(|session| session.kind() == SessionKind::Whip && session.age() >= grace)
        .filter_map(|session| session.stream().cloned())
        .collect()
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
