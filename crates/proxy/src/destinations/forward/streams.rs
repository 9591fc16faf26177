//! Streams of server-sent events: answers without an end, which pass as they come.
//!
//! Each holds a connection to its node for as long as the client stays, so there is a limit of
//! them; and a drain does not wait for their end: it ends them, and the client asks
//! again, elsewhere (HTML Living Standard, §9.2.3). A client that does not read cannot be notified:
//! as long as a frame waits for it, hyper polls this body for no other. So an exchange that became
//! a stream of events is released at that moment, whatever its client does.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use pin_project_lite::pin_project;
use tokio_util::{
    sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

use crate::{
    Body, BodyError, Error, Exchange, Metrics,
    request::{
        drain_exemption::DrainExemption,
        permits::{Limit, Permit},
    },
};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The event streams of all clients.
pub(crate) struct EventStreams {
    limit: Limit,
    close: CancellationToken,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl EventStreams {
    /// As many at once as `limit` allows, until `close`; a task of `tasks` waits for that with
    /// each.
    pub(crate) fn new(
        limit: Limit,
        close: CancellationToken,
        tasks: TaskTracker,
        metrics: Metrics,
    ) -> Self {
        Self {
            limit,
            close,
            tasks,
            metrics,
        }
    }

    /// The answer for the client, if it may have it: anything else than a stream of events passes
    /// as it is.
    pub(super) fn pass(
        &self,
        mut response: Response<Body>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Error> {
        if !is_stream(&response) {
            return Ok(response);
        }
        let open = Open::new(self.limit.acquire()?, self.metrics.clone());
        // An nginx in front would collect events until its buffer is full (nginx documentation,
        // proxy_buffering).
        let headers = response.headers_mut();
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        let (exemption, over) = (DrainExemption::default(), CancellationToken::new());
        response.extensions_mut().insert(exemption.clone());
        let (close, ends) = (self.close.clone(), over.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = close.cancelled() => exemption.release(),
                () = ends.cancelled() => {}
            }
        });
        let closed = self.close.clone().cancelled_owned();
        Ok(response.map(|inner| {
            Stream {
                inner,
                closed,
                exchange: exchange.clone(),
                _over: over.drop_guard(),
                _open: open,
            }
            .boxed_unsync()
        }))
    }
}

fn is_stream(response: &Response<Body>) -> bool {
    let media = response.headers().get(CONTENT_TYPE);
    let essence = media
        .and_then(|media| media.to_str().ok()?.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream") && !response.body().is_end_stream()
}

/// A stream that is open, and counted.
struct Open {
    metrics: Metrics,
    _permit: Permit,
}

impl Open {
    fn new(permit: Permit, metrics: Metrics) -> Self {
        metrics.event_stream_opened();
        Self {
            metrics,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.event_stream_ended();
    }
}

pin_project! {
    struct Stream {
        inner: Body,
        #[pin]
        closed: WaitForCancellationFutureOwned,
        exchange: Exchange,
        _over: DropGuard,
        _open: Open,
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.project();
        // What is there already goes out first.
        match Pin::new(this.inner).poll_frame(cx) {
            Poll::Pending => this.closed.poll(cx).map(|()| {
                this.exchange.stopped();
                None
            }),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use http_body_util::StreamBody;

    use super::*;
    use crate::words::body;

    /// One event, and then nothing for ever.
    fn events() -> Body {
        let event = Frame::data(Bytes::from_static(b"data: 1\n\n"));
        let frames = stream::once(std::future::ready(Ok(event)));
        StreamBody::new(futures_util::StreamExt::chain(frames, stream::pending())).boxed_unsync()
    }

    fn nobody() -> Exchange {
        Exchange::begin(&http::HeaderMap::new(), None)
    }

    fn answer(media: &str, body: Body) -> Response<Body> {
        let answer = Response::builder().header(CONTENT_TYPE, media);
        answer.body(body).unwrap()
    }

    #[tokio::test]
    async fn each_has_a_place_until_it_is_over() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let streams = EventStreams::new(
            Limit::new("limits.event_streams", 1),
            CancellationToken::new(),
            TaskTracker::new(),
            metrics,
        );
        let first = streams
            .pass(
                answer("Text/Event-Stream; charset=utf-8", events()),
                &nobody(),
            )
            .unwrap();
        let full = streams.pass(answer("text/event-stream", events()), &nobody());
        assert_eq!(first.headers()[ACCEL_BUFFERING], "no");
        assert!(matches!(
            full,
            Err(Error::Overloaded {
                what: "limits.event_streams"
            })
        ));
        for (media, body) in [
            ("application/json", body::full("{}")),
            ("text/event-streams", body::full("x")),
            ("text/event-stream", body::empty()),
        ] {
            let passed = streams.pass(answer(media, body), &nobody()).unwrap();
            assert!(!passed.headers().contains_key(ACCEL_BUFFERING), "{media}");
        }
        drop(first);
        assert!(
            streams
                .pass(answer("text/event-stream", events()), &nobody())
                .is_ok()
        );
    }

    #[tokio::test]
    async fn it_ends_when_the_process_does_and_what_has_come_goes_out() {
        let close = CancellationToken::new();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let streams = EventStreams::new(
            Limit::new("limits.event_streams", 9),
            close.clone(),
            TaskTracker::new(),
            metrics,
        );
        let passed = streams.pass(answer("text/event-stream", events()), &nobody());
        let mut body = passed.unwrap().into_body();
        close.cancel();
        let event = body.frame().await.unwrap().unwrap();
        assert_eq!(event.into_data().unwrap(), "data: 1\n\n");
        assert!(body.frame().now_or_never().is_some_and(|end| end.is_none()));
        let passed = streams.pass(answer("text/event-stream", events()), &nobody());
        let mut body = passed.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().now_or_never().is_some_and(|end| end.is_none()));
    }
}
