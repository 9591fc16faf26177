//! The body of a client's request: what hyper received, and all that is known of it.
//!
//! One type, without a box, from the first layer on. What goes to a node is read whole before that
//! is chosen (`layers/intake.rs`), and is [`Bytes`] from then on; what goes to the Stream Manager
//! passes as it comes, within limits.

pub(crate) mod drain;
mod passing;
mod source;
pub(crate) mod upstream_timer;

use std::{
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use self::{drain::BodyDrain, passing::Passing, source::Source, upstream_timer::UpstreamTimer};
use crate::{BodyError, Exchange};

/// What a client sends; nothing after its end.
#[derive(Debug, Default)]
pub struct RequestBody(Option<Received>);

#[derive(Debug)]
struct Received {
    source: Source,
    /// Counts the bytes.
    exchange: Exchange,
    /// Gets the rest, if this is dropped before its end.
    drain: Option<BodyDrain>,
    /// Its limits, if it passes as it comes.
    passing: Option<Passing>,
}

impl RequestBody {
    /// The body of the request of this exchange.
    pub(crate) fn new(body: Incoming, exchange: Exchange, drain: Option<BodyDrain>) -> Self {
        Self::from_source(Source::Client(body), exchange, drain)
    }

    fn from_source(source: Source, exchange: Exchange, drain: Option<BodyDrain>) -> Self {
        Self((!source.is_end_stream()).then_some(Received {
            source,
            exchange,
            drain,
            passing: None,
        }))
    }

    /// Limits a body that passes as it comes: in length, and in the time of each piece.
    ///
    /// # Errors
    /// The length that the client announced is over the limit already.
    pub(crate) fn limit(&mut self, limit: u64, patience: Duration) -> Result<(), BodyError> {
        let announced = self.size_hint().lower();
        if let Some(received) = &mut self.0 {
            received.passing = Some(Passing::within(limit, patience, announced)?);
        }
        Ok(())
    }

    /// Times the destination that this passes to from now on.
    pub(crate) fn timed(&mut self) -> UpstreamTimer {
        let timer = UpstreamTimer::default();
        if let Some(passing) = self.0.as_mut().and_then(|it| it.passing.as_mut()) {
            passing.timer = Some(timer.clone());
        }
        timer
    }
}

impl Received {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.source).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            let received = &self.exchange.record().received;
            received.fetch_add(bytes, Ordering::Relaxed);
        }
        match &mut self.passing {
            Some(passing) => passing.pass(frame, cx),
            None => frame,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(received) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = received.poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(BodyError::Broken(_))))) {
            // There is no rest to drain.
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let source = self.0.as_ref().map(|received| &received.source);
        source.is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.0.as_ref().map(|received| &received.source);
        source.map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(Received {
            source,
            drain: Some(drain),
            ..
        }) = self.0.take()
        {
            drain.keep(source);
        }
    }
}

#[cfg(test)]
impl From<crate::Body> for RequestBody {
    fn from(body: crate::Body) -> Self {
        let exchange = Exchange::begin(&http::HeaderMap::new(), None);
        Self::from_source(Source::Test(body), exchange, None)
    }
}

#[cfg(test)]
mod tests;
