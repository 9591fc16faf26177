//! Watches files by reading them: periodically, and on request.
//!
//! The content is compared, not the time: a Kubernetes secret changes by swapping a symbolic link,
//! and an inotify watch on the file would be lost with it.

mod reload_metrics;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

pub(crate) use reload_metrics::ReloadMetrics;

use crate::shutdown::Shutdown;

/// Time between two reads of a watched file.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// Files that are read again while the process runs.
pub(crate) trait Watched: Send + Sync + 'static {
    /// What they hold, for the log.
    const WHAT: &'static str;

    /// Reads them, which may block, and uses what has changed; whether anything has.
    ///
    /// # Errors
    /// Why the content cannot be used; the former one stays in use.
    fn read(&self) -> Result<bool, String>;

    /// Why they could not be used at the start, if the process started all the same.
    fn wrong_at_start(&self) -> Option<String> {
        None
    }
}

/// The result of reading a watched file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// The content is unchanged.
    Unchanged,
    /// The new content is in use.
    Changed,
    /// The content cannot be used; the former one stays in use.
    Failed(String),
}

/// Requests reads of a watched file.
#[derive(Clone, Debug)]
pub(crate) struct ReadRequests {
    requests: mpsc::Sender<Reply>,
    fault: Fault,
}

/// When a watched file is to be read.
#[derive(Debug)]
struct Schedule {
    reads: mpsc::Receiver<Reply>,
    fault: Fault,
}

/// Why the content on disk cannot be used, if it cannot.
#[derive(Clone, Debug, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

type Reply = oneshot::Sender<FileState>;

/// Reads these files whenever they are due, until no more connections are accepted.
pub(crate) fn watch<W: Watched>(
    files: Arc<W>,
    reloads: ReloadMetrics,
    shutdown: &Shutdown,
) -> ReadRequests {
    let (requests, due) = schedule();
    let stop = shutdown.stop_accepting.clone();
    shutdown.background.spawn(due.watch(files, stop, reloads));
    requests
}

fn schedule() -> (ReadRequests, Schedule) {
    let ((requests, reads), fault) = (mpsc::channel(1), Fault::default());
    let schedule = Schedule {
        reads,
        fault: fault.clone(),
    };
    (ReadRequests { requests, fault }, schedule)
}

impl ReadRequests {
    /// Requests a read and waits for its result; `None` if the watch has ended.
    pub(crate) async fn read_now(&self) -> Option<FileState> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(reply).await.ok()?;
        answer.await.ok()
    }

    /// Why the content on disk cannot be used, as the last read found; `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let fault = self.fault.0.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Schedule {
    /// Waits for the next read: on request, or after [`INTERVAL`]. `None` at the stop, otherwise
    /// the caller that waits for the result, if there is one.
    async fn next(&mut self, stop: &CancellationToken) -> Option<Option<Reply>> {
        let pause = tokio::time::sleep(INTERVAL);
        tokio::select! {
            () = stop.cancelled() => None,
            // Disabled once all senders are dropped; the pause remains.
            Some(reply) = self.reads.recv() => Some(Some(reply)),
            () = pause => Some(None),
        }
    }

    /// Records what is wrong, or that nothing is.
    fn found(&self, reloads: &ReloadMetrics, wrong: Option<&String>) {
        reloads.unusable(wrong.is_some());
        *self.fault.0.lock().unwrap_or_else(PoisonError::into_inner) = wrong.cloned();
    }

    /// Reads the files whenever they are due, until `stop`.
    ///
    /// What is wrong counts and is logged once, not every 10 s: a rotation may take a moment to
    /// write all files. Who asks is told each time.
    async fn watch<W: Watched>(
        mut self,
        files: Arc<W>,
        stop: CancellationToken,
        reloads: ReloadMetrics,
    ) {
        let mut wrong = files.wrong_at_start();
        self.found(&reloads, wrong.as_ref());
        while let Some(reply) = self.next(&stop).await {
            let read = {
                let files = files.clone();
                tokio::task::spawn_blocking(move || files.read()).await
            };
            let read = read.unwrap_or_else(|_| {
                Err("reading it failed; please report this as a defect".to_owned())
            });
            let state = match read {
                Ok(true) => FileState::Changed,
                Ok(false) => FileState::Unchanged,
                Err(error) => FileState::Failed(error),
            };
            let is_new = match &state {
                FileState::Unchanged => false,
                FileState::Changed => true,
                FileState::Failed(error) => wrong.as_ref() != Some(error),
            };
            wrong = match &state {
                FileState::Failed(error) => Some(error.clone()),
                FileState::Changed | FileState::Unchanged => None,
            };
            if is_new {
                reloads.count(wrong.is_none());
                if let Some(error) = &wrong {
                    error!(
                        error,
                        "the changed {} cannot be used; the former content stays in use",
                        W::WHAT
                    );
                }
            }
            self.found(&reloads, wrong.as_ref());
            if let Some(reply) = reply {
                // The waiter may have been dropped.
                let _ = reply.send(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use prometheus::Registry;

    use super::*;

    /// Files whose next reads bring this; `None` panics.
    struct Script(Mutex<Vec<Option<Result<bool, String>>>>);

    impl Watched for Script {
        const WHAT: &'static str = "script";

        fn read(&self) -> Result<bool, String> {
            let next = self.0.lock().unwrap().remove(0);
            next.expect("this read panics")
        }
    }

    fn wrong(why: &str) -> Result<bool, String> {
        Err(why.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_counts_once_and_is_told_to_all_who_ask() {
        let reads = vec![
            Some(Ok(false)),
            Some(wrong("a")),
            Some(wrong("a")),
            Some(wrong("b")),
            Some(Ok(false)),
            Some(wrong("b")),
            Some(Ok(true)),
        ];
        let totals = [
            (0, 0, false),
            (0, 1, true),
            (0, 1, true),
            (0, 2, true),
            (0, 2, false),
            (0, 3, true),
            (1, 3, false),
        ];
        let expected = reads.clone();
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let (stop, (ask, due)) = (CancellationToken::new(), schedule());
        let files = Arc::new(Script(Mutex::new(reads)));
        let asks = async {
            for (read, totals) in expected.into_iter().zip(totals) {
                let state = match read.unwrap() {
                    Ok(true) => FileState::Changed,
                    Ok(false) => FileState::Unchanged,
                    Err(why) => FileState::Failed(why),
                };
                assert_eq!(ask.read_now().await, Some(state));
                assert_eq!(reloads.totals(), totals);
            }
            stop.cancel();
        };
        tokio::join!(due.watch(files, stop.clone(), reloads.clone()), asks);
        assert_eq!(ask.read_now().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_panics_is_not_the_last() {
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let (stop, (ask, due)) = (CancellationToken::new(), schedule());
        let files = Arc::new(Script(Mutex::new(vec![Some(Ok(false)), None])));
        // A mutex that a panic has poisoned: each later read panics, too.
        let asks = async {
            assert_eq!(ask.read_now().await, Some(FileState::Unchanged));
            for _ in 0..2 {
                assert!(matches!(ask.read_now().await, Some(FileState::Failed(_))));
                assert_eq!(reloads.totals(), (0, 1, true));
            }
            stop.cancel();
        };
        tokio::join!(due.watch(files, stop.clone(), reloads.clone()), asks);
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_read_every_ten_seconds() {
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let (stop, (_ask, due)) = (CancellationToken::new(), schedule());
        let files = Arc::new(Script(Mutex::new(vec![Some(Ok(false)), Some(Ok(true))])));
        let waits = async {
            let began = tokio::time::Instant::now();
            while reloads.totals() == (0, 0, false) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let waited = began.elapsed();
            assert!(
                waited >= INTERVAL * 2 && waited <= INTERVAL * 3,
                "{waited:?}"
            );
            stop.cancel();
        };
        tokio::join!(due.watch(files, stop.clone(), reloads.clone()), waits);
    }
}
