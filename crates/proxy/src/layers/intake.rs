//! Intake: reads what a WHIP or WHEP request carries before anything is done for it.
//!
//! Whether there is a body is judged by what arrives, never by how it is framed: no framing at all,
//! `Content-Length: 0`, a chunked body of nothing or of trailers, an HTTP/2 stream that ends with
//! its header or after empty frames all mean "none", to us and to the node.
//!
//! An offer has at most `limits.sdp_bytes`, and is read whole within `timeouts.body`. Only then the
//! request takes one of `limits.in_flight`: a client that sends an offer slowly, or never ends one,
//! keeps no other client out. What all offers hold together is bounded by bytes that did arrive,
//! `limits.in_flight` times `limits.sdp_bytes`.
//!
//! What goes to the Stream Manager passes as it comes.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, Either};
use http::{HeaderValue, Method, Request, Response, header::CONTENT_LENGTH};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, util::Oneshot};
use whipstitch_signaling::headers;

use crate::{
    Body, Error, Routed,
    request::message::Takes,
    words::{body, config::Limits},
};

/// Bytes of requests that are held, over all stacks. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

/// Reads WHIP and WHEP bodies whole.
#[derive(Clone, Debug)]
pub(crate) struct IntakeLayer {
    held: Held,
    /// Most bytes that all requests may hold together.
    capacity: u64,
}

impl IntakeLayer {
    /// One that holds at most as much as requests in flight can carry.
    pub(crate) fn new(held: Held, limits: &Limits) -> Self {
        let in_flight = u64::try_from(limits.in_flight).unwrap_or(u64::MAX);
        let capacity = in_flight.saturating_mul(limits.sdp_bytes);
        Self { held, capacity }
    }
}

impl<S> Layer<S> for IntakeLayer {
    type Service = Intake<S>;

    fn layer(&self, inner: S) -> Intake<S> {
        let layer = self.clone();
        Intake { inner, layer }
    }
}

/// The service of [`IntakeLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Intake<S> {
    inner: S,
    layer: IntakeLayer,
}

impl<S> Service<Routed> for Intake<S>
where
    S: Service<Routed, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Oneshot<S, Routed>, BoxFuture<'static, Result<Response<Body>, Error>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Waited for when the body is there.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut routed: Routed) -> Self::Future {
        let inner = self.inner.clone();
        if matches!(routed.takes, Takes::Stream) {
            return Either::Left(inner.oneshot(routed));
        }
        if routed.request.body().is_end_stream() {
            settle(&mut routed.request, Bytes::new());
            return Either::Left(inner.oneshot(routed));
        }
        let layer = self.layer.clone();
        Either::Right(Box::pin(async move {
            let mut holding = Holding { layer, bytes: 0 };
            let read = read(&mut routed, &mut holding).await?;
            settle(&mut routed.request, read);
            inner.oneshot(routed).await
        }))
    }
}

/// What one request holds of the capacity; given back when dropped.
struct Holding {
    layer: IntakeLayer,
    bytes: u64,
}

impl Holding {
    /// Holds this many more.
    fn more(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes += bytes;
        let before = self.layer.held.0.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.layer.capacity {
            return Err(Error::Overloaded {
                what: "limits.in_flight",
            });
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.layer.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// All of the body, whose length and time the routing layer has limited. Where there should be
/// none, the first byte is an error.
async fn read(routed: &mut Routed, holding: &mut Holding) -> Result<Bytes, Error> {
    let takes = std::mem::replace(&mut routed.takes, Takes::Whole);
    let mut body = pin!(std::mem::replace(routed.request.body_mut(), body::empty()));
    let mut read = BytesMut::new();
    let mut refused = match takes {
        Takes::Nothing(otherwise) => Some(otherwise),
        Takes::Stream | Takes::Whole => None,
    };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if data.is_empty() {
            continue;
        }
        if let Some(refused) = refused.take() {
            return Err(refused.into());
        }
        holding.more(data.len() as u64)?;
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Says in one way what the request carries.
fn settle(request: &mut Request<Body>, read: Bytes) {
    let length = read.len();
    let expects_content = matches!(*request.method(), Method::POST | Method::PATCH);
    *request.body_mut() = if read.is_empty() {
        body::empty()
    } else {
        body::full(read)
    };
    headers::make_plain(request.headers_mut());
    let headers = request.headers_mut();
    if length == 0 && !expects_content {
        // RFC 9110 §8.6: no length where no content is expected.
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http::{HeaderMap, uri::Authority};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tower::service_fn;
    use whipstitch_signaling::{Form, Role, StreamKey};

    use super::*;
    use crate::{
        BodyError, Exchange,
        request::message::Ask,
        words::{error::BadRequest, problem::Kind},
    };

    fn frames(frames: Vec<Frame<Bytes>>) -> Body {
        StreamBody::new(stream::iter(frames.into_iter().map(Ok))).boxed_unsync()
    }

    fn data(bytes: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(bytes.as_bytes()))
    }

    fn routed(method: &str, body: Body, takes: Takes) -> Routed {
        Routed {
            ask: Ask::Endpoint {
                role: Role::Play,
                key: StreamKey::new("live", "s1").unwrap(),
                form: Form::Classic,
            },
            request: Request::builder()
                .method(method)
                .uri("/")
                .body(body)
                .unwrap(),
            host: Authority::from_static("a"),
            exchange: Exchange::begin(&HeaderMap::new(), None),
            takes,
        }
    }

    /// What comes through: the announced length, and the body.
    async fn through(held: &Held, routed: Routed) -> Result<(String, Bytes), Kind> {
        let inner = service_fn(|routed: Routed| async move {
            let (parts, body) = routed.request.into_parts();
            let mut response = Response::new(body);
            *response.headers_mut() = parts.headers;
            Ok::<_, Error>(response)
        });
        let limits = Limits {
            in_flight: 2,
            sdp_bytes: 4,
            ..Limits::default()
        };
        let service = IntakeLayer::new(held.clone(), &limits).layer(inner);
        let answer = service.oneshot(routed).await;
        let answer = answer.map_err(|error| Kind::of(&error))?;
        let length = answer.headers().get(CONTENT_LENGTH).cloned();
        let length = length.map_or("none".to_owned(), |length| {
            length.to_str().unwrap().to_owned()
        });
        let ends = answer.body().is_end_stream();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(ends, body.is_empty());
        Ok((length, body))
    }

    #[tokio::test]
    async fn all_ways_to_say_nothing_mean_the_same() {
        let held = Held::default();
        let otherwise = || Takes::Nothing(BadRequest::Handshake("no body"));
        for (method, length) in [
            ("POST", "0"),
            ("PATCH", "0"),
            ("DELETE", "none"),
            ("GET", "none"),
        ] {
            for nothing in 0..4 {
                for takes in [Takes::Whole, otherwise()] {
                    let body = match nothing {
                        0 => body::empty(),
                        1 => frames(vec![]),
                        2 => frames(vec![data(""), data("")]),
                        _ => frames(vec![Frame::trailers(HeaderMap::new())]),
                    };
                    let came = through(&held, routed(method, body, takes)).await;
                    assert_eq!(
                        came,
                        Ok((length.to_owned(), Bytes::new())),
                        "{method} {nothing}"
                    );
                }
            }
        }
        let body = frames(vec![data(""), data("v")]);
        let came = through(&held, routed("POST", body, otherwise())).await;
        assert_eq!(came, Err(Kind::BadHandshake));
    }

    #[tokio::test]
    async fn what_arrives_in_pieces_goes_on_whole() {
        let body = frames(vec![data("v="), data(""), data("0")]);
        let came = through(&Held::default(), routed("POST", body, Takes::Whole)).await;
        assert_eq!(came, Ok(("3".to_owned(), Bytes::from_static(b"v=0"))));
    }

    #[tokio::test]
    async fn only_what_has_arrived_counts_and_it_is_given_back() {
        let held = Held::default();
        // Nine requests that never end hold a byte together.
        let mut waiting = Vec::new();
        for first in ["v", "", "", "", "", "", "", "", ""] {
            let silent =
                stream::iter([Ok(data(first))]).chain(stream::pending::<Result<_, BodyError>>());
            let body = StreamBody::new(silent).boxed_unsync();
            let mut waits = Box::pin(through(&held, routed("POST", body, Takes::Whole)));
            let poll = futures_util::poll!(&mut waits);
            assert!(poll.is_pending());
            waiting.push(waits);
        }
        assert_eq!(held.0.load(Ordering::Relaxed), 1);
        let seven = || frames(vec![data("1234567")]);
        assert!(
            through(&held, routed("POST", seven(), Takes::Whole))
                .await
                .is_ok()
        );
        let eight = frames(vec![data("12345678")]);
        let refused = through(&held, routed("POST", eight, Takes::Whole)).await;
        assert_eq!(refused, Err(Kind::Overloaded));
        drop(waiting);
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
