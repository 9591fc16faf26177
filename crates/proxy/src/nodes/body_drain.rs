//! What is left of a request's body when its answer is ready.
//!
//! An answer that comes before the body was read ends an HTTP/2 stream with a reset, and clients in
//! the field (libcurl 7.88, and with it encoders) take the reset for a failure and never show the
//! answer. So a rest that is short, or comes soon, is read first; RFC 9113 §8.1 allows both.

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
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a body is left by whoever stops reading it.
#[derive(Clone, Default)]
pub(crate) struct Leftover(Arc<Mutex<Option<Incoming>>>);

impl Leftover {
    /// The body, which comes back here if it is dropped before its end.
    pub(crate) fn lend(&self, incoming: Incoming) -> Lent {
        Lent {
            incoming: Some(incoming),
            leftover: self.clone(),
        }
    }

    /// The rest that has to be read, if there is one.
    pub(crate) fn rest(&self) -> Option<Rest> {
        let incoming = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(Rest {
            incoming,
            left: MAX_REST,
            deadline: None,
        })
    }
}

/// A body that is not lost when it is dropped.
pub(crate) struct Lent {
    /// `None` after its end.
    incoming: Option<Incoming>,
    leftover: Leftover,
}

impl Body for Lent {
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

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(incoming) = self
            .incoming
            .take()
            .filter(|incoming| !incoming.is_end_stream())
        {
            *self
                .leftover
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        }
    }
}

/// The rest of a body, to be read and thrown away.
pub(crate) struct Rest {
    incoming: Incoming,
    left: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Rest {
    /// Ready at the end of the body, when it is too long, and when it takes too long.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)))
            .as_mut()
            .poll(cx)
    }
}
