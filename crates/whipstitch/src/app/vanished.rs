//! The task that finds sessions whose client vanished without a DELETE.
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

use std::{collections::BTreeSet, time::Duration};

use prometheus::{IntCounter, Registry};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;
use whipstitch_origin::{LiveStreams, NotAskable};
use whipstitch_proxy::{SessionKind, SessionTable};
use whipstitch_signaling::StreamKey;

use crate::shutdown::Shutdown;

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

/// Makes the counter and registers it.
///
/// # Errors
/// Another of the same name is registered already.
pub(super) fn counter(registry: &Registry) -> prometheus::Result<IntCounter> {
    let counter = IntCounter::new(
        "sessions_vanished_total",
        "WHIP sessions that were not ended by their client: the Stream Manager does not list their stream any more, and no DELETE was seen.",
    )?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

/// Starts the task.
pub(super) fn watch(
    sessions: SessionTable,
    live_streams: LiveStreams,
    timing: Timing,
    counter: IntCounter,
    shutdown: &Shutdown,
) {
    let stop = shutdown.stop_accepting.clone();
    shutdown.background.spawn(async move {
        let looks = look_forever(&sessions, &live_streams, timing, &counter);
        stop.run_until_cancelled(looks).await;
    });
}

async fn look_forever(
    sessions: &SessionTable,
    live_streams: &LiveStreams,
    timing: Timing,
    counter: &IntCounter,
) {
    let mut ticks = interval(timing.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        ticks.tick().await;
        let wanted = publishers(sessions, timing.grace);
        if wanted.is_empty() {
            continue;
        }
        let looked = live_streams.look(&wanted).await;
        let failure = looked.as_ref().err().cloned();
        log_change(before.as_ref(), failure.as_ref());
        before = failure;
        let Ok(published) = looked else { continue };
        let vanished = sessions.look(timing.grace, None, |session| {
            session.stream().is_none_or(|stream| {
                // A session that got old enough during the look was not asked about.
                published.contains(stream) || !wanted.contains(stream)
            })
        });
        counter.inc_by(u64::try_from(vanished.len()).unwrap_or_default());
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
