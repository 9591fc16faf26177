//! The nodes, as whoever sends a request to one sees them.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderValue, Request, Response, Uri, uri::Scheme};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use whipstitch_origin::{Directory, Origin};

use super::Asked;
use crate::{
    Body,
    abandoned::{Abandoned, Unanswered},
    body::{self, Patience},
    budget::Budget,
    config::Timeouts,
    creation::Creation,
    failover::Carrier,
    message::Endpoint,
    node_client::{self, Failed, Sent, Timed},
    phases::Phases,
    under_way::{UnderWay, Work},
};

/// The nodes, over pooled connections.
#[derive(Clone)]
pub(crate) struct Nodes(legacy::Client<Timed<HttpConnector>, Body>);

impl Nodes {
    pub(crate) fn new(timeouts: &Timeouts, directory: Arc<dyn Directory>) -> Self {
        Self(node_client::client(timeouts.connect, directory))
    }
}

impl Carrier for Nodes {
    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Response<Body>, Failed> {
        let Some(uri) = node_uri(origin, request.uri()) else {
            return Err(Failed::NotConnected);
        };
        let mut sent = Sent::new(&self.0, request, uri);
        let answer = sent.answered(Patience::Whole(budget.left()), phases).await;
        budget.spend(sent.spent());
        answer.map(|response| response.map(body::incoming))
    }
}

/// The nodes, to a client that wants a session of one of them.
pub(super) struct Creating<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) abandoned: &'a Abandoned,
    pub(super) endpoint: &'a Endpoint,
    pub(super) asked: &'a Asked,
    pub(super) authorization: Option<HeaderValue>,
    /// In milliseconds since 1970.
    pub(super) since: u64,
    pub(super) under_way: &'a UnderWay,
    /// The POST to the node that was asked last, until it is known what came of it.
    pub(super) last: Mutex<Option<Arc<Work>>>,
}

impl Creating<'_> {
    /// The POST that is sent to this node now.
    pub(super) fn at(&self, origin: &Origin) -> Creation {
        Creation {
            origin: origin.clone(),
            target: self.asked.target.clone(),
            role: self.endpoint.lookup.role,
            key: self.endpoint.lookup.key.clone(),
            authorization: self.authorization.clone(),
            exchange: self.asked.exchange.clone(),
            since: self.since,
            under_way: None,
        }
    }

    /// The POST that is sent to this node now, as whoever might end a session there hears of it.
    async fn begin(&self, origin: &Origin, budget: &mut Budget) -> Creation {
        let mut creation = self.at(origin);
        // Where a player's session will be is not known without a `requestId`, and nobody else's can be there.
        if let Some(resource) = creation.place(None) {
            let begun = self.under_way.post((origin.named(), resource));
            creation.under_way = budget.pay(begun).await.map(Arc::new);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone_from(&creation.under_way);
        creation
    }
}

impl Carrier for Creating<'_> {
    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Response<Body>, Failed> {
        let Some(uri) = node_uri(origin, request.uri()) else {
            return Err(Failed::NotConnected);
        };
        let creation = self.begin(origin, budget).await;
        let sent = Sent::new(&self.nodes.0, request, uri);
        let sent = Unanswered::new(sent, creation, self.abandoned);
        let answer = sent.answered(budget, phases).await;
        answer.map(|response| response.map(body::incoming))
    }
}

fn node_uri(origin: &Origin, target: &Uri) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(origin.authority().clone());
    parts.path_and_query = target.path_and_query().cloned();
    Uri::from_parts(parts).ok()
}
