//! Times the destination of a request, and not its client: the timer runs while the destination has
//! to take a piece of the body or to answer, and stops while the client has to send the next piece.

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

use crate::{Body, BodyError, words::body::Patience};

/// The time that one destination has spent on a request. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(super) struct UpstreamTimer(Arc<Mutex<Clock>>);

struct Clock {
    /// The time before the current period.
    before: Duration,
    /// When the current period began; `None` while the client is waited for.
    since: Option<Instant>,
    /// Whether the destination has the whole body.
    whole: bool,
    /// Whether it gets no more of it.
    stopped: bool,
}

impl Default for UpstreamTimer {
    /// Running: the destination has to take the header.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Clock {
            before: Duration::ZERO,
            since: Some(Instant::now()),
            whole: true,
            stopped: false,
        })))
    }
}

impl UpstreamTimer {
    /// The body, which starts and stops the timer.
    pub(super) fn watch(&self, inner: Body) -> Body {
        self.lock().whole = false;
        Watched {
            inner,
            timer: self.clone(),
        }
        .boxed_unsync()
    }

    /// The time that the destination has spent.
    pub(super) fn spent(&self) -> Duration {
        let clock = self.lock();
        clock.before + clock.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends when the destination has spent its time: in all, or on a single piece.
    pub(super) async fn expired(&self, patience: Patience) {
        loop {
            let (left, since) = {
                let clock = self.lock();
                let left = match patience {
                    Patience::Whole(all) => all.saturating_sub(clock.before),
                    Patience::Piece(one) => one,
                };
                (left, clock.since)
            };
            match since {
                _ if left.is_zero() => return,
                Some(since) if since + left <= Instant::now() => return,
                Some(since) => sleep_until(since + left).await,
                // Checked again when a period that begins now could be over.
                None => sleep(left).await,
            }
        }
    }

    /// The destination gets no more of the body from now on; whether it has all of it already.
    pub(super) fn stop_sending(&self) -> bool {
        let mut clock = self.lock();
        clock.stopped = true;
        clock.whole
    }

    /// Whether the destination may have what has come for it, which may be the `last`.
    fn passes_to(&self, destination: bool, last: bool) -> bool {
        let mut clock = self.lock();
        if clock.stopped {
            return false;
        }
        clock.whole |= last;
        match (destination, clock.since) {
            (true, None) => clock.since = Some(Instant::now()),
            // Another piece arrived: a new period, right after the one before.
            (true, Some(since)) => {
                clock.before += since.elapsed();
                clock.since = Some(Instant::now());
            }
            (false, Some(since)) => {
                clock.before += since.elapsed();
                clock.since = None;
            }
            (false, None) => {}
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    inner: Body,
    timer: UpstreamTimer,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        let is_last = match &frame {
            Poll::Ready(None) => true,
            // A length that was announced may be reached before the end is said.
            Poll::Ready(Some(Ok(_))) => {
                self.inner.is_end_stream() || self.inner.size_hint().exact() == Some(0)
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if self.timer.passes_to(frame.is_ready(), is_last) {
            frame
        } else {
            // Stays pending: the caller is about to drop this request.
            Poll::Pending
        }
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
    use crate::words::body;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn body_of(timer: &UpstreamTimer) -> (mpsc::Sender<Result<Frame<Bytes>, BodyError>>, Body) {
        let (send, mut receive) = mpsc::channel(1);
        let pieces = futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx));
        (send, timer.watch(StreamBody::new(pieces).boxed_unsync()))
    }

    fn piece() -> Frame<Bytes> {
        Frame::data(Bytes::from_static(b"late"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_is_not_the_destinations_fault() {
        for patience in [Patience::Whole(PATIENCE), Patience::Piece(PATIENCE)] {
            let timer = UpstreamTimer::default();
            let (send, mut body) = body_of(&timer);
            let began = Instant::now();
            let client = async {
                sleep(PATIENCE * 5).await;
                send.send(Ok(piece())).await.unwrap();
            };
            // The client is waited for as long as it takes; the destination, which never answers,
            // from then on.
            let waits = async { tokio::join!(client, body.frame()) };
            let overrun = timer.expired(patience);
            let (_, ()) = tokio::join!(waits, overrun);
            let waited = began.elapsed();
            assert!(
                waited >= PATIENCE * 6 && waited <= PATIENCE * 7,
                "{waited:?}"
            );
            assert!(timer.spent() >= PATIENCE && timer.spent() <= PATIENCE * 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cut_off_never_becomes_whole() {
        let timer = UpstreamTimer::default();
        assert!(timer.stop_sending(), "there is no body to wait for");

        let whole = UpstreamTimer::default();
        let mut body = whole.watch(body::full("late"));
        body.frame().await.unwrap().unwrap();
        assert!(whole.stop_sending(), "all of an announced length");

        let half = UpstreamTimer::default();
        let (send, mut body) = body_of(&half);
        send.send(Ok(piece())).await.unwrap();
        body.frame().await.unwrap().unwrap();
        assert!(!half.stop_sending());
        drop(send);
        // Neither its end, which would make half an offer a whole one, nor anything else.
        assert!(timeout(PATIENCE, body.frame()).await.is_err());
        assert!(!half.stop_sending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_takes_nothing_is() {
        for patience in [Patience::Whole(PATIENCE), Patience::Piece(PATIENCE)] {
            let timer = UpstreamTimer::default();
            assert!(timeout(PATIENCE * 2, timer.expired(patience)).await.is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_turns_are_one_long_one_where_they_add_up() {
        let timer = UpstreamTimer::default();
        let (send, mut body) = body_of(&timer);
        let began = Instant::now();
        // Both take four seconds a timer: the client to send a piece, the destination to want the
        // next one.
        let client = async {
            loop {
                sleep(Duration::from_secs(4)).await;
                send.send(Ok(piece())).await.unwrap();
            }
        };
        let destination = async {
            loop {
                body.frame().await;
                sleep(Duration::from_secs(4)).await;
            }
        };
        tokio::select! {
            () = client => {}
            () = destination => {}
            () = timer.expired(Patience::Whole(PATIENCE)) => {}
        }
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(20), "{waited:?}");
        assert!(timer.spent() >= PATIENCE && timer.spent() < PATIENCE * 2);
    }
}
