//! Sessions that no client has: it hung up on its POST, or was told of a failure, and the node made
//! a session all the same. Red5 keeps a publisher's name taken as long as that lives, and a
//! player's media flow to nobody, so it is ended.
//!
//! | what is left behind | what is done |
//! |---|---|
//! | a POST of which the node has not got all | nothing: the connection to the node is closed, and half an offer makes no session |
//! | a POST that waits for its answer | the answer is awaited for `timeouts.abandoned`, and what it makes is ended |
//! | an answer that did not become the client's | the session that it speaks of is ended |
//! | a counter-offer that its client does not understand ([`crate::sessions::countered`]) | the session is ended |
//! | a session at whose place another POST is under way | the answer to that says whose session is there by then |
//! | a POST that is never answered | nothing: a blind DELETE could end a session that is somebody else's |
//!
//! Whoever is left behind is found out in a `Drop`, which can neither wait nor fail. It takes a
//! place among as many as `limits.in_flight`, and hands over to the one task that sees to them; no
//! task is born there. Each is an exchange under way until it is seen to, so a shutdown waits for
//! it.

mod guard;
mod janitor;
mod outcome;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

pub(crate) use self::{
    guard::{Unanswered, Unclaimed, held},
    janitor::Janitor,
    outcome::Outcome,
};
use crate::{
    Metrics,
    sessions::{creation::Creation, known_sessions::Client},
};
use whipstitch_signaling::session::Session;

/// Takes what is left behind. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Abandoned {
    queue: mpsc::Sender<Left>,
    places: Arc<Semaphore>,
    exchanges: TaskTracker,
    metrics: Metrics,
}

/// Something that was left behind, and its place.
pub(crate) struct Left {
    creation: Creation,
    what: What,
    _place: OwnedSemaphorePermit,
    _under_way: TaskTrackerToken,
}

/// Status and header of an answer; nothing if there is none.
type Answer = Option<(StatusCode, HeaderMap)>;

enum What {
    /// A POST that the node has got as a whole.
    Unanswered(BoxFuture<'static, Answer>),
    /// A session that the node says it has made.
    Made {
        location: Option<HeaderValue>,
        named: Option<Named>,
    },
    /// A session that its client has, and will never use.
    Ours(Named),
}

/// What is remembered of a session to which we have given a URL.
pub(crate) struct Named {
    pub(crate) session: Session,
    pub(crate) client: Option<Client>,
}

impl Abandoned {
    /// Room for so many; and where they are to be fetched from.
    pub(crate) fn new(
        places: usize,
        exchanges: TaskTracker,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<Left>) {
        let (queue, fetch) = mpsc::channel(places.max(1));
        let abandoned = Self {
            queue,
            places: Arc::new(Semaphore::new(places)),
            exchanges,
            metrics,
        };
        (abandoned, fetch)
    }

    /// Has a session ended that its client got and does not want; `creation` is the request that
    /// says so.
    pub(crate) fn unwanted(&self, creation: Creation, named: Named) {
        self.leave(creation, What::Ours(named));
    }

    /// Leaves it to the one who sees to such things.
    fn leave(&self, creation: Creation, what: What) {
        let exchange = creation.exchange.clone();
        let taken = self.places.clone().try_acquire_owned().ok();
        let left = taken.map(|place| Left {
            creation,
            what,
            _place: place,
            _under_way: self.exchanges.token(),
        });
        // There is as much room in the queue as there are places, so only an end of everything can
        // be in the way.
        if left.is_none_or(|left| self.queue.try_send(left).is_err()) {
            self.metrics.session_abandoned(Outcome::Dropped);
            let (id, node) = (exchange.id(), exchange.tries().node);
            Outcome::Dropped.log(id, node, Some("too many orphans wait already"));
        }
    }
}

#[cfg(test)]
mod tests;
