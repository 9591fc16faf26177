//! Drains the unread rest of a request's body before its answer is sent.
//!
//! An answer that is sent before the body was read ends an HTTP/2 stream with a reset, and clients
//! in the field (libcurl 7.88, and with it encoders) take the reset for a failure and never show
//! the answer. So a rest that is short, or arrives soon, is read first; RFC 9113 §8.1 allows both.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// Longest rest that is read, in bytes.
const MAX_REST: usize = 1024 * 1024;
/// Longest wait for it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps the body of a request that was dropped before its end.
#[derive(Clone, Default)]
pub(crate) struct BodyDrain(Arc<Mutex<Option<Incoming>>>);

impl BodyDrain {
    /// The body, which is kept here if it is dropped before its end.
    pub(crate) fn wrap(&self, incoming: Incoming) -> DrainedBody {
        DrainedBody {
            incoming: Some(incoming),
            drain: self.clone(),
        }
    }

    /// The rest that has to be drained, if there is one.
    pub(crate) fn rest(&self) -> Option<Drain> {
        let incoming = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(Drain {
            incoming,
            left: MAX_REST,
            deadline: None,
        })
    }
}

/// A body whose rest is kept when it is dropped.
pub(crate) struct DrainedBody {
    /// `None` after its end.
    incoming: Option<Incoming>,
    drain: BodyDrain,
}

impl Body for DrainedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        if let Some(incoming) = self
            .incoming
            .take()
            .filter(|incoming| !incoming.is_end_stream())
        {
            *self.drain.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        }
    }
}

/// The rest of a body, which is read and discarded.
pub(crate) struct Drain {
    incoming: Incoming,
    left: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Drain {
    /// Ready at the end of the body, or when it is too long or takes too long.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
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
