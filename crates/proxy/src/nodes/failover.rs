//! Another node, if one cannot serve: within one budget, and never at the price of doing something
//! twice.
//!
//! | what became of a try | what comes next |
//! |---|---|
//! | no connection | another node: nothing was sent |
//! | 502, 503, or a connection that broke | another node, if the method creates nothing and the body is still whole |
//! | any other answer, no answer in time, the client's own fault | the end |
//!
//! When no node of a lookup's answer is left to try, the manager is asked once more: for spare
//! nodes, or with the client's own words where these fix the number of nodes
//! ([`whipstitch_origin::Hints::takes_endpoints`]). Only nodes that were not tried yet count.

use std::net::SocketAddr;

use http::{Method, Request, Response, StatusCode};
use tokio::time::Instant;
use tracing::info;
use whipstitch_origin::{Candidates, Cause, Directory, Origin, Outcome, Purpose};

use crate::{
    Body, Error, Exchange, Metrics,
    nodes::{client::Failed, retryable_body::Lender},
    request::{
        budget::Budget,
        message::Endpoint,
        phases::{Phase, Phases},
    },
    words::error::NodeFault,
};

/// Most nodes that one request is sent to.
const MAX_TRIES: usize = 8;

/// Whoever can send a request to a node.
pub(crate) trait Carrier: Sync {
    /// Sends it once, and tells what it had to wait for.
    fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> impl Future<Output = Result<Response<Body>, Failed>> + Send;
}

/// Sends requests to nodes, and says what became of it.
pub(crate) struct Failover<'a, A> {
    pub(crate) nodes: &'a A,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) metrics: &'a Metrics,
    pub(crate) exchange: &'a Exchange,
}

/// The last try.
type Last = (Origin, Result<Response<Body>, Failed>);

impl<A: Carrier> Failover<'_, A> {
    /// Asks this node and no other.
    pub(crate) async fn only(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        self.attempt(origin, request, budget).await.map_err(error)
    }

    /// Asks one node after the other until one can serve; that node, and its answer.
    pub(crate) async fn any(
        &self,
        endpoint: &Endpoint,
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<(Origin, Response<Body>), Error> {
        let (parts, body) = request.into_parts();
        let mut way = Way {
            creates: !matches!(parts.method, Method::OPTIONS | Method::GET | Method::HEAD),
            parts,
            body: Lender::new(body),
            tried: Vec::new(),
            last: None,
        };
        if !self.all_of(&endpoint.candidates, &mut way, budget).await
            && let Some(candidates) = self.others(endpoint, budget).await
        {
            self.all_of(&candidates, &mut way, budget).await;
        }
        let (origin, answer) = way.last.ok_or(Error::Internal)?;
        answer.map(|answer| (origin, answer)).map_err(error)
    }

    /// Whether that was the end of it.
    async fn all_of(&self, candidates: &Candidates, way: &mut Way, budget: &mut Budget) -> bool {
        for origin in candidates.iter() {
            if way.tried.contains(&origin.addr()) {
                continue;
            }
            let Some(request) = way.request() else {
                return true;
            };
            if way.tried.len() >= MAX_TRIES {
                return true;
            }
            if way.last.is_some() {
                if budget.is_over() {
                    return true;
                }
                self.metrics.failed_over();
            }
            way.tried.push(origin.addr());
            let answer = self.attempt(origin, request, budget).await;
            let over = !way.goes_on(&answer);
            way.last = Some((origin.clone(), answer));
            if over {
                return true;
            }
        }
        false
    }

    /// What the manager answers to a wider question, since no node that it named can serve.
    async fn others(&self, endpoint: &Endpoint, budget: &mut Budget) -> Option<Candidates> {
        self.directory.forget(&endpoint.lookup);
        let began = Instant::now();
        let wider = endpoint.lookup.wider();
        let lookup = wider.as_ref().unwrap_or(&endpoint.lookup);
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
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Failed> {
        self.exchange.goes_to(origin.addr());
        let began = budget.begins();
        let answer = self
            .nodes
            .carry(origin, request, budget, self.exchange.phases())
            .await;
        if let Some(outcome) = outcome(&answer, budget.was_fair(began)) {
            self.directory.report(origin, outcome);
        }
        answer
    }
}

/// One request on its way from node to node.
struct Way {
    parts: http::request::Parts,
    body: Lender,
    /// Whether it makes something at the node that takes it.
    creates: bool,
    tried: Vec<SocketAddr>,
    last: Option<Last>,
}

impl Way {
    /// The request for one more try, if it is still whole.
    fn request(&self) -> Option<Request<Body>> {
        Some(Request::from_parts(self.parts.clone(), self.body.lend()?))
    }

    /// Whether another node may be asked after this.
    fn goes_on(&self, answer: &Result<Response<Body>, Failed>) -> bool {
        match answer {
            Err(Failed::NotConnected(_) | Failed::OutOfTime(_)) => true,
            Err(Failed::Broken(_)) => !self.creates,
            Ok(answer) => !self.creates && is_unable(answer.status()),
            Err(Failed::Body(_) | Failed::Timeout(_)) => false,
        }
    }
}

/// What a try says about the node; nothing, if the client did not do its part, or if the node did
/// not have its `fair` share of the time.
///
/// To hang up on a request is no more than to be unable: it may be the request, and one client who
/// sends that again and again must not take a node from everybody at once.
pub(crate) fn outcome<B>(answer: &Result<Response<B>, Failed>, fair: bool) -> Option<Outcome> {
    match answer {
        Ok(answer) if is_unable(answer.status()) => {
            Some(Outcome::Unable(Cause::Status(answer.status().as_u16())))
        }
        Ok(_) => Some(Outcome::Answered),
        Err(Failed::Broken(cause)) => Some(Outcome::Unable(cause.clone())),
        Err(Failed::NotConnected(cause)) => Some(Outcome::Unreachable(cause.clone())),
        Err(Failed::OutOfTime(cause)) => fair.then(|| Outcome::Unreachable(cause.clone())),
        Err(Failed::Timeout(cause)) => fair.then(|| Outcome::Silent(cause.clone())),
        Err(Failed::Body(_)) => None,
    }
}

fn is_unable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}

pub(crate) fn error(failed: Failed) -> Error {
    match failed {
        Failed::Body(error) => error.into(),
        Failed::Timeout(cause) => NodeFault::Timeout(cause).into(),
        Failed::NotConnected(cause) | Failed::OutOfTime(cause) | Failed::Broken(cause) => {
            NodeFault::Unreachable(cause).into()
        }
    }
}

#[cfg(test)]
mod tests;
