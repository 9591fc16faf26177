//! Whose turn it is while a request is on its way: the client's, to send the next piece of its body, or the
//! destination's, to take it and to answer. Only the destination is blamed for a wait on the destination.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Body, BodyError};

/// Since when it is the destination's turn; `None` while it is the client's.
#[derive(Clone)]
pub(super) struct Turn(Arc<Mutex<Option<Instant>>>);

impl Default for Turn {
    /// The destination's: it has to take the header.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Instant::now()))))
    }
}

impl Turn {
    /// A body that says whose turn it is.
    pub(super) fn watch(&self, inner: Body) -> Body {
        Watched {
            inner,
            turn: self.clone(),
        }
        .boxed_unsync()
    }

    /// Ends when the destination has had its turn for longer than `patience`.
    pub(super) async fn overrun(self, patience: Duration) {
        loop {
            let since = *self.lock();
            match since {
                // Looked at again when a turn that begins now could be over.
                None => sleep(patience).await,
                Some(since) if since + patience <= Instant::now() => return,
                Some(since) => sleep_until(since + patience).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    inner: Body,
    turn: Turn,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        *self.turn.lock() = frame.is_ready().then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tokio::{sync::mpsc, time::timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(6);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_is_not_the_destinations_fault() {
        let (send, mut receive) = mpsc::channel(1);
        let pieces = futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx));
        let turn = Turn::default();
        let mut body = turn.watch(StreamBody::new(pieces).boxed_unsync());
        let began = Instant::now();
        let client = async {
            sleep(PATIENCE * 5).await;
            send.send(Ok(Frame::data(Bytes::from_static(b"late"))))
                .await
                .unwrap();
        };
        // The client is waited for as long as it takes; the destination, which never answers, from then on.
        let waits = async { tokio::join!(client, body.frame()) };
        let overrun = turn.overrun(PATIENCE);
        let (_, ()) = tokio::join!(waits, overrun);
        let waited = began.elapsed();
        assert!(
            waited >= PATIENCE * 6 && waited <= PATIENCE * 7,
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_takes_nothing_is() {
        assert!(
            timeout(PATIENCE * 2, Turn::default().overrun(PATIENCE))
                .await
                .is_ok()
        );
    }
}
