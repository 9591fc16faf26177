//! The bodies of answers, and what can go wrong with any body.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use thiserror::Error;

/// The body of an answer.
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
