//! Nodes and lookups as an operator sees them.

use serde_json::{Value, json};
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy};

async fn view(proxy: &Proxy, what: &str) -> Value {
    let reply = proxy.admin.get(&format!("/{what}")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, "application/json")
    );
    assert!(
        !reply.text().contains("us-east-1"),
        "hints have values: {}",
        reply.text()
    );
    let view: Value = serde_json::from_slice(&reply.body).unwrap();
    let listed = view[what].as_array().unwrap();
    assert_eq!(view["total"], listed.len());
    view
}

/// The only entry that satisfies this.
fn the(view: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let found: Vec<&Value> = view[what]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| holds(one))
        .collect();
    assert_eq!(found.len(), 1, "{view}");
    found[0].clone()
}

fn is_seconds(value: &Value) -> bool {
    value
        .as_f64()
        .is_some_and(|seconds| (0.0..60.0).contains(&seconds))
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_show_candidates_ages_and_uses_but_no_values() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    assert_eq!(view(&proxy, "lookups").await["total"], 0);
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let target = "/live/room1/whip/endpoint/s1?region=us-east-1&token=us-east-1";
    assert_eq!(proxy.h1.sdp("POST", target, &offer).await.status, 201);
    for _ in 0..3 {
        let target = "/live/room1/whep/endpoint/s1";
        assert_eq!(proxy.h1.sdp("POST", target, "v=0\r\n").await.status, 400);
    }
    let missing = proxy
        .h1
        .bare("OPTIONS", "/live/whep/endpoint/missing")
        .await;
    assert_eq!(missing.problem(), "not-live");

    let lookups = view(&proxy, "lookups").await;
    assert_eq!(lookups["total"], 3, "{lookups}");
    let published = the(&lookups, "lookups", |one| one["role"] == "publish");
    assert_eq!(published["stream"], "live/room1/s1");
    assert_eq!(published["hints"], json!(["region"]));
    assert_eq!(
        (&published["answer"], &published["state"]),
        (&json!("found"), &json!("stale")),
        "an answer to a publish serves outages only"
    );
    assert!(is_seconds(&published["age_seconds"]), "{published}");
    let candidates = published["candidates"].as_array().unwrap();
    let is_node = |node: &Value| node.as_str().unwrap().starts_with("127.0.0.");
    assert!(!candidates.is_empty(), "{published}");
    assert!(candidates.iter().all(is_node), "{published}");

    let played = the(&lookups, "lookups", |one| {
        one["stream"] == "live/room1/s1" && one["role"] == "play"
    });
    assert_eq!((&played["uses"], &played["hints"]), (&json!(3), &json!([])));
    assert!(
        played["uses_left"].as_u64().is_some_and(|left| left > 0),
        "{played}"
    );
    let unknown = the(&lookups, "lookups", |one| one["stream"] == "live/missing");
    assert_eq!(
        (&unknown["answer"], &unknown["candidates"]),
        (&json!("not_found"), &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ejected_node_is_shown_as_ejected() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    for stream in 0..4 {
        let target = format!("/live/whip/endpoint/s{stream}");
        assert_eq!(proxy.h1.sdp("POST", &target, &offer).await.status, 201);
    }
    let nodes = view(&proxy, "nodes").await;
    assert_eq!(nodes["total"], 2, "{nodes}");
    let mut sent = 0;
    for node in nodes["nodes"].as_array().unwrap() {
        assert_eq!(
            (&node["state"], &node["failures"]),
            (&json!("healthy"), &json!(0)),
            "{node}"
        );
        assert_eq!(
            (&node["ejected_for_seconds"], &node["ejections"]),
            (&Value::Null, &json!(0))
        );
        // These nodes are configured, so it may be unknown when they were named.
        let named = &node["named_seconds_ago"];
        assert!(named.is_null() || is_seconds(named), "{node}");
        sent += node["sessions_sent"].as_u64().unwrap();
    }
    assert_eq!(sent, 4);

    let broken = &deployment.cluster.nodes()[0];
    broken.fail(Fault::Refuse).await;
    for stream in 4..8 {
        let target = format!("/live/whip/endpoint/s{stream}");
        proxy.h1.sdp("POST", &target, &offer).await;
    }
    let nodes = view(&proxy, "nodes").await;
    let address = json!(broken.ip().to_string());
    let ejected = the(&nodes, "nodes", |one| one["address"] == address);
    assert_eq!(
        (&ejected["state"], &ejected["ejections"]),
        (&json!("ejected"), &json!(1)),
        "{ejected}"
    );
    assert!(ejected["failures"].as_u64().unwrap() > 0, "{ejected}");
    assert!(is_seconds(&ejected["ejected_for_seconds"]), "{ejected}");
    let healthy = the(&nodes, "nodes", |one| one["address"] != address);
    assert_eq!(healthy["state"], "healthy");
}
