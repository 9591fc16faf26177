//! The nodes, as whoever sends a request to one sees them.

use std::sync::Arc;

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
        }
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
        let sent = Sent::new(&self.nodes.0, request, uri);
        let sent = Unanswered::new(sent, self.at(origin), self.abandoned);
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
