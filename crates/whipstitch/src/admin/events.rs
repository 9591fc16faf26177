//! `GET /events`: the status and the newest point of the history, as they change (server-sent
//! events, HTML Living Standard §9.2).

use std::{convert::Infallible, time::Duration};

use futures_util::stream;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    Admin,
    answer::{self, Body},
    history::Point,
    status,
};

/// Most who listen at once.
pub(super) const MAX_LISTENERS: usize = 16;
/// Time between two statuses.
const EVERY: Duration = Duration::from_secs(2);

/// One who listens. Nothing is queued: who reads slowly gets the next status later.
struct Listener {
    admin: Admin,
    ticks: Interval,
    history: watch::Receiver<Option<Point>>,
    _place: OwnedSemaphorePermit,
}

/// Begins to tell.
pub(super) fn listen(admin: &Admin, method: &Method) -> Response<Body> {
    let Ok(place) = admin.0.listeners.clone().try_acquire_owned() else {
        let words = format!("there are {MAX_LISTENERS} listeners already; close one");
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, &words);
    };
    let mut response = answer::of(StatusCode::OK, "text/event-stream", "");
    // What stands between may hold back what it wants to compress or to collect.
    let unbuffered = HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", unbuffered);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    if *method == Method::HEAD {
        return response;
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        admin: admin.clone(),
        ticks,
        history: admin.0.history.newest(),
        _place: place,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(event)), listener))
    });
    response.map(|_| StreamBody::new(events).boxed_unsync())
}

impl Listener {
    /// The next event; `None` when the admin interface ends.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.admin.0.shutdown.stop_admin.clone();
        tokio::select! {
            () = stop.cancelled() => None,
            _ = self.ticks.tick() => Some(event("status", &status::status(&self.admin))),
            changed = self.history.changed() => {
                changed.ok()?;
                let point = *self.history.borrow_and_update();
                Some(event("history", &point))
            }
        }
    }
}

/// Compact JSON holds no line break.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}
