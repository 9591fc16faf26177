//! What the service manager is told: readiness, reloads, the end, and that the runtime still turns
//! (systemd, `sd_notify(3)`). Without `NOTIFY_SOCKET` nobody is told anything.

use std::{convert::Infallible, time::Duration};

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// Time between two words about how it is.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// All listeners are bound, or a reload is over.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Files are read again; [`ready`] has to follow. systemd takes it for one only with the time at
/// which it began.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "there is no monotonic clock"),
    }
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says again and again how it is, and that it is alive if `WatchdogSec=` asks for it. Made to run
/// on the runtime that serves: where that no longer turns, nobody is told, and the service is
/// started anew.
pub async fn keep_telling(summary: impl Fn() -> String) -> Infallible {
    let watchdog = watchdog_enabled();
    // Twice as often as is asked for, as `sd_watchdog_enabled(3)` recommends.
    let every = watchdog.map_or(STATUS_EVERY, |within| (within / 2).min(STATUS_EVERY));
    let mut ticks = interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = String::new();
    loop {
        ticks.tick().await;
        let now = summary();
        let news = (now != said).then(|| now.clone());
        said = now;
        let alive = watchdog.is_some();
        // It may wait for a service manager that is busy, and nobody else shall.
        let _ = tokio::task::spawn_blocking(move || {
            if alive {
                tell(&[NotifyState::Watchdog]);
            }
            if let Some(news) = news {
                tell(&[NotifyState::Status(&news)]);
            }
        })
        .await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        debug!(%error, "the service manager cannot be told");
    }
}
