//! The body of an answer, whose bytes are counted as they pass.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::report::Report;
use crate::{Body, BodyError, words::body};

/// What is sent to a client. The report of its exchange is made when this is dropped.
pub(super) struct Sent {
    inner: Body,
    report: Report,
}

impl Sent {
    pub(super) fn new(mut inner: Body, mut report: Report) -> Self {
        if report.forbids_body() {
            inner = body::empty();
        }
        if is_over(&inner) {
            report.whole();
        }
        Self { inner, report }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.report.count(length(frame));
                // hyper does not poll a body that has no more frames.
                if is_over(&this.inner) {
                    this.report.whole();
                }
            }
            Some(Err(error)) => this.report.broke_off(error),
            None => this.report.whole(),
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

/// A length that was announced may be reached before the end is said.
fn is_over(body: &Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, Bytes::len) as u64
}
