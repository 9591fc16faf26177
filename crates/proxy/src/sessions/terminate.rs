//! Every DELETE of a session: ours are sent from here, and a client's passes only through here.
//!
//! | | client | operator | reaper |
//! |---|---|---|---|
//! | waits for POSTs at the slot that clients wait for | a publisher's: 1 s of its budget; a player's: never | 1 s | `timeouts.abandoned` |
//! | one is still in flight then | 503, not sent | not sent | not sent: `unknown` |
//! | a newer session has the slot | 404, not sent | not sent | not sent: `replaced` |
//! | `Authorization` | of this request | of the POST | of the POST |
//! | `X-Request-Id` | of this request | of the POST | of the POST |
//! | sent again after no answer or 5xx | no: the client can | after 0.1 s and 1 s | after 0.1 s and 1 s |
//! | 2xx, 404, 410, 417 | closed, forgotten everywhere | the same | the same |
//! | the session ends as | `deleted`, `gone` | `operator` | `abandoned` |
//! | any other answer | the session stays; the client gets it | the session stays; a warning | the session stays: `failed` |
//!
//! The reasons. An encoder that lost its connection comes again under the same name as soon as the
//! node has given that up, and may send the DELETE of its former session only then. While its new
//! POST is not answered, that DELETE would end the stream that just began, so it waits. Where POSTs
//! stay unanswered for longer, it is refused: the old session may then last until the node misses
//! its media, where the DELETE could end a live stream, which cannot be mended.
//!
//! A player's DELETE never waits: Red5 keys a player by its `requestId`, which no other client has.
//! But the same client comes again by it at once where its network is bad (red5pro-webrtc-sdk
//! 15.2.0, `RenegotiationPolicy`), without the answer to its DELETE, and a node that still has the
//! session answers 400. So the DELETE counts as in flight, and the POST waits for it.
//!
//! RFC 9725 §4.7 wants the credentials of the session on a DELETE too, so ours carry them. The
//! first DELETE may meet a pooled connection that the node has just closed, so ours are sent again;
//! before each, the slot is looked at anew, since one without an answer may have been carried out.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri, header::AUTHORIZATION, uri::PathAndQuery,
};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use whipstitch_origin::{Cause, Directory, Origin};
use whipstitch_signaling::{Role, StreamKey, session::Session};

use super::{
    create_request::CreateRequest,
    in_flight::{InFlightDelete, NotSent, SLOT_WAIT},
    slot::{Slot, Target},
    table::SessionTable,
    view::{SessionId, SessionKind, SessionView},
};
use crate::{
    nodes::{failed::Failed, failover::SendToNode},
    request::{budget::Budget, phases::Phases, request_id::REQUEST_ID},
    words::{
        config::Timeouts,
        end_reason::{EndReason, OrphanOutcome},
        error::{Error, NoSession},
        node_status::is_over,
    },
};

/// The pauses before each further DELETE of ours.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Ends sessions at their nodes. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Terminator(Arc<Inner>);

struct Inner {
    sessions: SessionTable,
    directory: Arc<dyn Directory>,
    how: ArcSwapOption<How>,
    tasks: TaskTracker,
}

/// How nodes are reached, and how long each wait may take.
struct How {
    nodes: Box<dyn SendDelete>,
    timeouts: Timeouts,
}

/// Who ends a session by a DELETE of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The operator.
    Operator,
    /// The reaper task, since no client has it.
    Reaper,
}

/// A session to be ended by a DELETE of ours.
pub(crate) struct DeleteRequest {
    origin: Origin,
    role: Role,
    key: StreamKey,
    resource: PathAndQuery,
    target: Target,
    authorization: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    /// Its entry in the table, if it got a URL of ours.
    session: Option<Arc<SessionView>>,
}

impl DeleteRequest {
    /// The session that this POST made.
    ///
    /// # Errors
    /// The node did not say where it is.
    pub(super) fn made(
        create: CreateRequest,
        location: Option<&HeaderValue>,
        session: Option<Arc<SessionView>>,
    ) -> Result<Self, OrphanOutcome> {
        let known = session.as_ref().and_then(|session| session.at_node());
        let (origin, resource, target) = if let Some(http) = known {
            let sealed = http.sealed.clone();
            let target = Target::Issued(sealed.issued_at);
            (http.origin.clone(), sealed.resource, target)
        } else {
            let resource = create.resource(location).ok_or(OrphanOutcome::Failed)?;
            (create.origin, resource, Target::Since(create.since))
        };
        Ok(Self {
            origin,
            role: create.role,
            key: create.key,
            resource,
            target,
            authorization: create.authorization,
            request_id: Some(create.exchange.record().id.clone()),
            session,
        })
    }

    /// A session of the table.
    fn open(session: Arc<SessionView>) -> Option<Self> {
        let http = session.at_node()?;
        Some(Self {
            origin: http.origin.clone(),
            role: http.role,
            key: http.key.clone(),
            resource: http.sealed.resource.clone(),
            target: Target::Issued(http.sealed.issued_at),
            authorization: session.authorization(),
            request_id: HeaderValue::from_str(session.request_id()).ok(),
            session: Some(session),
        })
    }

    fn slot(&self) -> Slot {
        let sealed = self.session.as_ref().and_then(|session| session.at_node());
        sealed.map_or_else(
            || Slot::at(self.role, self.origin.named(), self.resource.clone()),
            |http| Slot::of(http.role, &http.sealed),
        )
    }

    fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = Uri::from(self.resource.clone());
        let headers = request.headers_mut();
        let id = self.request_id.clone().map(|id| (REQUEST_ID, id));
        headers.extend(id);
        let authorization = self.authorization.clone();
        headers.extend(authorization.map(|field| (AUTHORIZATION, field)));
        request
    }
}

impl Terminator {
    /// Ends sessions of this table. What the operator ends is asked of the node on `tasks`.
    pub fn new(sessions: SessionTable, directory: Arc<dyn Directory>, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner {
            sessions,
            directory,
            how: ArcSwapOption::empty(),
            tasks,
        }))
    }

    /// Reaches nodes in this way from now on.
    pub(crate) fn configure(&self, nodes: impl SendDelete, timeouts: &Timeouts) {
        let how = How {
            nodes: Box::new(nodes),
            timeouts: timeouts.clone(),
        };
        self.0.how.store(Some(Arc::new(how)));
    }

    /// Begins to end the session of this id for the operator, and does not wait for it: a WebSocket
    /// gets a Close between two frames, on both sides; a WHIP or WHEP session a DELETE at its node.
    /// What kind it is, or `None` if there is no such session.
    pub fn end(&self, id: SessionId) -> Option<SessionKind> {
        let session = self.0.sessions.get(id)?;
        let kind = session.kind();
        info!(%id, kind = kind.label(), node = %session.node(), "the operator ends a session");
        if let Some(close) = session.close() {
            close.cancel();
        } else if let Some(delete) = DeleteRequest::open(session) {
            let this = self.clone();
            self.0.tasks.spawn(async move {
                let mut cause = None;
                let outcome = this.terminate(&delete, By::Operator, &mut cause).await;
                if !outcome.is_over() {
                    let (node, outcome) = (&delete.origin, outcome.label());
                    warn!(%id, %node, outcome, cause, "the session is not ended");
                }
            });
        }
        Some(kind)
    }

    /// Lets a client's DELETE pass; it is in flight until the guard is dropped.
    ///
    /// # Errors
    /// A newer session has the slot, or a POST that may take it stays unanswered.
    pub(crate) async fn pass(
        &self,
        role: Role,
        session: &Session,
        budget: &mut Budget,
    ) -> Result<InFlightDelete, Error> {
        let patience = (role == Role::Publish).then_some(SLOT_WAIT);
        let (slot, target) = (Slot::of(role, session), Target::Issued(session.issued_at));
        let began = Instant::now();
        let pass = self.0.sessions.begin_delete(slot, target, patience);
        match budget.pay(pass).await {
            Some(Ok(pass)) => Ok(pass),
            Some(Err(NotSent::Superseded)) => Err(NoSession::Superseded.into()),
            Some(Err(NotSent::Busy)) | None => {
                Err(Error::SlotPending(Cause::Timeout(began.elapsed())))
            }
        }
    }

    /// The node answered a client's DELETE with this status.
    pub(crate) fn answered(
        &self,
        role: Role,
        key: &StreamKey,
        session: &Session,
        status: StatusCode,
    ) {
        if !is_over(status) {
            return;
        }
        let end = if status.is_success() {
            EndReason::Deleted
        } else {
            EndReason::Gone
        };
        self.over(role, key, session, end);
    }

    /// Sends DELETEs of ours until one is answered, as often and as long as the table above says.
    /// `cause` becomes why the node did not end the session.
    pub(super) async fn terminate(
        &self,
        delete: &DeleteRequest,
        by: By,
        cause: &mut Option<String>,
    ) -> OrphanOutcome {
        let Some(how) = self.0.how.load_full() else {
            return OrphanOutcome::Failed;
        };
        let (patience, end) = match by {
            By::Reaper => (how.timeouts.abandoned, EndReason::Abandoned),
            By::Operator => (SLOT_WAIT, EndReason::HttpEnded),
        };
        let mut pauses = PAUSES.iter();
        loop {
            let sessions = &self.0.sessions;
            let sent = sessions.begin_delete(delete.slot(), delete.target, Some(patience));
            let guard = match sent.await {
                Ok(guard) => guard,
                Err(NotSent::Superseded) => return OrphanOutcome::Replaced,
                Err(NotSent::Busy) => return OrphanOutcome::Unknown,
            };
            let mut budget = Budget::new(how.timeouts.answer, how.timeouts.connect);
            let request = delete.request();
            let answer = how.nodes.send(&delete.origin, request, &mut budget).await;
            let may_pass = match answer {
                Ok(status) if is_over(status) => {
                    self.gone(delete, end);
                    drop(guard);
                    return if status.is_success() {
                        OrphanOutcome::Deleted
                    } else {
                        OrphanOutcome::Gone
                    };
                }
                Ok(status) => {
                    *cause = Some(format!("HTTP status {}", status.as_u16()));
                    status.is_server_error()
                }
                Err(failed) => {
                    *cause = Some(failed.to_string());
                    true
                }
            };
            drop(guard);
            match pauses.next() {
                Some(pause) if may_pass => sleep(*pause).await,
                _ => return OrphanOutcome::Failed,
            }
        }
    }

    /// A DELETE of ours was carried out, or found nothing.
    fn gone(&self, delete: &DeleteRequest, end: EndReason) {
        let known = delete
            .session
            .as_ref()
            .and_then(|session| session.at_node());
        match known {
            Some(http) => self.over(delete.role, &delete.key, &http.sealed, end),
            None if delete.role == Role::Publish => self.0.directory.ended(&delete.key),
            None => {}
        }
    }

    fn over(&self, role: Role, key: &StreamKey, session: &Session, end: EndReason) {
        if role == Role::Publish {
            self.0.directory.ended(key);
        }
        self.0.sessions.close(role, session, end);
    }
}

/// Sends a DELETE to a node: a [`SendToNode`], whatever its type.
pub(crate) trait SendDelete: Send + Sync + 'static {
    /// Sends it once; the status of the answer.
    fn send<'a>(
        &'a self,
        origin: &'a Origin,
        request: Request<Bytes>,
        budget: &'a mut Budget,
    ) -> BoxFuture<'a, Result<StatusCode, Failed>>;
}

impl<C: SendToNode + Send + 'static> SendDelete for C {
    fn send<'a>(
        &'a self,
        origin: &'a Origin,
        request: Request<Bytes>,
        budget: &'a mut Budget,
    ) -> BoxFuture<'a, Result<StatusCode, Failed>> {
        Box::pin(async move {
            // It is no part of a client's exchange.
            let phases = Phases::default();
            let answer = self.send_once(origin, request, budget, &phases).await;
            answer.map(|answer| answer.response.status())
        })
    }
}

impl fmt::Debug for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
