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
//! What goes to the Stream Manager passes as it comes, but for methods without content: there the
//! end is read first, since a body is an error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, Either};
use http::{HeaderValue, Method, Response, header::CONTENT_LENGTH};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt, util::Oneshot};
use whipstitch_signaling::headers;

use crate::{
    Body, BodyError, Error, RequestBody, Routed, Unread,
    request::message::{ForManager, Signaling, has_content},
    words::{
        config::{Limits, Timeouts},
        error::BadRequest,
    },
};

/// Bytes of requests that are held, over all stacks. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

/// Reads WHIP and WHEP bodies whole.
#[derive(Clone, Debug)]
pub(crate) struct IntakeLayer {
    held: Held,
    /// Most bytes of one request.
    limit: u64,
    /// Longest wait for all of them.
    patience: Duration,
    /// Most bytes that all requests may hold together.
    capacity: u64,
}

impl IntakeLayer {
    /// One that holds at most as much as requests in flight can carry.
    pub(crate) fn new(held: Held, limits: &Limits, timeouts: &Timeouts) -> Self {
        let in_flight = u64::try_from(limits.in_flight).unwrap_or(u64::MAX);
        Self {
            held,
            limit: limits.sdp_bytes,
            patience: timeouts.body,
            capacity: in_flight.saturating_mul(limits.sdp_bytes),
        }
    }
}

impl<S> Layer<S> for IntakeLayer {
    type Service = Intake<S>;

    fn layer(&self, inner: S) -> Intake<S> {
        let layer = self.clone();
        Intake { inner, layer }
    }
}

/// The service of this layer.
#[derive(Clone, Debug)]
pub struct Intake<S> {
    inner: S,
    layer: IntakeLayer,
}

impl<S> Service<Routed<Unread>> for Intake<S>
where
    S: Service<Routed<Bytes>, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future =
        Either<Oneshot<S, Routed<Bytes>>, BoxFuture<'static, Result<Response<Body>, Error>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Waited for when the body is there.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, routed: Routed<Unread>) -> Self::Future {
        let inner = self.inner.clone();
        let asked = match routed {
            Routed::Manager(asked) => return self.to_manager(asked),
            Routed::Signaling(asked) => asked,
        };
        if asked.request.body().body.is_end_stream() {
            return Either::Left(inner.oneshot(settled(asked, Bytes::new())));
        }
        let layer = self.layer.clone();
        Either::Right(Box::pin(async move {
            let mut asked = asked;
            let (_holding, read) = layer.read(asked.request.body_mut()).await?;
            inner.oneshot(settled(asked, read)).await
        }))
    }
}

impl<S> Intake<S>
where
    S: Service<Routed<Bytes>, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    fn to_manager(&self, mut asked: ForManager) -> <Self as Service<Routed<Unread>>>::Future {
        let inner = self.inner.clone();
        let request = &asked.request;
        if has_content(request.method()) || request.body().is_end_stream() {
            return Either::Left(inner.oneshot(Routed::Manager(asked)));
        }
        let layer = self.layer.clone();
        Either::Right(Box::pin(async move {
            layer.read_nothing(asked.request.body_mut()).await?;
            inner.oneshot(Routed::Manager(asked)).await
        }))
    }
}

impl IntakeLayer {
    /// A body that has to be empty, to its end.
    async fn read_nothing(&self, body: &mut RequestBody) -> Result<(), Error> {
        let reading = async {
            while let Some(frame) = body.frame().await {
                if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                    return Err(BadRequest::Content.into());
                }
            }
            Ok(())
        };
        let read = timeout(self.patience, reading).await;
        read.unwrap_or(Err(BodyError::TooSlow(self.patience).into()))
    }

    /// All of the body, and what that holds. Where there should be none, the first byte is an
    /// error.
    async fn read(self, unread: &mut Unread) -> Result<(Holding, Bytes), Error> {
        let (limit, patience) = (self.limit, self.patience);
        if unread.body.size_hint().lower() > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
        let reading = async {
            let (mut holding, mut read) = (Holding::new(self), BytesMut::new());
            while let Some(frame) = unread.body.frame().await {
                let Ok(data) = frame?.into_data() else {
                    continue;
                };
                if !data.is_empty()
                    && let Some(refusal) = unread.refusal.take()
                {
                    return Err(refusal.into());
                }
                holding.more(data.len() as u64)?;
                read.extend_from_slice(&data);
            }
            Ok((holding, read.freeze()))
        };
        let read = timeout(patience, reading).await;
        read.unwrap_or(Err(BodyError::TooSlow(patience).into()))
    }
}

/// What one request holds of the capacity; given back when dropped.
struct Holding {
    layer: IntakeLayer,
    bytes: u64,
}

impl Holding {
    fn new(layer: IntakeLayer) -> Self {
        Self { layer, bytes: 0 }
    }

    /// Holds this many more.
    fn more(&mut self, bytes: u64) -> Result<(), Error> {
        let limit = self.layer.limit;
        if self.bytes + bytes > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
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

/// The request with all that it carries, which it says in one way.
fn settled(asked: Signaling<Unread>, read: Bytes) -> Routed<Bytes> {
    let Signaling {
        ask,
        mut request,
        host,
        exchange,
    } = asked;
    let expects_content = matches!(*request.method(), Method::POST | Method::PATCH);
    headers::make_plain(request.headers_mut());
    let headers = request.headers_mut();
    if read.is_empty() && !expects_content {
        // RFC 9110 §8.6: no length where no content is expected.
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(read.len()));
    }
    Routed::Signaling(Signaling {
        ask,
        request: request.map(|_| read),
        host,
        exchange,
    })
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http::{HeaderMap, Request, uri::Authority};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tower::service_fn;
    use whipstitch_signaling::{Form, Role, StreamKey};

    use super::*;
    use crate::{
        Exchange,
        request::message::Ask,
        words::{body, problem::Kind},
    };

    fn frames(frames: Vec<Frame<Bytes>>) -> RequestBody {
        let frames = StreamBody::new(stream::iter(frames.into_iter().map(Ok)));
        frames.boxed_unsync().into()
    }

    fn data(bytes: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(bytes.as_bytes()))
    }

    fn routed(method: &str, body: RequestBody, refusal: Option<BadRequest>) -> Routed<Unread> {
        Routed::Signaling(Signaling {
            ask: Ask::Endpoint {
                role: Role::Play,
                key: StreamKey::new("live", "s1").unwrap(),
                form: Form::Classic,
            },
            request: Request::builder()
                .method(method)
                .uri("/")
                .body(Unread { body, refusal })
                .unwrap(),
            host: Authority::from_static("a"),
            exchange: Exchange::begin(&HeaderMap::new(), None),
        })
    }

    /// What comes through: the announced length, and the body.
    async fn through(held: &Held, routed: Routed<Unread>) -> Result<(String, Bytes), Kind> {
        let inner = service_fn(|routed: Routed<Bytes>| async move {
            let Routed::Signaling(asked) = routed else {
                return Err(Error::Internal);
            };
            let (parts, body) = asked.request.into_parts();
            let mut response = Response::new(body::full(body));
            *response.headers_mut() = parts.headers;
            Ok::<_, Error>(response)
        });
        let limits = Limits {
            in_flight: 2,
            sdp_bytes: 4,
            ..Limits::default()
        };
        let service = IntakeLayer::new(held.clone(), &limits, &Timeouts::default()).layer(inner);
        let answer = service.oneshot(routed).await;
        let answer = answer.map_err(|error| Kind::of(&error))?;
        let length = answer.headers().get(CONTENT_LENGTH).cloned();
        let length = length.map_or("none".to_owned(), |length| {
            length.to_str().unwrap().to_owned()
        });
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Ok((length, body))
    }

    #[tokio::test]
    async fn all_ways_to_say_nothing_mean_the_same() {
        let held = Held::default();
        let otherwise = || Some(BadRequest::Handshake("no body"));
        for (method, length) in [
            ("POST", "0"),
            ("PATCH", "0"),
            ("DELETE", "none"),
            ("GET", "none"),
        ] {
            for nothing in 0..4 {
                for refusal in [None, otherwise()] {
                    let body = match nothing {
                        0 => RequestBody::default(),
                        1 => frames(vec![]),
                        2 => frames(vec![data(""), data("")]),
                        _ => frames(vec![Frame::trailers(HeaderMap::new())]),
                    };
                    let came = through(&held, routed(method, body, refusal)).await;
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
        let came = through(&Held::default(), routed("POST", body, None)).await;
        assert_eq!(came, Ok(("3".to_owned(), Bytes::from_static(b"v=0"))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_or_does_not_end_is_refused() {
        let held = Held::default();
        let announced = body::full("12345").into();
        let counted = frames(vec![data("12"), data("345")]);
        for (body, kind) in [
            (announced, Kind::BodyTooLarge),
            (counted, Kind::BodyTooLarge),
        ] {
            let came = through(&held, routed("POST", body, None)).await;
            assert_eq!(came, Err(kind));
        }
        let silent = StreamBody::new(stream::pending()).boxed_unsync().into();
        let came = through(&held, routed("POST", silent, None)).await;
        assert_eq!(came, Err(Kind::BodyTooSlow));
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn only_what_has_arrived_counts_and_it_is_given_back() {
        let held = Held::default();
        // Nine requests that never end hold five bytes together.
        let mut waiting = Vec::new();
        for first in ["v", "1234", "", "", "", "", "", "", ""] {
            let silent =
                stream::iter([Ok(data(first))]).chain(stream::pending::<Result<_, BodyError>>());
            let body = StreamBody::new(silent).boxed_unsync().into();
            let mut waits = Box::pin(through(&held, routed("POST", body, None)));
            let poll = futures_util::poll!(&mut waits);
            assert!(poll.is_pending());
            waiting.push(waits);
        }
        assert_eq!(held.0.load(Ordering::Relaxed), 5);
        let three = frames(vec![data("123")]);
        assert!(through(&held, routed("POST", three, None)).await.is_ok());
        let four = frames(vec![data("1234")]);
        let refused = through(&held, routed("POST", four, None)).await;
        assert_eq!(refused, Err(Kind::Overloaded));
        drop(waiting);
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
