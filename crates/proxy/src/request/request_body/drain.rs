//! Drains the unread rest of a request's body before its answer is sent.
//!
//! An answer that is sent before the body was read ends an HTTP/2 stream with a reset, and clients
//! in the field (libcurl 7.88, and with it encoders) take the reset for a failure and never show
//! the answer. So a rest that is short, or arrives soon, is read first; RFC 9113 §8.1 allows both.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Sleep;

use super::source::Source;

/// Longest rest that is read, in bytes.
const MAX_REST: usize = 1024 * 1024;
/// Longest wait for it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps the body of a request that was dropped before its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyDrain(Arc<Mutex<Option<Source>>>);

impl BodyDrain {
    /// What is dropped.
    pub(super) fn keep(&self, rest: Source) {
        if !rest.is_end_stream() {
            *self.lock() = Some(rest);
        }
    }

    /// The rest that has to be drained, if there is one.
    pub(crate) fn rest(&self) -> Option<Drain> {
        let rest = self.lock().take()?;
        Some(Drain {
            rest,
            left: MAX_REST,
            deadline: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rest of a body, which is read and discarded.
pub(crate) struct Drain {
    rest: Source,
    left: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Drain {
    /// Ready at the end of the body, or when it is too long or takes too long.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(cx) {
            let Some(Ok(frame)) = frame else {
                return Poll::Ready(());
            };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match self.left.checked_sub(bytes) {
                Some(left) => self.left = left,
                None => return Poll::Ready(()),
            }
        }
        self.deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(TIMEOUT)))
            .as_mut()
            .poll(cx)
    }
}
