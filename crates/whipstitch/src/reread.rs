//! Files that are read again: every now and then, and at once when somebody asks.

mod reloads;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use reloads::Reloads;

/// What came of reading a file again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reread {
    /// It holds what it held.
    Unchanged,
    /// What it holds now is in use.
    Changed,
    /// It cannot be used; what it held before stays.
    Failed(String),
}

/// Asks for a look at a file.
#[derive(Clone, Debug)]
pub(crate) struct Ask(mpsc::Sender<Reply>);

/// Where the looks come from.
#[derive(Debug)]
pub(crate) struct Asked(mpsc::Receiver<Reply>);

type Reply = oneshot::Sender<Reread>;

/// One look that is due, and who waits for what comes of it.
#[derive(Debug)]
pub(crate) struct Due(Option<Reply>);

/// Who asks, and who is asked.
pub(crate) fn questions() -> (Ask, Asked) {
    let (ask, asked) = mpsc::channel(1);
    (Ask(ask), Asked(asked))
}

impl Ask {
    /// Has the file looked at now; `None` if nobody looks any more.
    pub(crate) async fn look(&self) -> Option<Reread> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        answer.await.ok()
    }
}

impl Asked {
    /// Waits until a look is due, at most this long; `None` if it is time to stop.
    pub(crate) async fn due(&mut self, every: Duration, stop: &CancellationToken) -> Option<Due> {
        let pause = tokio::time::sleep(every);
        tokio::select! {
            () = stop.cancelled() => None,
            // Where nobody is left to ask, this branch is out, and the pause remains.
            Some(reply) = self.0.recv() => Some(Due(Some(reply))),
            () = pause => Some(Due(None)),
        }
    }
}

impl Due {
    /// Tells who waits, if anybody does.
    pub(crate) fn came_to(self, outcome: impl FnOnce() -> Reread) {
        if let Some(reply) = self.0 {
            // Whoever asked may be gone.
            let _ = reply.send(outcome());
        }
    }
}
