//! Knows how long a connection has had no request.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};
use tower::Service;

/// The requests of one connection. Cheap to clone: all clones are the same.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    under_way: usize,
    any: bool,
    /// When a request last began or ended; at first, when the connection began.
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            under_way: 0,
            any: false,
            last: Instant::now(),
        })))
    }
}

impl Activity {
    /// Ends when there has been no request for `time`.
    pub(crate) async fn idle(&self, time: Duration) {
        loop {
            let until = {
                let state = self.lock();
                if state.under_way > 0 {
                    Instant::now() + time
                } else {
                    state.last + time
                }
            };
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Whether there was ever a request.
    pub(crate) fn any(&self) -> bool {
        self.lock().any
    }

    fn change(&self, alter: impl FnOnce(&mut usize)) {
        let mut state = self.lock();
        alter(&mut state.under_way);
        state.any = true;
        state.last = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service whose requests count as activity until they are answered.
#[derive(Clone)]
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) activity: Activity,
}

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WatchedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        WatchedFuture {
            inner: self.inner.call(request),
            _request: Request::begin(&self.activity),
        }
    }
}

pin_project! {
    pub(crate) struct WatchedFuture<F> {
        #[pin]
        inner: F,
        _request: Request,
    }
}

impl<F: Future> Future for WatchedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Poll::Ready(ready!(self.project().inner.poll(cx)))
    }
}

/// One request, under way until it is dropped.
struct Request(Activity);

impl Request {
    fn begin(activity: &Activity) -> Self {
        activity.change(|under_way| *under_way += 1);
        Self(activity.clone())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.change(|under_way| *under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_after_its_last_answer_and_not_before() {
        let activity = Activity::default();
        let began = Instant::now();
        let request = Request::begin(&activity);
        let answered = async {
            tokio::time::sleep(TIME * 4).await;
            drop(request);
        };
        tokio::join!(answered, activity.idle(TIME));
        assert_eq!(began.elapsed(), TIME * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_had_a_request_is_idle_from_the_beginning() {
        let began = Instant::now();
        Activity::default().idle(TIME).await;
        assert_eq!(began.elapsed(), TIME);
    }
}
