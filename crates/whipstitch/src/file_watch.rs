//! Watches files by reading them: periodically, and on request.
//!
//! The content is compared, not the time: a Kubernetes secret changes by swapping a symbolic link,
//! and an inotify watch on the file would be lost with it.

mod reload_metrics;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use reload_metrics::ReloadMetrics;

/// Time between two reads of a watched file.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

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
pub(crate) struct ReadRequests(mpsc::Sender<Reply>);

/// When a watched file is to be read.
#[derive(Debug)]
pub(crate) struct Schedule(mpsc::Receiver<Reply>);

type Reply = oneshot::Sender<FileState>;

/// One read that is due, and the waiter for its result.
#[derive(Debug)]
pub(crate) struct Read(Option<Reply>);

/// Both ends of a schedule.
pub(crate) fn schedule() -> (ReadRequests, Schedule) {
    let (requests, reads) = mpsc::channel(1);
    (ReadRequests(requests), Schedule(reads))
}

impl ReadRequests {
    /// Requests a read and waits for its result; `None` if the watch has ended.
    pub(crate) async fn read_now(&self) -> Option<FileState> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        answer.await.ok()
    }
}

impl Schedule {
    /// Waits for the next read: on request, or after [`INTERVAL`]. `None` at the stop.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Read> {
        let pause = tokio::time::sleep(INTERVAL);
        tokio::select! {
            () = stop.cancelled() => None,
            // Disabled once all senders are dropped; the pause remains.
            Some(reply) = self.0.recv() => Some(Read(Some(reply))),
            () = pause => Some(Read(None)),
        }
    }
}

impl Read {
    /// Answers the waiter, if there is one.
    pub(crate) fn done(self, state: impl FnOnce() -> FileState) {
        if let Some(reply) = self.0 {
            // The waiter may have been dropped.
            let _ = reply.send(state());
        }
    }
}
