//! A body that can be taken back as long as nobody has asked it for anything.
//!
//! A connection that does not come about has cost nothing: the same request can go to another node,
//! and nothing had to be kept in memory for it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{Body, BodyError, words::body};

/// Whoever owns the body.
pub(crate) enum Lender {
    /// There is none, which can be sent any number of times.
    Nothing,
    /// Here, until the first question.
    Kept(Arc<Mutex<Option<Body>>>),
}

impl Lender {
    pub(crate) fn new(body: Body) -> Self {
        if body.is_end_stream() {
            return Self::Nothing;
        }
        Self::Kept(Arc::new(Mutex::new(Some(body))))
    }

    /// The body for one try; `None` if an earlier try has begun to read it.
    pub(crate) fn lend(&self) -> Option<Body> {
        let Self::Kept(kept) = self else {
            return Some(body::empty());
        };
        let hint = lock(kept).as_ref()?.size_hint();
        let lent = Lent {
            kept: kept.clone(),
            taken: None,
            hint,
        };
        Some(lent.boxed_unsync())
    }
}

struct Lent {
    kept: Arc<Mutex<Option<Body>>>,
    taken: Option<Body>,
    hint: SizeHint,
}

impl http_body::Body for Lent {
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
        // What is kept is not at its end, or there would be nothing to keep.
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
    async fn it_is_lent_again_until_somebody_reads() {
        let lender = Lender::new(body::full("v=0"));
        let first = lender.lend().unwrap();
        assert_eq!(first.size_hint().exact(), Some(3));
        drop(first);
        let second = lender.lend().unwrap();
        assert!(!second.is_end_stream());
        assert_eq!(second.collect().await.unwrap().to_bytes(), "v=0");
        assert!(lender.lend().is_none());
    }

    #[tokio::test]
    async fn one_frame_is_enough_to_lose_it() {
        let lender = Lender::new(body::full("v=0"));
        let mut lent = lender.lend().unwrap();
        lent.frame().await.unwrap().unwrap();
        drop(lent);
        assert!(lender.lend().is_none());
    }

    #[test]
    fn nothing_can_be_sent_often() {
        let lender = Lender::new(body::empty());
        for _ in 0..3 {
            assert!(lender.lend().unwrap().is_end_stream());
        }
    }
}
