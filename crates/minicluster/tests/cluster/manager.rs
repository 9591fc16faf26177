//! The Stream Manager's API.

use serde_json::{Value, json};
use whipstitch_minicluster::{Action, Cluster, Config, Page, Server};

use crate::client::get;
use crate::media::publish;

fn event(cluster: &Cluster, rest: &str) -> String {
    format!(
        "{}/streammanager/api/4.0/event/{rest}",
        cluster.manager_url()
    )
}

fn named(answer: &Value) -> &str {
    answer["serverAddress"].as_str().unwrap()
}

#[tokio::test]
async fn lookups_name_nodes() {
    let mut config = Config::default();
    config.nodes[1].region = "eu".to_owned();
    let cluster = Cluster::start(config).await.unwrap();
    let first = get(&event(&cluster, "live/s?action=broadcast"))
        .await
        .json();
    assert_eq!(
        first,
        json!({"name": "s", "scope": "/live", "serverAddress": "127.0.0.2", "region": "us-east-1"})
    );
    assert_eq!(
        named(
            &get(&event(&cluster, "live/other?action=broadcast"))
                .await
                .json()
        ),
        "127.0.0.3"
    );
    let both = get(&event(
        &cluster,
        "live/room1/s?action=broadcast&endpoints=2",
    ))
    .await
    .json();
    assert_eq!(
        (
            both.as_array().unwrap().len(),
            both[0]["scope"].as_str().unwrap()
        ),
        (2, "/live/room1")
    );
    assert_eq!(
        named(
            &get(&event(
                &cluster,
                "live/s?action=broadcast&region=eu&strict=true"
            ))
            .await
            .json()
        ),
        "127.0.0.3"
    );
    assert_eq!(
        get(&event(&cluster, "live/s?action=broadcast&region=mars"))
            .await
            .status,
        200
    );

    for (rest, status) in [
        ("live/s?action=broadcast&region=mars&strict=true", 404),
        ("live/s?action=subscribe", 404),
        ("live/s", 400),
        ("live/s?action=dance", 400),
        ("live/s?action=broadcast&endpoints=0", 400),
        ("live/s?action=broadcast&region=eu&geozone=x", 400),
        ("live?action=broadcast", 400),
        ("live/s/stats", 404),
    ] {
        let answer = get(&event(&cluster, rest)).await;
        assert_eq!(answer.status, status, "{rest}");
        let body = answer.json();
        assert!(body["errorMessage"].is_string(), "{body}");
        assert!(body["timestamp"].is_u64(), "{body}");
    }
    assert_eq!(cluster.seen().lookups(Action::Subscribe, "live", "s"), 1);
    assert!(cluster.seen().connections(Server::Manager) > 0);
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_live_stream_keeps_its_origin_and_spreads_its_players() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let _publisher = publish(&cluster, 1, "s").await;
    for _ in 0..3 {
        assert_eq!(
            named(
                &get(&event(&cluster, "live/s?action=broadcast"))
                    .await
                    .json()
            ),
            "127.0.0.3"
        );
    }
    let one = get(&event(&cluster, "live/s?action=subscribe"))
        .await
        .json();
    let two = get(&event(&cluster, "live/s?action=subscribe"))
        .await
        .json();
    assert_ne!(named(&one), named(&two));
    let list = get(&event(&cluster, "list")).await.json();
    let origin = json!({"type": "origin", "name": "s", "scope": "live", "serverAddress": "127.0.0.3", "region": "us-east-1"});
    assert_eq!(list, json!([origin]));
    let stats = get(&event(&cluster, "live/s/stats")).await.json();
    assert_eq!(stats["currentSubscribers"], 0);

    cluster.nodes()[1].die().await;
    assert_eq!(
        get(&event(&cluster, "live/s?action=subscribe"))
            .await
            .status,
        404
    );
    assert_eq!(
        named(
            &get(&event(&cluster, "live/s?action=broadcast"))
                .await
                .json()
        ),
        "127.0.0.2"
    );
    cluster.shutdown().await;
}

#[tokio::test]
async fn pages_and_the_admin_api() {
    let page = Page {
        path: "/",
        content_type: "text/html",
        body: b"hello",
    };
    let cluster = Cluster::start(Config {
        pages: vec![page],
        ..Config::default()
    })
    .await
    .unwrap();
    let url = cluster.manager_url();
    assert_eq!(get(&format!("{url}/")).await.text(), "hello");
    let missing = get(&format!("{url}/nowhere")).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("<h1>HTTP Status 404"));
    let admin = format!("{url}/streammanager/api/4.0/admin/nodegroup");
    assert_eq!(get(&admin).await.status, 401);
    let groups = get(&format!("{admin}?accessToken=minicluster"))
        .await
        .json();
    let group = groups[0]["name"].as_str().unwrap();
    let nodes = get(&format!("{admin}/{group}/node?accessToken=minicluster"))
        .await
        .json();
    assert_eq!(nodes[1]["address"], "127.0.0.3");
    cluster.shutdown().await;
}
