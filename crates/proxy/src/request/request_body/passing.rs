//! The limits of a body that passes as it comes: how long it may be, how long its client may take
//! for each piece, and whose turn it is.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

use super::upstream_timer::UpstreamTimer;
use crate::BodyError;

#[derive(Debug)]
pub(super) struct Passing {
    limit: u64,
    left: u64,
    /// Longest wait for a piece.
    patience: Duration,
    /// The end of the wait for the next one, while the client is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Times the destination.
    pub(super) timer: Option<UpstreamTimer>,
}

impl Passing {
    /// Within this length; the client announced so much.
    pub(super) fn within(
        limit: u64,
        patience: Duration,
        announced: u64,
    ) -> Result<Self, BodyError> {
        if announced > limit {
            return Err(BodyError::TooLarge { limit });
        }
        Ok(Self {
            limit,
            left: limit,
            patience,
            deadline: None,
            timer: None,
        })
    }

    /// What passes of what came.
    pub(super) fn pass(
        &mut self,
        frame: Poll<Option<Result<Frame<Bytes>, BodyError>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(timer) = &self.timer {
            timer.turn(frame.is_ready());
        }
        let Poll::Ready(frame) = frame else {
            let deadline = self
                .deadline
                .get_or_insert_with(|| Box::pin(sleep(self.patience)));
            let late = deadline.as_mut().poll(cx);
            return late.map(|()| Some(Err(BodyError::TooSlow(self.patience))));
        };
        self.deadline = None;
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            match self.left.checked_sub(bytes) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit }))),
            }
        }
        Poll::Ready(frame)
    }
}
