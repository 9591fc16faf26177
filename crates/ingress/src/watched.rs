//! The service of a connection as hyper calls it: limits of the header first, and each request
//! counts as activity until its answer is over.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    activity::{self, Activity},
    refusal::{MAX_FIELDS, MAX_HEADER, MAX_TARGET, Refusal},
    refusals::Refusals,
};

/// A service that is watched.
#[derive(Clone)]
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) activity: Activity,
    pub(crate) refusals: Refusals,
    pub(crate) client: SocketAddr,
    /// From then on each answer over HTTP/1 is the last one of its connection.
    pub(crate) drain: CancellationToken,
}

impl<S, R, B> Service<Request<R>> for Watched<S>
where
    R: Body,
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = WatchedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        let guard = Some(self.activity.begin(has_body));
        let drain = (request.version() < Version::HTTP_2).then(|| self.drain.clone());
        match beyond(&request) {
            Some(refusal) => WatchedFuture {
                inner: None,
                refused: Some(self.refusals.refuse(refusal, self.client)),
                request: guard,
                drain,
            },
            None => WatchedFuture {
                inner: Some(self.inner.call(request)),
                refused: None,
                request: guard,
                drain,
            },
        }
    }
}

/// The limit that a header is beyond. It is measured as HTTP/1.1 writes it, whatever version it
/// came in.
fn beyond<R>(request: &Request<R>) -> Option<Refusal> {
    let uri = request.uri();
    let target = uri
        .path_and_query()
        .map_or(1, |target| target.as_str().len());
    if target > MAX_TARGET {
        return Some(Refusal::TargetTooLong);
    }
    let host = match (request.version(), uri.authority()) {
        (Version::HTTP_2, Some(host)) => "host: \r\n".len() + host.as_str().len(),
        _ => 0,
    };
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let headers = request.headers();
    let fields: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    let is_large = line + host + fields + 2 > MAX_HEADER || headers.len() > MAX_FIELDS;
    is_large.then_some(Refusal::HeaderTooLarge)
}

pin_project! {
    pub(crate) struct WatchedFuture<F> {
        #[pin]
        inner: Option<F>,
        refused: Option<Response<Bytes>>,
        request: Option<activity::Request>,
        drain: Option<CancellationToken>,
    }
}

impl<F, B> Future for WatchedFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.request;
        let mut answer = if let Some(inner) = this.inner.as_pin_mut() {
            let Ok(response) = ready!(inner.poll(cx));
            response.map(|body| Answer {
                inner: Some(body),
                own: None,
                _request: request.take(),
            })
        } else {
            let refused = this.refused.take().unwrap_or_default();
            refused.map(|body| Answer {
                inner: None,
                own: Some(body).filter(|body| !body.is_empty()),
                _request: request.take(),
            })
        };
        let is_last = this
            .drain
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled);
        if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        Poll::Ready(Ok(answer))
    }
}

pin_project! {
    /// The body of an answer; its request is pending until this is dropped.
    pub(crate) struct Answer<B> {
        #[pin]
        inner: Option<B>,
        own: Option<Bytes>,
        _request: Option<activity::Request>,
    }
}

impl<B: Body<Data = Bytes>> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(this.own.take().map(|own| Ok(Frame::data(own)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_end_stream(),
            None => self.own.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(self.own.as_ref().map_or(0, |own| own.len() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_measured_alike_in_both_versions() {
        let large = |version, target: usize, fields: usize, each: usize| {
            let target = format!("https://a/{}", "x".repeat(target));
            let mut request = Request::get(target).version(version);
            for field in 0..fields {
                request = request.header(format!("x-{field}"), "v".repeat(each));
            }
            beyond(&request.body(()).unwrap())
        };
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(large(version, 30_000, 30, 1_000), None);
            assert_eq!(large(version, 33_000, 0, 0), Some(Refusal::TargetTooLong));
            assert_eq!(large(version, 10, 1, 66_000), Some(Refusal::HeaderTooLarge));
            assert_eq!(large(version, 10, 66, 1_000), Some(Refusal::HeaderTooLarge));
            assert_eq!(large(version, 10, 101, 1), Some(Refusal::HeaderTooLarge));
            assert_eq!(large(version, 10, 100, 1), None);
        }
    }
}
