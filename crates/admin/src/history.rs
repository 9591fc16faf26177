//! `GET /history`: the last quarter of an hour, in steps of five seconds.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};
use whipstitch_origin::metrics::Totals as Lookups;
use whipstitch_proxy::metrics::Totals as Requests;

use super::{Admin, answer::millis};

/// Time between two points.
pub(super) const STEP: Duration = Duration::from_secs(5);
/// Points that are kept: 15 minutes.
const POINTS: usize = 180;

/// The last 15 minutes.
#[derive(Debug)]
pub struct History {
    points: Mutex<VecDeque<Point>>,
    newest: watch::Sender<Option<Point>>,
}

/// One step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Point {
    /// Requests that were answered in it.
    requests: u64,
    /// Those of them with 5xx.
    errors: u64,
    /// Sessions at its end.
    sessions: usize,
    /// Mean time of a call to the Stream Manager; null if there was none.
    lookup_ms: Option<f64>,
}

/// `GET /history`
#[derive(Debug, Default, Serialize)]
pub(super) struct Shown {
    step_ms: u64,
    requests: Vec<u64>,
    errors: Vec<u64>,
    sessions: Vec<usize>,
    lookup_ms: Vec<Option<f64>>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            points: Mutex::default(),
            newest: watch::Sender::new(None),
        }
    }
}

impl History {
    /// All points, the oldest first.
    pub(super) fn shown(&self) -> Shown {
        let points = self.lock();
        Shown {
            step_ms: millis(STEP),
            requests: points.iter().map(|point| point.requests).collect(),
            errors: points.iter().map(|point| point.errors).collect(),
            sessions: points.iter().map(|point| point.sessions).collect(),
            lookup_ms: points.iter().map(|point| point.lookup_ms).collect(),
        }
    }

    /// Receives each new point.
    pub(super) fn newest(&self) -> watch::Receiver<Option<Point>> {
        self.newest.subscribe()
    }

    fn add(&self, point: Point) {
        let mut points = self.lock();
        if points.len() >= POINTS {
            points.pop_front();
        }
        points.push_back(point);
        drop(points);
        self.newest.send_replace(Some(point));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Point>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a point every 5 s, and samples the rates of sessions at the same time.
pub(super) async fn record(admin: &Admin) {
    let parts = &admin.0;
    let mut ticks = interval_at(Instant::now() + STEP, STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut requests, mut lookups) = (parts.proxy.totals(), parts.origin.totals());
    let mut last = Instant::now();
    loop {
        ticks.tick().await;
        let now = Instant::now();
        parts.sessions.sample(now - last);
        parts.judge.sample();
        last = now;
        let count = parts.sessions.count();
        let (before, asked) = (requests, lookups);
        (requests, lookups) = (parts.proxy.totals(), parts.origin.totals());
        let sessions = count.http + count.sockets;
        parts.history.add(Point::between(
            (before, requests),
            (asked, lookups),
            sessions,
        ));
    }
}

impl Point {
    fn between(
        (before, now): (Requests, Requests),
        (asked, answered): (Lookups, Lookups),
        sessions: usize,
    ) -> Self {
        let calls = answered.asked.saturating_sub(asked.asked);
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let seconds = answered.asked_seconds - asked.asked_seconds;
        let mean = |calls| (seconds * 1_000_000.0 / f64::from(calls)).round() / 1_000.0;
        Self {
            requests: now.requests.saturating_sub(before.requests),
            errors: now.errors.saturating_sub(before.errors),
            sessions,
            lookup_ms: (calls > 0).then(|| mean(calls)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_what_happened_since_the_last_one() {
        let requests = |requests, errors| Requests {
            requests,
            errors,
            in_flight: 0,
        };
        let lookups = |asked, asked_seconds| Lookups {
            asked,
            asked_seconds,
            ..Lookups::default()
        };
        let point = Point::between(
            (requests(10, 1), requests(25, 3)),
            (lookups(2, 0.5), lookups(6, 0.51)),
            7,
        );
        let expected = Point {
            requests: 15,
            errors: 2,
            sessions: 7,
            lookup_ms: Some(2.5),
        };
        assert_eq!(point, expected);
        let idle = Point::between(
            (requests(1, 0), requests(1, 0)),
            (lookups(2, 0.5), lookups(2, 0.5)),
            0,
        );
        assert_eq!(idle, Point::default());
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept() {
        let history = History::default();
        for requests in 0..200 {
            history.add(Point {
                requests,
                ..Point::default()
            });
        }
        let shown = history.shown();
        assert_eq!(shown.requests.len(), POINTS);
        assert_eq!((shown.requests[0], shown.requests[179]), (20, 199));
        assert_eq!(history.newest().borrow().unwrap().requests, 199);
    }
}
