//! The nodes, as whoever sends a request to one sees them.

use http::{Request, Response, Uri, uri::Scheme};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use whipstitch_origin::Origin;

use crate::{
    Body,
    body::{self, Patience},
    budget::Budget,
    config::Timeouts,
    failover::Carrier,
    node_client::{self, Failed, Turn},
};

/// The nodes, over pooled connections.
pub(crate) struct Nodes(legacy::Client<HttpConnector, Body>);

impl Nodes {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        Self(node_client::client(timeouts.connect))
    }
}

impl Carrier for Nodes {
    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Failed> {
        let Some(uri) = node_uri(origin, request.uri()) else {
            return Err(Failed::NotConnected);
        };
        let (turn, patience) = (Turn::default(), Patience::Whole(budget.left()));
        let answer = node_client::send(&self.0, request, uri, &turn, patience).await;
        budget.spend(turn.spent());
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
