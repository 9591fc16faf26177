//! Who notices that something is left behind: what holds it is dropped.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header::LOCATION};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use whipstitch_origin::Cause;

use super::{Abandoned, Named, What};
use crate::{
    Body, BodyError,
    nodes::client::{Failed, Sent},
    request::{budget::Budget, phases::Phases},
    sessions::creation::Creation,
    words::body::Patience,
};

/// A POST on its way. Whoever stops waiting for the answer leaves it behind.
pub(crate) struct Unanswered<'a> {
    waits: Option<(Sent, Creation)>,
    abandoned: &'a Abandoned,
}

impl<'a> Unanswered<'a> {
    pub(crate) fn new(sent: Sent, creation: Creation, abandoned: &'a Abandoned) -> Self {
        Self {
            waits: Some((sent, creation)),
            abandoned,
        }
    }

    /// The answer and what it answers, awaited as long as the budget lasts.
    pub(crate) async fn answered(
        mut self,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<(Response<Incoming>, Creation), Failed> {
        let Some((sent, _)) = &mut self.waits else {
            return Err(Failed::Broken(Cause::Closed));
        };
        let answer = sent.answered(Patience::Whole(budget.left()), phases).await;
        budget.spend(sent.spent());
        // After a timeout the answer may still come, so both stay here, for the `Drop`.
        if let Err(timeout @ Failed::Timeout(_)) = answer {
            return Err(timeout);
        }
        let waited = self.waits.take();
        let creation = waited.map(|(_, creation)| creation);
        Ok((answer?, creation.ok_or(Failed::Broken(Cause::Closed))?))
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some((sent, creation)) = self.waits.take() else {
            return;
        };
        if let Some(answer) = sent.left_alone() {
            let answer = async move { Some(answer.await.ok()?.into_parts()) };
            let answer = async move { answer.await.map(|(head, _)| (head.status, head.headers)) };
            self.abandoned
                .leave(creation, What::Unanswered(Box::pin(answer)));
        }
    }
}

/// A session that a node has made. Until the client has its answer it is nobody's, and is left
/// behind when dropped.
pub(crate) struct Unclaimed {
    made: Option<(Creation, Option<HeaderValue>)>,
    named: Option<Named>,
    abandoned: Abandoned,
}

impl Unclaimed {
    /// The session of which this answer speaks, if it does.
    pub(crate) fn of<B>(
        creation: Creation,
        answer: &Response<B>,
        abandoned: &Abandoned,
    ) -> Option<Self> {
        let headers = answer.headers();
        Creation::made(answer.status(), headers).then(|| Self {
            made: Some((creation, headers.get(LOCATION).cloned())),
            named: None,
            abandoned: abandoned.clone(),
        })
    }

    /// It got a URL of ours.
    pub(crate) fn named(&mut self, named: Named) {
        self.named = Some(named);
    }

    /// The client has it.
    fn claimed(mut self) {
        self.made = None;
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some((creation, location)) = self.made.take() {
            let named = self.named.take();
            self.abandoned
                .leave(creation, What::Made { location, named });
        }
    }
}

/// The answer to a POST: the session is the client's when the last of it has been taken to be sent.
///
/// What is in the socket then and never arrives cannot be seen from here.
pub(crate) fn held(answer: Response<Body>, session: Option<Unclaimed>) -> Response<Body> {
    let Some(session) = session else {
        return answer;
    };
    if answer.body().is_end_stream() {
        // Nobody asks for the frames of nothing.
        session.claimed();
        return answer;
    }
    answer.map(|inner| {
        Held {
            inner,
            session: Some(session),
        }
        .boxed_unsync()
    })
}

pin_project! {
    struct Held {
        #[pin]
        inner: Body,
        session: Option<Unclaimed>,
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let is_last = match &frame {
            None => true,
            Some(Ok(_)) => this.inner.is_end_stream(),
            // The client gets half an answer.
            Some(Err(_)) => false,
        };
        if is_last && let Some(session) = this.session.take() {
            session.claimed();
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
