//! Who sees to what was left behind.

use std::{sync::Arc, time::Duration};

use http::{
    Method, Request, Uri,
    header::{AUTHORIZATION, LOCATION},
    uri::PathAndQuery,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use whipstitch_origin::Directory;
use whipstitch_signaling::{Role, session::Session, tag::Tag};

use super::{Left, Named, Outcome, What};
use crate::{
    Live, Metrics,
    nodes::failover::Carrier,
    request::{budget::Budget, exchange::REQUEST_ID, phases::Phases},
    sessions::{
        creation::{self, Creation},
        known_sessions::KnownSessions,
        live::End,
        newest::{Arrival, Newest},
        under_way::UnderWay,
    },
    words::{body, config::Timeouts},
};

/// The pauses before each further DELETE, where one failed: the first may have met a connection
/// that had just closed.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Sees to what was left behind.
pub(crate) struct Janitor<C> {
    pub(crate) nodes: C,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) known: Arc<KnownSessions>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) under_way: UnderWay,
    pub(crate) live: Live,
    pub(crate) timeouts: Timeouts,
    pub(crate) metrics: Metrics,
}

impl<C: Carrier + Send + 'static> Janitor<C> {
    /// Sees to all that comes, each in a task of its own, until nobody can leave anything any more.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Left>, tasks: TaskTracker) {
        let janitor = Arc::new(self);
        while let Some(left) = queue.recv().await {
            let janitor = janitor.clone();
            tasks.spawn(async move { janitor.see_to(left).await });
        }
    }

    async fn see_to(&self, left: Left) {
        let Left {
            mut creation,
            what,
            _place,
            _under_way,
        } = left;
        let mut cause = None;
        let outcome = match what {
            What::Made { location, named } => {
                let place = creation.place(location.as_ref());
                Some(self.end(&creation, place, named, &mut cause).await)
            }
            What::Ours(named) => {
                let place = named.session.resource.clone();
                Some(
                    self.end(&creation, Some(place), Some(named), &mut cause)
                        .await,
                )
            }
            What::Unanswered(answer) => {
                let answer = timeout(self.timeouts.abandoned, answer).await;
                // It need not wait for itself.
                creation.under_way = None;
                match answer {
                    Ok(Some((status, headers))) if Creation::made(status, &headers) => {
                        let place = creation.place(headers.get(LOCATION));
                        Some(self.end(&creation, place, None, &mut cause).await)
                    }
                    // It made none, and said so.
                    Ok(Some(_)) => None,
                    Ok(None) | Err(_) => Some(Outcome::Unknown),
                }
            }
        };
        if let Some(outcome) = outcome {
            self.metrics.session_abandoned(outcome);
            let (id, node) = (creation.exchange.id(), creation.origin.addr());
            outcome.log(id, Some(node), cause.as_deref());
        }
    }

    /// `cause` becomes why the node did not end it.
    async fn end(
        &self,
        creation: &Creation,
        place: Option<PathAndQuery>,
        named: Option<Named>,
        cause: &mut Option<String>,
    ) -> Outcome {
        let Some(resource) = place else {
            *cause = Some("the node did not say where the session is".to_owned());
            return Outcome::Failed;
        };
        // One in the table is itself the newest there: another that came after it is what counts.
        let (session, since) = if let Some(named) = &named {
            (named.session.clone(), None)
        } else {
            let session = Session {
                node: creation.origin.named(),
                resource,
                issued_at: 0,
                tag: Tag::None,
            };
            (session, Some(creation.since))
        };
        let outcome = self.delete(creation, &session, since, cause).await;
        if matches!(outcome, Outcome::Deleted | Outcome::Gone) {
            if creation.role == Role::Publish {
                self.directory.ended(&creation.key);
            }
            if let Some(Named { session, client }) = named {
                self.live.ended(creation.role, &session, End::Abandoned);
                if let Some(client) = client {
                    self.known.forget(client, &session);
                }
            }
        }
        outcome
    }

    /// `since` is when the POST began, of a session that is in no table.
    async fn delete(
        &self,
        creation: &Creation,
        session: &Session,
        since: Option<Arrival>,
        cause: &mut Option<String>,
    ) -> Outcome {
        let mut pauses = PAUSES.iter();
        let (place, patience) = (
            (session.node, session.resource.clone()),
            self.timeouts.abandoned,
        );
        loop {
            // Before each: one that failed may have been carried out, and the place be somebody
            // else's by now. Whose it is cannot be told while somebody asks for it.
            let Some(begun) = self.under_way.delete(&place, patience).await else {
                return Outcome::Unknown;
            };
            let is_anothers = match since {
                Some(since) => self.newest.has_since(creation.role, session, since),
                None => self.newest.has_newer(creation.role, session),
            };
            if is_anothers {
                return Outcome::Replaced;
            }
            match self.delete_once(creation, &session.resource).await {
                Ok(outcome) => return outcome,
                Err(NotEnded { why, passes: false }) => {
                    *cause = Some(why);
                    return Outcome::Failed;
                }
                Err(NotEnded { why, passes: true }) => *cause = Some(why),
            }
            drop(begun);
            let Some(pause) = pauses.next() else {
                return Outcome::Failed;
            };
            sleep(*pause).await;
        }
    }

    async fn delete_once(
        &self,
        creation: &Creation,
        resource: &PathAndQuery,
    ) -> Result<Outcome, NotEnded> {
        let mut request = Request::new(body::empty());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = Uri::from(resource.clone());
        let headers = request.headers_mut();
        headers.insert(REQUEST_ID, creation.exchange.record().id.clone());
        headers.extend(
            creation
                .authorization
                .clone()
                .map(|value| (AUTHORIZATION, value)),
        );
        let mut budget = Budget::new(self.timeouts.answer, self.timeouts.connect);
        // It is no part of the exchange.
        let phases = Phases::default();
        let answer = self
            .nodes
            .carry(&creation.origin, request, &mut budget, &phases);
        let answer = answer.await.map_err(|failed| NotEnded {
            why: failed.to_string(),
            passes: true,
        })?;
        match answer.response.status() {
            status if status.is_success() => Ok(Outcome::Deleted),
            status if creation::is_over(status) => Ok(Outcome::Gone),
            status => Err(NotEnded {
                why: format!("HTTP status {}", status.as_u16()),
                passes: status.is_server_error(),
            }),
        }
    }
}

/// Why a node did not end a session.
struct NotEnded {
    why: String,
    /// It may be able to, later.
    passes: bool,
}
