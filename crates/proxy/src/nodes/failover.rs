//! Another node, if one cannot serve: within one budget, and never at the price of doing something
//! twice.
//!
//! | what became of a try | what comes next |
//! |---|---|
//! | no connection | another node: nothing was sent |
//! | 502, 503, or a connection that broke | another node, if the request creates nothing |
//! | any other answer, no answer in time, a defect of ours | the end |
//!
//! When no node of a lookup's answer is left to try, the manager is asked once more: for spare
//! nodes, or with the client's own words where these fix the number of nodes
//! ([`whipstitch_origin::Hints::takes_endpoints`]). Only nodes that were not tried yet count.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::UPGRADE};
use tokio::time::Instant;
use tracing::info;
use whipstitch_origin::{Candidates, Cause, Directory, Lookup, Origin, Outcome, Purpose};

use crate::{
    Body, Error, Exchange, Metrics,
    nodes::failed::Failed,
    request::{
        budget::Budget,
        phases::{Phase, Phases},
    },
    words::error::{NodeFault, defect},
};

/// Most nodes that one request is sent to.
const MAX_TRIES: usize = 8;

/// Sends a request to one node, once.
pub(crate) trait SendToNode: Sync {
    /// What the caller has to hold as long as it holds an answer; `()` if nothing.
    type Guard: Send;

    /// Sends it once, and records in `phases` what it waited for.
    fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> impl Future<Output = Result<NodeAnswer<Self::Guard>, Failed>> + Send;
}

/// The answer of a node, with what its sender ties to it: a guard inside the answer cannot be
/// lost between the two.
#[derive(Debug)]
pub(crate) struct NodeAnswer<G> {
    /// The node.
    pub(crate) origin: Origin,
    /// Its answer.
    pub(crate) response: Response<Body>,
    /// The sender's own.
    pub(crate) guard: G,
}

/// What one try comes to.
type Tried<G> = Result<NodeAnswer<G>, Failed>;

/// Sends requests to nodes, and reports the outcome of each try to the directory.
pub(crate) struct Failover<'a, A> {
    pub(crate) nodes: &'a A,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) metrics: &'a Metrics,
    pub(crate) exchange: &'a Exchange,
}

impl<A: SendToNode> Failover<'_, A> {
    /// Asks this node and no other.
    pub(crate) async fn only(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<NodeAnswer<A::Guard>, Error> {
        self.attempt(origin, request, budget).await.map_err(error)
    }

    /// Asks the nodes that `lookup` found, one after the other, until one can serve.
    pub(crate) async fn any(
        &self,
        lookup: &Lookup,
        candidates: &Candidates,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<NodeAnswer<A::Guard>, Error> {
        let mut tries = Tries {
            creates: creates(&request),
            request,
            tried: Vec::new(),
            last: None,
        };
        if !self.all_of(candidates, &mut tries, budget).await
            && let Some(candidates) = self.others(lookup, budget).await
        {
            self.all_of(&candidates, &mut tries, budget).await;
        }
        tries.last.ok_or(Error::Internal)?.map_err(error)
    }

    /// Tries these, one after the other; whether no further node may be tried.
    async fn all_of(
        &self,
        candidates: &Candidates,
        tries: &mut Tries<A::Guard>,
        budget: &mut Budget,
    ) -> bool {
        for origin in candidates.iter() {
            if tries.tried.contains(&origin.addr()) {
                continue;
            }
            if tries.tried.len() >= MAX_TRIES {
                return true;
            }
            if tries.last.is_some() {
                if budget.is_over() {
                    return true;
                }
                self.metrics.failed_over();
            }
            tries.tried.push(origin.addr());
            let answer = self.attempt(origin, tries.request.clone(), budget).await;
            let is_over = !tries.may_continue(&answer);
            tries.last = Some(answer);
            if is_over {
                return true;
            }
        }
        false
    }

    /// What the manager answers to a wider lookup, since no node that it named can serve.
    async fn others(&self, lookup: &Lookup, budget: &mut Budget) -> Option<Candidates> {
        self.directory.forget(lookup);
        let began = Instant::now();
        let wider = lookup.wider();
        let lookup = wider.as_ref().unwrap_or(lookup);
        let asked = self
            .directory
            .locate(lookup, self.exchange.asker(), Purpose::Session);
        let found = budget.pay(asked).await;
        self.exchange.phases().lookup(Phase::since(began));
        found?
            .inspect_err(
                |error| info!(id = self.exchange.id(), %error, "no spare nodes for a failover"),
            )
            .ok()
    }

    async fn attempt(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Tried<A::Guard> {
        self.exchange.goes_to(origin.addr());
        let began = budget.begins();
        let answer = self
            .nodes
            .send_once(origin, request, budget, self.exchange.phases())
            .await;
        let status = answer.as_ref().map(|answer| answer.response.status());
        if let Some(outcome) = outcome(status, budget.was_fair(began)) {
            self.directory.report(origin, outcome);
        }
        answer
    }
}

/// The tries of one request.
struct Tries<G> {
    request: Request<Bytes>,
    /// Whether it creates something at the node that takes it.
    creates: bool,
    tried: Vec<SocketAddr>,
    last: Option<Tried<G>>,
}

impl<G> Tries<G> {
    /// Whether another node may be asked after this.
    fn may_continue(&self, answer: &Tried<G>) -> bool {
        match answer {
            Err(Failed::NotConnected(_) | Failed::OutOfTime(_)) => true,
            Err(Failed::Broken(_)) => !self.creates,
            Ok(answer) => !self.creates && is_unable(answer.response.status()),
            Err(Failed::Timeout(_) | Failed::Defect) => false,
        }
    }
}

/// What a try says about the node; nothing, if the node did not have its `fair` share of the time.
///
/// A node that hangs up counts as unable and no more: the request may be the reason, and one client
/// that repeats it must not take a node away from all clients at once.
pub(crate) fn outcome(answer: Result<StatusCode, &Failed>, fair: bool) -> Option<Outcome> {
    match answer {
        Ok(status) if is_unable(status) => Some(Outcome::Unable(Cause::Status(status.as_u16()))),
        Ok(_) => Some(Outcome::Answered),
        Err(Failed::Broken(cause)) => Some(Outcome::Unable(cause.clone())),
        Err(Failed::NotConnected(cause)) => Some(Outcome::Unreachable(cause.clone())),
        Err(Failed::OutOfTime(cause)) => fair.then(|| Outcome::Unreachable(cause.clone())),
        Err(Failed::Timeout(cause)) => fair.then(|| Outcome::Silent(cause.clone())),
        Err(Failed::Defect) => None,
    }
}

/// Whether a request may create something: a WebSocket is a session from its handshake on.
fn creates(request: &Request<Bytes>) -> bool {
    let asks = matches!(
        *request.method(),
        Method::OPTIONS | Method::GET | Method::HEAD
    );
    !asks || request.headers().contains_key(UPGRADE)
}

fn is_unable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}

pub(crate) fn error(failed: Failed) -> Error {
    match failed {
        Failed::Timeout(cause) => NodeFault::Timeout(cause).into(),
        Failed::NotConnected(cause) | Failed::OutOfTime(cause) | Failed::Broken(cause) => {
            NodeFault::Unreachable(cause).into()
        }
        Failed::Defect => defect("a request to a node")(failed),
    }
}

#[cfg(test)]
mod tests;
