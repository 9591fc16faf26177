//! A request body that can be sent to another node, as long as no try has read of it.
//!
//! A connection that fails has read nothing, so the same request can go to another node without a
//! copy of its body in memory.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{Body, BodyError, words::body};

/// The body of a request with several tries.
pub(crate) enum RetryableBody {
    /// There is none: it can be sent any number of times.
    Empty,
    /// Kept here until a try reads of it.
    Kept(Arc<Mutex<Option<Body>>>),
}

impl RetryableBody {
    pub(crate) fn new(body: Body) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        Self::Kept(Arc::new(Mutex::new(Some(body))))
    }

    /// The body for one try; `None` if an earlier try has read of it.
    pub(crate) fn for_try(&self) -> Option<Body> {
        let Self::Kept(kept) = self else {
            return Some(body::empty());
        };
        let hint = lock(kept).as_ref()?.size_hint();
        let attempt = Try {
            kept: kept.clone(),
            taken: None,
            hint,
        };
        Some(attempt.boxed_unsync())
    }
}

struct Try {
    kept: Arc<Mutex<Option<Body>>>,
    taken: Option<Body>,
    hint: SizeHint,
}

impl http_body::Body for Try {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.taken.is_none() {
            let taken = lock(&self.kept).take();
            self.taken = taken;
        }
        match &mut self.taken {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        // A kept body is not at its end, or it would be empty.
        self.taken
            .as_ref()
            .is_some_and(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.taken {
            Some(body) => body.size_hint(),
            None => self.hint,
        }
    }
}

fn lock(kept: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_given_to_each_try_until_one_reads_of_it() {
        let retryable = RetryableBody::new(body::full("v=0"));
        let first = retryable.for_try().unwrap();
        assert_eq!(first.size_hint().exact(), Some(3));
        drop(first);
        let second = retryable.for_try().unwrap();
        assert!(!second.is_end_stream());
        assert_eq!(second.collect().await.unwrap().to_bytes(), "v=0");
        assert!(retryable.for_try().is_none());
    }

    #[tokio::test]
    async fn one_frame_that_is_read_ends_the_tries() {
        let retryable = RetryableBody::new(body::full("v=0"));
        let mut attempt = retryable.for_try().unwrap();
        attempt.frame().await.unwrap().unwrap();
        drop(attempt);
        assert!(retryable.for_try().is_none());
    }

    #[test]
    fn an_empty_body_can_be_sent_any_number_of_times() {
        let retryable = RetryableBody::new(body::empty());
        for _ in 0..3 {
            assert!(retryable.for_try().unwrap().is_end_stream());
        }
    }
}
