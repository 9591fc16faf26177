//! What a connection is doing: waiting for a request, receiving the header of one, or serving one.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::config::Connections;

/// The requests of one connection. Cheap to clone: all clones are the same.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    under_way: usize,
    any: bool,
    /// Bytes of a header have come, and not all of it.
    in_header: bool,
    /// Bytes of ours wait to be taken by the client.
    flushing: bool,
    rest: Rest,
    /// Bytes have come that hyper does not get before the pending request is answered.
    held: Held,
    /// When the present phase began.
    last: Instant,
    /// The end that is due.
    end: Option<End>,
}

/// What a client may still send of the body of a request that is answered already.
///
/// An answer may be given before the body was read (404, 409, 413, 415, 503). hyper reads what has
/// arrived of it when it is polled next, once, to keep the connection. Those bytes are not the
/// beginning of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Nothing.
    None,
    /// hyper reads it when it is polled next.
    Due,
    /// hyper is polled, and may read it.
    Now,
}

/// What has come and was kept from hyper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    Bytes,
}

/// Why a connection is ended without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing was asked for long enough, or its place is needed, or the process stops.
    Idle,
    /// The header of a request did not arrive in time.
    SlowHeader,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            under_way: 0,
            any: false,
            in_header: false,
            flushing: false,
            rest: Rest::None,
            held: Held::Nothing,
            last: Instant::now(),
            end: None,
        })))
    }
}

impl Activity {
    /// Ends when there has been no request for as long as the limits allow.
    pub(crate) async fn idle(&self, limits: &Connections) {
        loop {
            let until = {
                let state = self.lock();
                let time = limit(&state, limits).1;
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

    /// When the connection has to be ended, and why, if nothing happens before.
    pub(crate) fn deadline(&self, limits: &Connections) -> Option<(Instant, End)> {
        let state = self.lock();
        let (end, time) = limit(&state, limits);
        let is_busy = state.under_way > 0 || state.flushing || state.end.is_some();
        (!is_busy).then(|| (state.last + time, end))
    }

    /// Whether there was ever a request.
    pub(crate) fn any(&self) -> bool {
        self.lock().any
    }

    /// Whether a byte of a request has come, or over HTTP/2 a whole header.
    pub(crate) fn has_begun(&self) -> bool {
        let state = self.lock();
        state.any || state.in_header
    }

    /// Whether a request is being served.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().under_way > 0
    }

    /// Whether bytes of an answer wait for the client to take them.
    pub(crate) fn is_flushing(&self) -> bool {
        self.lock().flushing
    }

    /// Whether a request may come, and none has begun.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.under_way == 0 && !state.in_header && !state.flushing && state.end.is_none()
    }

    /// Bytes have come. Whether they are the first ones of a header.
    pub(crate) fn received(&self) -> bool {
        let mut state = self.lock();
        state.end = None;
        let is_first = state.under_way == 0 && !state.in_header && state.rest == Rest::None;
        if is_first {
            state.in_header = true;
            state.last = Instant::now();
        }
        is_first
    }

    /// Bytes were sent, or wait to be.
    pub(crate) fn sent(&self, waits: bool) {
        let mut state = self.lock();
        state.flushing = waits;
        if !state.in_header {
            state.last = Instant::now();
        }
    }

    /// All that was sent has left.
    pub(crate) fn flushed(&self) {
        let mut state = self.lock();
        // hyper flushes whenever it is polled: only the end of a wait begins a phase.
        if state.flushing {
            state.flushing = false;
            if !state.in_header {
                state.last = Instant::now();
            }
        }
    }

    /// hyper is about to be polled.
    pub(crate) fn before_poll(&self) {
        let mut state = self.lock();
        if state.rest == Rest::Due {
            state.rest = Rest::Now;
        }
    }

    /// hyper was polled. Whether it has to be polled again soon, as it may read the rest of a body
    /// then.
    pub(crate) fn after_poll(&self) -> bool {
        let mut state = self.lock();
        if state.rest == Rest::Now {
            state.rest = Rest::None;
        }
        state.rest == Rest::Due
    }

    /// hyper was told to wait for bytes, though there are some, until the pending request is
    /// answered.
    pub(crate) fn hold(&self) {
        self.lock().held = Held::Bytes;
    }

    /// Whether hyper is to be polled again now, because that request is answered.
    pub(crate) fn release(&self) -> bool {
        let mut state = self.lock();
        let is_due = state.held == Held::Bytes && state.under_way == 0 && !state.flushing;
        if is_due {
            state.held = Held::Nothing;
        }
        is_due
    }

    /// The connection is to be ended where it next waits for bytes.
    pub(crate) fn end(&self, end: End) {
        self.lock().end = Some(end);
    }

    /// The end that is due.
    pub(crate) fn ending(&self) -> Option<End> {
        self.lock().end
    }

    /// A request begins, with a body or without.
    pub(crate) fn begin(&self, has_body: bool) -> Request {
        let mut state = self.lock();
        state.under_way += 1;
        state.any = true;
        state.in_header = false;
        state.rest = Rest::None;
        state.end = None;
        state.last = Instant::now();
        drop(state);
        Request {
            activity: self.clone(),
            has_body,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limit(state: &State, limits: &Connections) -> (End, Duration) {
    if state.in_header {
        (End::SlowHeader, limits.header_timeout)
    } else if state.any {
        (End::Idle, limits.idle_timeout)
    } else {
        (End::Idle, limits.header_timeout)
    }
}

/// One request, pending until its answer has been taken, body included.
pub(crate) struct Request {
    activity: Activity,
    has_body: bool,
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.under_way -= 1;
        if self.has_body {
            state.rest = Rest::Due;
        }
        state.last = Instant::now();
    }
}

/// A timer that follows a deadline that moves.
#[derive(Default)]
pub(crate) struct Timer(Option<Pin<Box<tokio::time::Sleep>>>);

impl Timer {
    /// Whether the deadline has passed; else the task is woken when it does.
    pub(crate) fn is_past(&mut self, deadline: Instant, cx: &mut std::task::Context<'_>) -> bool {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(1);

    fn limits() -> Connections {
        Connections {
            header_timeout: HEADER,
            idle_timeout: IDLE,
            ..Connections::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_after_its_last_answer_and_not_before() {
        let (activity, limits) = (Activity::default(), limits());
        let began = Instant::now();
        let request = activity.begin(false);
        let answered = async {
            tokio::time::sleep(IDLE * 4).await;
            drop(request);
        };
        tokio::join!(answered, activity.idle(&limits));
        assert_eq!(began.elapsed(), IDLE * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_had_a_request_has_the_time_of_a_header() {
        let began = Instant::now();
        Activity::default().idle(&limits()).await;
        assert_eq!(began.elapsed(), HEADER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_own_time_from_its_first_byte() {
        let (activity, limits) = (Activity::default(), limits());
        drop(activity.begin(false));
        tokio::time::advance(IDLE.saturating_sub(HEADER / 2)).await;
        let first = Instant::now();
        assert!(activity.received());
        tokio::time::advance(HEADER / 2).await;
        assert!(!activity.received());
        assert_eq!(
            activity.deadline(&limits),
            Some((first + HEADER, End::SlowHeader))
        );
        let request = activity.begin(false);
        assert_eq!(activity.deadline(&limits), None);
        drop(request);
        assert_eq!(
            activity.deadline(&limits),
            Some((Instant::now() + IDLE, End::Idle))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_client_takes_late_is_followed_by_the_whole_idle_time() {
        let (activity, limits) = (Activity::default(), limits());
        drop(activity.begin(false));
        activity.sent(true);
        assert_eq!(activity.deadline(&limits), None);
        assert!(!activity.is_idle());
        tokio::time::advance(IDLE * 2).await;
        activity.flushed();
        let taken = Instant::now();
        assert!(activity.is_idle());
        tokio::time::advance(IDLE / 2).await;
        activity.flushed();
        let due = Some((taken + IDLE, End::Idle));
        assert_eq!(
            activity.deadline(&limits),
            due,
            "a flush of nothing changes nothing"
        );
    }
}
