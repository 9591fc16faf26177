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

/// Most open streams.
pub(super) const MAX_LISTENERS: usize = 16;
/// Time between two statuses.
const EVERY: Duration = Duration::from_secs(2);

/// One open stream. Nothing is queued: a slow reader gets its next status later.
struct Events {
    admin: Admin,
    ticks: Interval,
    history: watch::Receiver<Option<Point>>,
    _permit: OwnedSemaphorePermit,
}

/// Begins the stream of events.
pub(super) fn listen(admin: &Admin, method: &Method) -> Response<Body> {
    let Ok(permit) = admin.0.event_permits.clone().try_acquire_owned() else {
        let words = format!("there are {MAX_LISTENERS} listeners already; close one");
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, &words);
    };
    let mut response = answer::of(StatusCode::OK, "text/event-stream", "");
    // A proxy in between must not buffer the stream to compress it.
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
    let events = Events {
        admin: admin.clone(),
        ticks,
        history: admin.0.history.newest(),
        _permit: permit,
    };
    let events = stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(event)), events))
    });
    response.map(|_| StreamBody::new(events).boxed_unsync())
}

impl Events {
    /// The next event; `None` when the admin interface ends.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.admin.0.stop.clone();
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
