//! How a `POST` that creates a session is sent to a node.

use bytes::Bytes;
use http::{HeaderValue, Request};
use tokio::time::Instant;
use whipstitch_origin::{Cause, Origin};

use super::RequestContext;
use crate::{
    nodes::{
        failed::Failed,
        failover::{NodeAnswer, SendToNode},
        node_client::NodeClient,
        node_request::NodeRequest,
    },
    request::{budget::Budget, message::Endpoint, phases::Phases},
    sessions::{
        SessionTable,
        create::{Unanswered, Unclaimed},
        create_request::CreateRequest,
        in_flight::Pending,
        reaper::Orphans,
        slot::Arrival,
    },
    words::body,
};

/// The nodes, for a `POST` that creates a session.
pub(super) struct Creating<'a> {
    pub(super) nodes: &'a NodeClient,
    pub(super) sessions: &'a SessionTable,
    pub(super) orphans: &'a Orphans,
    pub(super) endpoint: &'a Endpoint,
    pub(super) context: &'a RequestContext,
    pub(super) authorization: Option<HeaderValue>,
    /// When this `POST` came, in the order of arrival.
    pub(super) since: Arrival,
}

impl Creating<'_> {
    /// The `POST` that is sent to this node now.
    fn at(&self, origin: &Origin) -> CreateRequest {
        CreateRequest {
            origin: origin.clone(),
            target: self.context.target.clone(),
            role: self.endpoint.lookup.role,
            key: self.endpoint.lookup.key.clone(),
            authorization: self.authorization.clone(),
            exchange: self.context.exchange.clone(),
            since: self.since,
        }
    }

    /// Registers the pending `POST`, so that a concurrent DELETE for the same slot waits for it.
    async fn begin(&self, create: &CreateRequest, budget: &mut Budget) -> Option<Pending> {
        let begun = self.sessions.begin_create(create.slot()?);
        // The wait for a DELETE in flight is not this node's time.
        budget.pay_ourselves(begun).await
    }
}

impl SendToNode for Creating<'_> {
    type Guard = Unclaimed;

    async fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<NodeAnswer<Unclaimed>, Failed> {
        let sent = NodeRequest::new(self.nodes, origin, request)?;
        let (began, create) = (Instant::now(), self.at(origin));
        let pending = self.begin(&create, budget).await;
        if budget.is_over() {
            return Err(Failed::OutOfTime(Cause::Timeout(began.elapsed())));
        }
        let sent = Unanswered::new(sent, create, pending, self.orphans);
        let (response, guard) = sent.answered(budget, phases).await?;
        Ok(NodeAnswer {
            origin: origin.clone(),
            response: response.map(body::incoming),
            guard,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::future::BoxFuture;
    use http::{HeaderMap, uri::Authority};
    use prometheus::Registry;
    use tokio::time::Instant;
    use tokio_util::task::TaskTracker;
    use whipstitch_origin::{
        AllowedOrigins, Asker, Candidates, Claim, Directory, Hints, Lookup, LookupError, Outcome,
        Purpose, config,
    };
    use whipstitch_signaling::{Form, Role, StreamKey, dialect::Dialect};

    use super::*;
    use crate::{
        Exchange, Metrics,
        request::{clock::WallClock, phases::Times},
        sessions::slot::Target,
        words::config::Timeouts,
    };

    /// It gets no lookup here.
    struct Nowhere;

    impl Directory for Nowhere {
        fn locate<'a>(
            &'a self,
            _: &'a Lookup,
            _: Asker,
            _: Purpose,
        ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
            Box::pin(async { Err(LookupError::NotFound(None)) })
        }

        fn forget(&self, _: &Lookup) {}

        fn ended(&self, _: &StreamKey) {}

        fn published(&self, _: &StreamKey) {}

        fn report(&self, _: &Origin, _: Outcome) {}
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_delete_of_ours_is_not_the_nodes() {
        const SECOND: Duration = Duration::from_secs(1);
        let gate = AllowedOrigins::new(
            &config::Nodes::default(),
            whipstitch_origin::Metrics::default(),
        );
        let origin = gate.admit(Claim::Manager("10.0.0.1")).await.unwrap();
        let nodes = NodeClient::new(&Timeouts::default(), Arc::new(Nowhere));
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let sessions = SessionTable::new(1, true, SECOND, WallClock::default());
        let (orphans, _queue) = Orphans::new(1, sessions.clone(), TaskTracker::new(), metrics);
        let endpoint = Endpoint {
            lookup: Lookup::new(
                Role::Publish,
                StreamKey::new("live", "s1").unwrap(),
                Hints::default(),
            ),
            candidates: Candidates::new(vec![origin.clone()]).unwrap(),
            host: Authority::from_static("a"),
            form: Form::Classic,
        };
        let headers = HeaderMap::new();
        let context = RequestContext {
            dialect: Dialect::of(&headers, None),
            target: "/live/whip/endpoint/s1".parse().unwrap(),
            client: None,
            exchange: Exchange::begin(&headers, None),
        };
        let creating = Creating {
            nodes: &nodes,
            sessions: &sessions,
            orphans: &orphans,
            endpoint: &endpoint,
            context: &context,
            authorization: None,
            since: Arrival::default(),
        };
        let create = creating.at(&origin);
        let slot = create.slot().unwrap();
        let delete = sessions.begin_delete(slot, Target::Issued(1), Some(SECOND));
        let _in_flight = delete.await.unwrap_or_else(|why| panic!("{why:?}"));

        // It took a whole share of the node's time.
        let (mut budget, started) = (Budget::new(SECOND * 6, SECOND), Instant::now());
        let began = budget.begins();
        let pending = creating.begin(&create, &mut budget).await;
        assert!(pending.is_some() && started.elapsed() >= SECOND);
        assert!(!budget.was_fair(began));

        // It took all that there was.
        let mut budget = Budget::new(SECOND / 2, SECOND / 4);
        let (began, phases) = (budget.begins(), Phases::default());
        let request = Request::post("/live/whip/endpoint/s1");
        let request = request.body("v=0".into()).unwrap();
        let answer = creating
            .send_once(&origin, request, &mut budget, &phases)
            .await;
        assert!(matches!(answer, Err(Failed::OutOfTime(_))) && !budget.was_fair(began));
        assert_eq!(phases.times(), Times::default(), "no node was dialled");
    }
}
