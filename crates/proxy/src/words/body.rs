//! Bodies: streamed, never collected, and what can go wrong with one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use pin_project_lite::pin_project;
use thiserror::Error;
use tokio::time::{Instant, Sleep};

/// The one body type of the stack.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What can go wrong while a body passes.
#[derive(Clone, Debug, Error)]
pub enum BodyError {
    /// More bytes than the limit allows.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The body did not end in time.
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    /// It broke off, or is not framed as HTTP says.
    #[error("the body broke off: {0}")]
    Broken(#[source] Arc<hyper::Error>),
}

pub(crate) fn broken(error: hyper::Error) -> BodyError {
    BodyError::Broken(Arc::new(error))
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is there as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The body of a message that hyper received.
pub(crate) fn incoming(body: hyper::body::Incoming) -> Body {
    body.map_err(broken).boxed_unsync()
}

/// What was read, and then the rest.
pub(crate) fn resumed(read: Bytes, rest: Body) -> Body {
    let first = stream::once(std::future::ready(Ok(Frame::data(read))));
    let rest = stream::unfold(rest, |mut rest| async { Some((rest.frame().await?, rest)) });
    StreamBody::new(first.chain(rest)).boxed_unsync()
}

/// Reads a body to its end, or until more than `limit` bytes of it are there; `true` if that was
/// all of it. The rest, if there is one, is still in `body`.
pub(crate) async fn read_up_to(
    limit: usize,
    body: &mut Body,
    read: &mut BytesMut,
) -> Result<bool, BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > limit {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How long a client that sends a body, or a destination that takes it and answers, is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// For all of it.
    Whole(Duration),
    /// For each piece of it.
    Piece(Duration),
}

impl Patience {
    const fn time(self) -> Duration {
        match self {
            Self::Whole(time) | Self::Piece(time) => time,
        }
    }
}

/// Limits a request's body in length and time.
///
/// # Errors
/// The length that the client announced is over the limit already.
pub(crate) fn guard(body: Body, limit: u64, patience: Patience) -> Result<Body, BodyError> {
    if body.is_end_stream() {
        return Ok(body);
    }
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let deadline = tokio::time::sleep(patience.time());
    Ok(Guarded {
        inner: body,
        limit,
        left: limit,
        deadline,
        patience,
    }
    .boxed_unsync())
}

pin_project! {
    struct Guarded {
        inner: Body,
        limit: u64,
        left: u64,
        #[pin]
        deadline: Sleep,
        patience: Patience,
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let Poll::Ready(frame) = Pin::new(&mut *this.inner).poll_frame(cx) else {
            // Only while the client is waited for: what has arrived is not late because a node took
            // its time.
            ready!(this.deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(BodyError::TooSlow(this.patience.time()))));
        };
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match this.left.checked_sub(data.len() as u64) {
                Some(left) => *this.left = left,
                None => return Poll::Ready(Some(Err(BodyError::TooLarge { limit: *this.limit }))),
            }
        }
        if let Patience::Piece(time) = this.patience {
            this.deadline.as_mut().reset(Instant::now() + *time);
        }
        Poll::Ready(frame)
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
    use super::*;

    const LONG: Patience = Patience::Whole(Duration::from_secs(10));

    fn chunks(chunks: &'static [&'static str]) -> Body {
        let frames = chunks
            .iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_at_once() {
        assert!(matches!(
            guard(full("12345"), 4, LONG),
            Err(BodyError::TooLarge { limit: 4 })
        ));
        assert!(guard(full("1234"), 4, LONG).is_ok());
    }

    #[tokio::test]
    async fn a_length_that_nobody_announced_is_counted() {
        let passes = guard(chunks(&["12", "34"]), 4, LONG).unwrap();
        assert_eq!(passes.collect().await.unwrap().to_bytes(), "1234");
        let fails = guard(chunks(&["12", "345"]), 4, LONG).unwrap();
        assert!(matches!(
            fails.collect().await,
            Err(BodyError::TooLarge { limit: 4 })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_cut() {
        let silent = StreamBody::new(stream::pending()).boxed_unsync();
        let guarded = guard(silent, 4, Patience::Whole(Duration::from_secs(10))).unwrap();
        assert!(matches!(
            guarded.collect().await,
            Err(BodyError::TooSlow(_))
        ));
    }
}
