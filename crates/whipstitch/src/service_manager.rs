//! What the service manager is told: readiness, reloads, the end, and that the runtime still turns
//! (systemd, `sd_notify(3)`). Without `NOTIFY_SOCKET` nothing is sent.

use std::{convert::Infallible, time::Duration};

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// Time between two status messages.
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

/// Sends the status, and feeds the watchdog if `WatchdogSec=` is set. Runs on the runtime of the
/// proxy, so that systemd restarts a service whose runtime blocks.
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
        // In a blocking task: a busy service manager must not block the runtime.
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
