//! Managers that name other nodes than requested, or none.

use http::Method;
use whipstitch_minicluster::{Fault, Server, peer::Publisher};
use whipstitch_signaling::Api;
use whipstitch_tests::{Deployment, Proxy, http::path_of, raw_manager::RawManager};

/// A proxy that asks this manager.
fn proxy(deployment: &Deployment, manager: &RawManager, api: Api) -> Proxy {
    let mut config = deployment.config();
    config.stream_manager.api = api;
    config.stream_manager.url = Some(manager.url());
    deployment.proxy_with(config)
}

fn whip(api: Api) -> &'static str {
    match api {
        Api::V1 => "/live/whip/endpoint/s1?region=eu&strict=true",
        Api::V2 => "/as/v1/proxy/whip/live/s1?region=eu&strict=true",
    }
}

fn posts(deployment: &Deployment) -> [u64; 2] {
    let seen = deployment.cluster.seen();
    [0, 1].map(|node| seen.received(Server::Node(node), &Method::POST))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_unrequested_nodes_only_the_first_is_used() {
    let deployment = Deployment::start().await;
    let [first, second] = [0, 1].map(|node| deployment.cluster.nodes()[node].ip());
    // More than were asked for, of a region that was not asked for; of 1.x a list where an object
    // was due.
    let entry = |node| {
        format!(
            r#"{{"serverAddress":"{node}","region":"mars","subGroup":"mars","nodeRole":"edge"}}"#
        )
    };
    let body = format!("[{},{}]", entry(first), entry(second));
    let manager = RawManager::start(move |_, _| body.clone()).await;
    for api in [Api::V1, Api::V2] {
        let node = &deployment.cluster.nodes()[0];
        node.heal().await;
        let proxy = proxy(&deployment, &manager, api);
        let before = posts(&deployment);
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let created = proxy.h1.sdp("POST", whip(api), &offer).await;
        assert_eq!(created.status, 201, "{api:?}: {}", created.text());
        let session = path_of(created.header("location"));
        assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);
        node.fail(Fault::Refuse).await;
        let refused = proxy.h1.sdp("POST", whip(api), "v=0").await;
        assert_eq!(refused.problem(), "node-unreachable", "{api:?}");
        assert_eq!(posts(&deployment), [before[0] + 1, before[1]], "{api:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_node_is_a_clear_error() {
    let deployment = Deployment::start().await;
    for (api, body, problem) in [
        (Api::V1, "[]", "manager-unavailable"),
        (
            Api::V1,
            r#"{"serverAddress":["10.0.0.1"]}"#,
            "manager-unavailable",
        ),
        (
            Api::V1,
            r#"[{"serverAddress":null}]"#,
            "manager-unavailable",
        ),
        (Api::V2, "[]", "no-node"),
        (
            Api::V2,
            r#"{"serverAddress":"10.0.0.1"}"#,
            "manager-unavailable",
        ),
        (
            Api::V2,
            r#"[[{"serverAddress":"10.0.0.1"}]]"#,
            "manager-unavailable",
        ),
    ] {
        let manager = RawManager::start(move |_, _| body.to_owned()).await;
        let proxy = proxy(&deployment, &manager, api);
        let refused = proxy.h1.sdp("POST", whip(api), "v=0").await;
        let found = (refused.status.as_u16(), &*refused.problem());
        assert_eq!(found, (503, problem), "{body}");
    }
}
