//! The reaper: ends sessions that no client has.
//!
//! The client hung up on its POST, or got an error, and the node made a session all the same. Red5
//! keeps a publisher's name taken as long as that lives, and a player's media flow to nowhere.
//!
//! | orphan | what the reaper does |
//! |---|---|
//! | a POST that waits for its answer | awaits it for `timeouts.abandoned`, and ends what it makes |
//! | an answer that did not become the client's | ends the session that it speaks of |
//! | a counter-offer that its client does not understand ([`super::counter_offer`]) | ends the session |
//! | a POST that is never answered | nothing: a blind DELETE could end another client's session |
//!
//! A bounded queue of `limits.in_flight` leads to the one task, so no task is spawned in `Drop`.
//! Each orphan counts as an exchange in flight until the reaper is done with it, so a shutdown
//! waits for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tracing::{info, warn};
use whipstitch_origin::provoked::{self, Place};

use super::{
    create_request::CreateRequest,
    table::SessionTable,
    terminate::{By, DeleteRequest, Terminator},
    view::SessionView,
};
use crate::{
    Metrics,
    words::{end_reason::OrphanOutcome, node_status::made_session},
};

/// Takes orphans. Cheap to clone: all clones lead to one queue.
#[derive(Clone)]
pub(crate) struct Orphans(Arc<Queue>);

struct Queue {
    send: mpsc::Sender<Orphan>,
    permits: Arc<Semaphore>,
    sessions: SessionTable,
    exchanges: TaskTracker,
    metrics: Metrics,
}

/// An orphan, and its permit.
pub(crate) struct Orphan {
    create: CreateRequest,
    state: OrphanState,
    _permit: OwnedSemaphorePermit,
    _in_flight: TaskTrackerToken,
}

/// Status and header of an answer; `None` if none came.
pub(super) type Answer = Option<(StatusCode, HeaderMap)>;

/// What no client has.
pub(crate) enum OrphanState {
    /// A POST that the node has got as a whole.
    Pending(BoxFuture<'static, Answer>),
    /// A session that the node says it has made; the table knows it if it got a URL of ours.
    Created {
        location: Option<HeaderValue>,
        session: Option<Arc<SessionView>>,
    },
}

impl Orphans {
    /// A queue for this many, and where the reaper takes them from.
    pub(crate) fn new(
        capacity: usize,
        sessions: SessionTable,
        exchanges: TaskTracker,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<Orphan>) {
        let (send, receive) = mpsc::channel(capacity.max(1));
        let queue = Queue {
            send,
            permits: Arc::new(Semaphore::new(capacity)),
            sessions,
            exchanges,
            metrics,
        };
        (Self(Arc::new(queue)), receive)
    }

    pub(super) fn sessions(&self) -> &SessionTable {
        &self.0.sessions
    }

    /// A session that its client got and does not want; `create` is the request that says so.
    pub(crate) fn unwanted(&self, create: CreateRequest, session: Arc<SessionView>) {
        self.0.sessions.orphan(&session);
        let (location, session) = (None, Some(session));
        self.enqueue(create, OrphanState::Created { location, session });
    }

    pub(super) fn enqueue(&self, create: CreateRequest, state: OrphanState) {
        let exchange = create.exchange.clone();
        let permit = self.0.permits.clone().try_acquire_owned().ok();
        let orphan = permit.map(|permit| Orphan {
            create,
            state,
            _permit: permit,
            _in_flight: self.0.exchanges.token(),
        });
        // The queue is as long as there are permits, so only a shutdown can be in the way.
        if orphan.is_none_or(|orphan| self.0.send.try_send(orphan).is_err()) {
            self.0.metrics.session_abandoned(OrphanOutcome::Dropped);
            let (id, node) = (exchange.id(), exchange.tries().node);
            log(
                OrphanOutcome::Dropped,
                id,
                node,
                Some("too many orphans wait already"),
            );
        }
    }
}

/// Ends every orphan of the queue, each in a task of its own, until no guard is left that could
/// enqueue another.
pub(crate) async fn run(
    mut queue: mpsc::Receiver<Orphan>,
    terminator: Terminator,
    patience: Duration,
    (tasks, metrics): (TaskTracker, Metrics),
) {
    while let Some(orphan) = queue.recv().await {
        let (terminator, metrics) = (terminator.clone(), metrics.clone());
        tasks.spawn(async move {
            let Orphan {
                create,
                state,
                _permit,
                _in_flight,
            } = orphan;
            provoked::at(Place::Reaper);
            let (id, node) = (create.exchange.clone(), create.origin.addr());
            let delete = match state {
                OrphanState::Created { location, session } => {
                    DeleteRequest::made(create, location.as_ref(), session)
                }
                OrphanState::Pending(answer) => match timeout(patience, answer).await {
                    Ok(Some((status, headers))) if made_session(status, &headers) => {
                        DeleteRequest::made(create, headers.get(LOCATION), None)
                    }
                    // It made none.
                    Ok(Some(_)) => return,
                    Ok(None) | Err(_) => Err(OrphanOutcome::Unknown),
                },
            };
            let mut cause = None;
            let outcome = match delete {
                Ok(delete) => terminator.terminate(&delete, By::Reaper, &mut cause).await,
                Err(outcome) => outcome,
            };
            metrics.session_abandoned(outcome);
            log(outcome, id.id(), Some(node), cause.as_deref());
        });
    }
}

/// One line; `cause` is why the node did not end the session, if it got the DELETE.
fn log(outcome: OrphanOutcome, id: &str, node: Option<SocketAddr>, cause: Option<&str>) {
    let node = node.map(tracing::field::display);
    let label = outcome.label();
    match outcome {
        OrphanOutcome::Deleted | OrphanOutcome::Gone | OrphanOutcome::Replaced => {
            info!(id, node, outcome = label, "orphaned session is over");
        }
        OrphanOutcome::Failed | OrphanOutcome::Unknown | OrphanOutcome::Dropped => warn!(
            id,
            node,
            outcome = label,
            cause,
            "orphaned session not deleted; it lives until the node times it out"
        ),
    }
}
