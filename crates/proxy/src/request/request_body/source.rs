//! Where a request's body comes from: hyper, or a test, since hyper's body has no constructor.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{BodyError, words::body::broken};

#[derive(Debug)]
pub(super) enum Source {
    Client(Incoming),
    #[cfg(test)]
    Test(crate::Body),
}

impl Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Client(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(broken))),
            #[cfg(test)]
            Self::Test(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client(body) => body.is_end_stream(),
            #[cfg(test)]
            Self::Test(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Client(body) => body.size_hint(),
            #[cfg(test)]
            Self::Test(body) => body.size_hint(),
        }
    }
}
