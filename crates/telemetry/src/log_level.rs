//! The filter of the log, changed temporarily while the process runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use thiserror::Error;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use whipstitch_config::log_filter::{self, FilterError};

/// Longest duration of a temporary filter.
const LONGEST: Duration = Duration::from_hours(24);

/// The filter of the log. Clones share one state.
#[derive(Clone)]
pub struct LogLevel(Arc<Inner>);

type Set = dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync;

struct Inner {
    set: Box<Set>,
    changed: Mutex<Changed>,
}

struct Changed {
    configured: String,
    /// Number of temporary filters so far: only the last one is reverted at its end.
    changes: u64,
    now: Option<Temporary>,
}

/// A temporary filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// The filter, in the syntax of `log.filter`.
    pub filter: String,
    /// When the configured filter is active again.
    pub until: SystemTime,
}

/// Why the filter is not changed.
#[derive(Debug, Error)]
pub enum LevelError {
    /// The text is not a filter.
    #[error("is not a filter such as \"debug\" or \"info,whipstitch_origin=debug\": {0}")]
    Malformed(#[from] FilterError),
    /// The duration is out of bounds.
    #[error("a change lasts from one second to 24 hours")]
    Duration,
    /// The process has another log.
    #[error("the log does not accept the filter: {0}")]
    Refused(String),
}

impl LogLevel {
    /// A log with this filter; `set` changes it.
    pub fn new(
        configured: &str,
        set: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            set: Box::new(set),
            changed: Mutex::new(Changed {
                configured: configured.to_owned(),
                changes: 0,
                now: None,
            }),
        }))
    }

    /// The active filter, and its end if it is temporary.
    pub fn now(&self) -> (String, Option<SystemTime>) {
        let changed = self.lock();
        match &changed.now {
            Some(now) => (now.filter.clone(), Some(now.until)),
            None => (changed.configured.clone(), None),
        }
    }

    /// Configures another filter, and returns the former one. It becomes active at once, or at the
    /// end of a temporary one.
    ///
    /// # Errors
    /// Why the filter is not changed.
    pub fn configure(&self, filter: &str) -> Result<String, LevelError> {
        let parsed = log_filter::parse(filter)?;
        let mut changed = self.lock();
        if changed.now.is_none() {
            (self.0.set)(parsed).map_err(LevelError::Refused)?;
        }
        Ok(std::mem::replace(
            &mut changed.configured,
            filter.to_owned(),
        ))
    }

    /// Sets a temporary filter; a task on `tasks` restores the configured one.
    ///
    /// # Errors
    /// Why the filter is not changed.
    pub fn change(
        &self,
        filter: &str,
        lasts: Duration,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Temporary, LevelError> {
        if !(Duration::from_secs(1)..=LONGEST).contains(&lasts) {
            return Err(LevelError::Duration);
        }
        let parsed = log_filter::parse(filter)?;
        let mut changed = self.lock();
        (self.0.set)(parsed).map_err(LevelError::Refused)?;
        let now = Temporary {
            filter: filter.to_owned(),
            until: SystemTime::now() + lasts,
        };
        changed.changes += 1;
        changed.now = Some(now.clone());
        let (level, change) = (self.clone(), changed.changes);
        drop(changed);
        info!(filter, ?lasts, "temporary log filter set");
        tasks.spawn(async move {
            let over = tokio::time::sleep(lasts);
            if stop.run_until_cancelled(over).await.is_some() {
                level.revert(change);
            }
        });
        Ok(now)
    }

    /// Restores the configured filter, unless another change followed.
    fn revert(&self, change: u64) {
        let mut changed = self.lock();
        if changed.changes != change {
            return;
        }
        let configured = changed.configured.clone();
        let filter = log_filter::parse(&configured);
        let set = filter
            .map_err(|error| error.to_string())
            .and_then(|filter| (self.0.set)(filter));
        changed.now = None;
        drop(changed);
        match set {
            Ok(()) => info!(filter = configured, "configured log filter restored"),
            Err(error) => warn!(error, "configured log filter cannot be restored"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.0
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level() -> (LogLevel, Arc<Mutex<Vec<String>>>) {
        let set = Arc::new(Mutex::new(Vec::new()));
        let seen = set.clone();
        let level = LogLevel::new("info", move |filter| {
            seen.lock().unwrap().push(filter.to_string());
            Ok(())
        });
        (level, set)
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_filter_is_reverted() {
        let ((level, set), tasks) = (level(), TaskTracker::new());
        let stop = CancellationToken::new();
        let change = |filter, lasts| level.change(filter, lasts, &tasks, stop.clone());
        change("debug", Duration::from_mins(10)).unwrap();
        assert_eq!(level.now().0, "debug");
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert!(level.now().1.is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(level.now(), ("info".to_owned(), None));
        assert_eq!(*set.lock().unwrap(), ["debug", "info"]);
    }

    #[test]
    fn a_configured_filter_is_active_and_the_former_one_is_returned() {
        let (level, set) = level();
        assert_eq!(level.configure("debug").unwrap(), "info");
        assert_eq!(level.configure("info").unwrap(), "debug");
        assert_eq!(*set.lock().unwrap(), ["debug", "info"]);
    }

    #[test]
    fn a_filter_that_is_refused_changes_nothing() {
        let level = LogLevel::new("info", |_| Err("another log".to_owned()));
        level.configure("debug").unwrap_err();
        assert_eq!(level.now(), ("info".to_owned(), None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_end_does_not_revert_a_later_change() {
        let ((level, set), tasks) = (level(), TaskTracker::new());
        let stop = CancellationToken::new();
        let change = |filter, lasts| level.change(filter, lasts, &tasks, stop.clone());
        change("debug", Duration::from_secs(10)).unwrap();
        change("trace", Duration::from_mins(1)).unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(level.now().0, "trace");
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(*set.lock().unwrap(), ["debug", "trace", "info"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_configured_filter_is_active_at_once_or_after_a_temporary_one() {
        let ((level, set), tasks) = (level(), TaskTracker::new());
        level.configure("warn").unwrap();
        assert_eq!(level.now(), ("warn".to_owned(), None));
        let lasts = Duration::from_secs(10);
        let change = level.change("debug", lasts, &tasks, CancellationToken::new());
        change.unwrap();
        level.configure("error").unwrap();
        assert_eq!(level.now().0, "debug");
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(level.now(), ("error".to_owned(), None));
        assert_eq!(*set.lock().unwrap(), ["warn", "debug", "error"]);
        assert!(level.configure("a=b=c").is_err());
        assert!(level.configure("inof").is_err());
    }

    #[tokio::test]
    async fn a_malformed_filter_or_duration_changes_nothing() {
        let ((level, set), tasks) = (level(), TaskTracker::new());
        for (filter, seconds) in [
            ("debug", 0),
            ("debug", 86_401),
            ("a=b=c", 60),
            ("info,]", 60),
            ("debgu", 60),
            ("info,acces", 60),
        ] {
            let lasts = Duration::from_secs(seconds);
            let changed = level.change(filter, lasts, &tasks, CancellationToken::new());
            assert!(changed.is_err(), "{filter} {seconds}");
        }
        assert_eq!(level.now(), ("info".to_owned(), None));
        assert!(set.lock().unwrap().is_empty());
    }
}
