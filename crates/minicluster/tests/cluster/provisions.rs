//! Provisions: made over the API, asked for by `transcode=true`, and distributed by publish
//! lookups.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use whipstitch_minicluster::{Cluster, Config, Distributed, NodeConfig, Role, Stage, StreamKey};

use crate::client::{Answer, get, with};
use crate::login::token;

fn node(last: u8, role: Role) -> NodeConfig {
    NodeConfig {
        role,
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    }
}

async fn start(provisions: Vec<StreamKey>) -> Cluster {
    let nodes = vec![
        node(2, Role::Origin),
        node(3, Role::Edge),
        node(4, Role::Transcoder),
    ];
    Cluster::start(Config {
        nodes,
        provisions,
        ..Config::default()
    })
    .await
    .unwrap()
}

async fn ask_1_x(cluster: &Cluster, rest: &str) -> Answer {
    let base = cluster.manager_url();
    get(&format!("{base}/streammanager/api/4.0/event/live/{rest}")).await
}

async fn ask_2_0(cluster: &Cluster, rest: &str) -> Answer {
    let base = cluster.manager_url();
    get(&format!("{base}/as/v1/streams/stream/default/{rest}")).await
}

fn addresses(answer: &Answer) -> Vec<(String, String)> {
    let list = answer.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let node = |node: &Value| (text(&node["serverAddress"]), text(&node["nodeRole"]));
    list.as_array().unwrap().iter().map(node).collect()
}

#[tokio::test]
async fn of_1_x_the_base_gets_the_transcoder_a_variant_404_and_others_an_origin() {
    let cluster = start(vec![StreamKey::new("live", "s")]).await;
    let named = async |rest: &str| {
        let answer = ask_1_x(&cluster, rest).await;
        assert_eq!(answer.status, 200, "{rest}");
        answer.json()["serverAddress"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("s?action=broadcast").await, "127.0.0.2");
    for _ in 0..2 {
        let transcoded = named("s?action=broadcast&transcode=true").await;
        assert_eq!(transcoded, "127.0.0.4");
    }
    let variant = ask_1_x(&cluster, "s_2?action=broadcast&transcode=true").await;
    assert_eq!(variant.status, 404);
    assert!(variant.json()["errorMessage"].is_string());
    for other in ["s_x", "t_2", "s_9"] {
        let rest = format!("{other}?action=broadcast&transcode=true");
        assert_eq!(
            named(&rest).await,
            "127.0.0.2",
            "{other} is not provisioned"
        );
    }
    assert_eq!(named("s_2?action=broadcast").await, "127.0.0.2");
    cluster.nodes()[2].set_stage(Stage::Terminating);
    let none = ask_1_x(&cluster, "s?action=broadcast&transcode=true").await;
    assert_eq!(none.status, 404);
    cluster.shutdown().await;
}

#[tokio::test]
async fn of_2_0_transcode_wants_a_provision_and_names_the_transcoder_and_its_origin() {
    let cluster = start(vec![StreamKey::new("live", "s")]).await;
    for guid in ["live/s", "live/s_1", "live/s_3"] {
        let answer = ask_2_0(&cluster, &format!("publish/{guid}?transcode=true")).await;
        let expected = [("127.0.0.4", "transcoder"), ("127.0.0.2", "origin")];
        let expected = expected.map(|(ip, role)| (ip.to_owned(), role.to_owned()));
        assert_eq!(addresses(&answer), expected, "{guid}");
    }
    let strict = ask_2_0(&cluster, "publish/live/s?transcode=true&strict=true").await;
    assert_eq!(
        addresses(&strict).len(),
        2,
        "one to publish to all the same"
    );
    for (rest, status) in [
        ("publish/live/t?transcode=true", 404),
        ("publish/live/s_9?transcode=true", 404),
        ("publish/live/s/s?transcode=true", 404),
        ("publish/live/s?transcode=true&endpoints=2", 400),
        ("publish/live/s?transcode=true&endpoints=0", 400),
        ("publish/live/s?transcode=true&endpoints=1", 200),
        ("publish/live/t?transcode=false&endpoints=2", 200),
    ] {
        let answer = ask_2_0(&cluster, rest).await;
        assert_eq!(answer.status, status, "{rest}: {}", answer.text());
        assert!(status == 200 || answer.json()["error"].is_string());
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_publish_lookup_distributes_and_nothing_else_does() {
    let cluster = start(vec![StreamKey::new("live", "s")]).await;
    ask_2_0(&cluster, "publish/live/s_1?transcode=true").await;
    ask_2_0(&cluster, "publish/live/t").await;
    ask_2_0(&cluster, "publish/live/s_1?transcode=true&endpoints=2").await;
    ask_2_0(&cluster, "subscribe/live/s_1").await;
    ask_2_0(&cluster, "publish/live/s_2").await;
    ask_1_x(&cluster, "s?action=broadcast&transcode=true").await;
    let expected = [
        (2, "default/publish/live/s_1?transcode=true"),
        (0, "default/publish/live/s_1?transcode=true"),
        (0, "default/publish/live/s_2?"),
        (2, "live/s?action=broadcast&transcode=true"),
    ];
    let expected = expected.map(|(node, lookup)| Distributed {
        provision: "live/s".to_owned(),
        node,
        lookup: lookup.to_owned(),
    });
    assert_eq!(cluster.seen().distributed(), expected);
    cluster.shutdown().await;
}

#[tokio::test]
async fn provisions_are_created_read_and_deleted_only_with_a_token() {
    let cluster = start(Vec::new()).await;
    let base = cluster.manager_url();
    let two = format!("{base}/as/v1/streams/provision/default");
    let body = json!([{
        "provisionGuid": "live/s",
        "streams": [{"streamGuid": "live/s_1", "abrLevel": 1}, {"streamGuid": "live/s_2", "abrLevel": 2}],
    }])
    .to_string();
    assert_eq!(with("POST", &two, &[], &body).await.status, 401);
    let bearer = format!("Bearer {}", token(&cluster).await);
    let authorized = [("authorization", bearer.as_str())];
    let post = async |body: &str| with("POST", &two, &authorized, body).await;
    for bad in [
        "",
        "{}",
        "[]",
        r#"[{"provisionGuid":"live/s"}]"#,
        r#"[{"provisionGuid":"live/s","streams":[]}]"#,
        r#"[{"provisionGuid":"x","streams":[{"streamGuid":"live/s_1"}]}]"#,
        r#"[{"provisionGuid":"live/s","streams":[{"streamGuid":"s_1"}]}]"#,
    ] {
        let refused = post(bad).await;
        assert_eq!(refused.status, 400, "{bad}");
        assert!(refused.json()["error"].is_string());
    }
    assert_eq!(post(&body).await.status, 201);
    assert_eq!(post(&body).await.status, 409);
    let all = with("GET", &two, &authorized, "").await.json();
    assert_eq!(all[0]["provisionGuid"], "live/s");
    let transcoded = "publish/live/s_2?transcode=true";
    assert_eq!(ask_2_0(&cluster, transcoded).await.status, 200);
    let one = format!("{two}/live/s");
    assert_eq!(with("DELETE", &one, &authorized, "").await.status, 200);
    assert_eq!(ask_2_0(&cluster, transcoded).await.status, 404);

    let meta = |token: &str| {
        format!("{base}/streammanager/api/4.0/admin/event/meta/live/room/s?accessToken={token}")
    };
    let body = r#"{"meta":{"stream":[{"name":"s_1","level":"1","properties":{}}]}}"#;
    assert_eq!(with("POST", &meta("no"), &[], body).await.status, 401);
    let meta = meta("minicluster");
    for bad in ["", "{}", r#"{"meta":{"stream":[{"level":"1"}]}}"#] {
        assert_eq!(with("POST", &meta, &[], bad).await.status, 400, "{bad}");
    }
    let made = with("POST", &meta, &[], body).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.json()["scope"], "live/room");
    assert_eq!(
        get(&meta).await.json()["data"]["meta"]["stream"][0]["name"],
        "s_1"
    );
    let lookup = "room/s?action=broadcast&transcode=true";
    let named = ask_1_x(&cluster, lookup).await.json();
    assert_eq!(named["serverAddress"], "127.0.0.4");
    assert_eq!(with("DELETE", &meta, &[], "").await.status, 200);
    assert_eq!(get(&meta).await.status, 404);
    cluster.shutdown().await;
}
