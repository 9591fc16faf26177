//! A POST that creates a session: the request, and the guards that follow it to its answer.
//!
//! | guard | dropped while | what the drop does |
//! |---|---|---|
//! | [`Pending`] | the POST is in flight | DELETEs for the slot wait no longer |
//! | [`Unanswered`] | there is no connection to the node | nothing |
//! | | the node gets the offer and has not answered | the session that it makes is an orphan, and no DELETE waits for it |
//! | [`Unclaimed`] | the client does not have its whole answer | the session is an orphan |
//!
//! An orphan is detected in `Drop`, which cannot await or fail, so a guard only enqueues it for the
//! reaper task.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header::LOCATION};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use whipstitch_origin::Cause;

use super::{
    create_request::CreateRequest,
    in_flight::Pending,
    reaper::{OrphanState, Orphans},
    slot::Slot,
    table::SessionTable,
    view::{About, Http, SessionView},
};
use crate::{
    Body, BodyError,
    nodes::{failed::Failed, node_request::NodeRequest},
    request::{budget::Budget, phases::Phases},
    words::node_status::made_session,
};

/// A POST that was sent to a node and is not answered.
pub(crate) struct Unanswered<'a> {
    waits: Option<(NodeRequest<'a>, CreateRequest, Option<Pending>)>,
    orphans: &'a Orphans,
}

impl<'a> Unanswered<'a> {
    pub(crate) fn new(
        sent: NodeRequest<'a>,
        create: CreateRequest,
        pending: Option<Pending>,
        orphans: &'a Orphans,
    ) -> Self {
        Self {
            waits: Some((sent, create, pending)),
            orphans,
        }
    }

    /// The answer and its guard, awaited as long as the budget lasts.
    pub(crate) async fn answered(
        mut self,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<(Response<Incoming>, Unclaimed), Failed> {
        let Some((sent, ..)) = &mut self.waits else {
            return Err(Failed::Broken(Cause::Closed));
        };
        let answer = sent.answered(budget, phases).await;
        // After a timeout the answer may still come, so all stays here, for the `Drop`.
        if let Err(timeout @ Failed::Timeout(_)) = answer {
            return Err(timeout);
        }
        let waited = self.waits.take().ok_or(Failed::Broken(Cause::Closed));
        let ((_, create, pending), answer) = (waited?, answer?);
        let unclaimed = Unclaimed::of(create, pending, &answer, self.orphans);
        Ok((answer, unclaimed))
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some((sent, create, _)) = self.waits.take() else {
            return;
        };
        if let Some(answer) = sent.left_alone() {
            let answer = async move {
                let (head, _) = answer.await.ok()?.into_parts();
                Some((head.status, head.headers))
            };
            self.orphans
                .enqueue(create, OrphanState::Pending(Box::pin(answer)));
        }
    }
}

/// The answer to a POST until the client has it: the session that it speaks of, if it does, is an
/// orphan when this is dropped.
pub(crate) struct Unclaimed {
    made: Option<(CreateRequest, Option<HeaderValue>)>,
    /// Until the session is registered.
    pending: Option<Pending>,
    opened: Option<Arc<SessionView>>,
    orphans: Orphans,
}

impl Unclaimed {
    pub(super) fn of<B>(
        create: CreateRequest,
        pending: Option<Pending>,
        answer: &Response<B>,
        orphans: &Orphans,
    ) -> Self {
        let headers = answer.headers();
        let made = made_session(answer.status(), headers);
        Self {
            made: made.then(|| (create, headers.get(LOCATION).cloned())),
            pending,
            opened: None,
            orphans: orphans.clone(),
        }
    }

    /// Registers the session under the URL that the client gets. This is the one place where a
    /// WHIP or WHEP session enters the table.
    pub(crate) fn open(&mut self, about: About, http: Http) -> Arc<SessionView> {
        let session = self.orphans.sessions().open(about, http);
        self.opened = Some(session.clone());
        self.pending = None;
        session
    }

    /// The client has it.
    fn claimed(mut self) {
        self.made = None;
        if let Some(session) = self.opened.take() {
            self.orphans.sessions().claim(&session);
        }
    }

    /// The answer to the client: the session is the client's when the last frame of it has been
    /// taken to be sent.
    ///
    /// What is in the socket then and never arrives cannot be seen from here.
    pub(crate) fn within(self, answer: Response<Body>) -> Response<Body> {
        if self.made.is_none() || answer.body().is_end_stream() {
            // The server polls no frame of an empty body.
            self.claimed();
            return answer;
        }
        answer.map(|inner| {
            Held {
                inner,
                session: Some(self),
            }
            .boxed_unsync()
        })
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some((create, location)) = self.made.take() else {
            return;
        };
        let session = self.opened.take();
        if let Some(session) = &session {
            self.orphans.sessions().orphan(session);
        }
        self.orphans
            .enqueue(create, OrphanState::Created { location, session });
    }
}

impl SessionTable {
    /// The client has the session.
    pub(super) fn claim(&self, session: &SessionView) {
        if let Some(http) = session.at_node() {
            let slot = Slot::of(http.role, &http.sealed);
            self.with(&slot, |slots| slots.claim(&slot, http.sealed.issued_at));
        }
    }

    /// No client has the session.
    pub(super) fn orphan(&self, session: &SessionView) {
        if let Some(http) = session.at_node() {
            let slot = Slot::of(http.role, &http.sealed);
            self.with(&slot, |slots| slots.orphan(&slot, http.sealed.issued_at));
        }
    }
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
