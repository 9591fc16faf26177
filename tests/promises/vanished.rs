//! A publisher that vanished without a DELETE is found by the Stream Manager's list of streams.

use std::time::Duration;

use serde_json::Value;
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_proxy::vanished::Timing;
use whipstitch_signaling::Api;
use whipstitch_tests::{Deployment, Proxy, deployment::SOON, http::path_of};

const TIMING: Timing = Timing {
    every: Duration::from_millis(40),
    grace: Duration::from_millis(200),
};

/// A publisher whose stream the manager lists.
struct Live {
    deployment: Deployment,
    proxy: Proxy,
    _publisher: Publisher,
    session: String,
}

impl Live {
    async fn start(api: Api) -> Self {
        let deployment = Deployment::start().await;
        let mut config = deployment.config();
        config.stream_manager.api = api;
        let proxy = deployment.proxy_that_looks(TIMING, config);
        let publisher = Publisher::new().await.unwrap();
        let endpoint = match api {
            Api::V1 => "/live/whip/endpoint/s1",
            Api::V2 => "/as/v1/proxy/whip/live/s1",
        };
        let offer = publisher.offer().await.unwrap();
        let created = proxy.h1.sdp("POST", endpoint, &offer).await;
        assert_eq!(created.status, 201);
        publisher.answer(&created.text()).await.unwrap();
        Self {
            session: path_of(created.header("location")),
            deployment,
            proxy,
            _publisher: publisher,
        }
    }

    /// How many lists the manager was asked for.
    fn lists(&self) -> usize {
        let seen = self.deployment.cluster.seen().requests();
        let is_list = |target: &str| {
            target.ends_with("/event/list") || target == "/as/v1/streams/stream/default"
        };
        seen.iter()
            .filter(|request| is_list(&request.target))
            .count()
    }

    async fn until_lists(&self, more: usize) {
        let enough = self.lists() + more;
        let reached = async {
            // Reads a record of the same process: there is nothing to be woken by.
            while self.lists() < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, reached)
            .await
            .expect("lists in time");
    }

    async fn open(&self) -> Value {
        let all = self.proxy.admin.get("/sessions").await;
        serde_json::from_slice::<Value>(&all.body).unwrap()["sessions"].clone()
    }

    /// The client and its session at the node are gone, and no DELETE was sent.
    async fn vanish(&self) {
        for node in self.deployment.cluster.nodes() {
            node.die().await;
            node.revive().await.unwrap();
        }
    }
}

const VANISHED: &str = "whipstitch_sessions_vanished_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_vanished_is_found_by_two_lists_without_its_stream() {
    for api in [Api::V1, Api::V2] {
        let live = Live::start(api).await;
        live.until_lists(4).await;
        assert_eq!(live.open().await.as_array().unwrap().len(), 1, "{api:?}");
        live.vanish().await;
        live.proxy.until_metric(VANISHED, 1.0).await;
        assert_eq!(live.open().await.as_array().unwrap().len(), 0, "{api:?}");
        // A list may be wrong: the client's own DELETE still reaches the node.
        let deleted = live.proxy.h1.bare("DELETE", &live.session).await;
        assert_eq!(
            deleted.status, 417,
            "the node's own answer: no such session"
        );
        // Without sessions the manager is not asked.
        let lists = live.lists();
        tokio::time::sleep(TIMING.every * 5).await;
        assert!(live.lists() <= lists + 1, "{api:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_manager_lists_nothing_a_session_stays_and_says_when_its_client_last_asked() {
    for status in [401, 404] {
        let live = Live::start(Api::V1).await;
        let manager = live.deployment.cluster.manager();
        manager.fail(Fault::Status(status, "no".to_owned())).await;
        live.vanish().await;
        tokio::time::sleep(TIMING.grace + TIMING.every * 5).await;
        assert!(live.proxy.metric(VANISHED).await < 1.0);
        let all = live.proxy.admin.get("/sessions").await;
        let all: Value = serde_json::from_slice(&all.body).unwrap();
        assert_eq!(all["not_ended_by_client"], 1);
        assert_eq!(all["vanished"]["state"], "failing", "{all}");
        let why = format!("it answers with status {status}");
        assert!(
            all["vanished"]["error"].as_str().unwrap().ends_with(&why),
            "{all}"
        );
        let open = &all["sessions"];
        assert_eq!(open.as_array().unwrap().len(), 1);
        assert!(open[0]["last_activity_at"].is_u64(), "{open}");
    }
}
