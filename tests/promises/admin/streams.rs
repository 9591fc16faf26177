//! `/streams`: a row per stream, which `/sessions?of=` opens.

use serde_json::json;
use whipstitch_tests::{
    Deployment,
    stub_node::{StubNode, create_sessions},
};

use super::{dialogue, show};

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_listed_with_publisher_viewers_and_node_and_open_into_their_sessions() {
    let (deployment, node) = (Deployment::start().await, StubNode::start(32).await);
    let proxy = node.proxy(&deployment);
    let viewers = |stream: &'static str, count: usize| {
        (0..count).map(move |id| format!("/live/whep/endpoint/{stream}?requestId={stream}-{id}"))
    };
    let mut sessions: Vec<_> = viewers("keynote", 3).chain(viewers("panel", 1)).collect();
    sessions.push("/live/whip/endpoint/keynote".to_owned());
    create_sessions(&proxy, &sessions).await;

    let all = show(&proxy, "/streams").await;
    assert_eq!((&all["total"], &all["pages"]), (&json!(2), &json!(1)));
    let [keynote, panel] = [&all["streams"][0], &all["streams"][1]];
    assert_eq!(
        (&keynote["scope"], &keynote["stream"]),
        (&json!("live"), &json!("keynote"))
    );
    let counts = ["publishers", "viewers", "sockets"].map(|name| keynote[name].clone());
    assert_eq!(counts, [1, 3, 0].map(|count| json!(count)));
    assert_eq!(keynote["publisher"]["node"], keynote["nodes"][0]);
    assert!(keynote["began_at"].as_u64() > Some(0));
    assert_eq!(panel["publisher"], json!(null));

    let found = show(&proxy, "/streams?search=PAN&per_page=1").await;
    assert_eq!(
        (&found["matching"], &found["streams"][0]["stream"]),
        (&json!(1), &json!("panel"))
    );
    let second = show(&proxy, "/streams?per_page=1&page=2").await;
    assert_eq!(second["streams"], json!([panel]));
    let of = show(&proxy, "/sessions?of=live%2Fkeynote&kind=whep").await;
    assert_eq!((&of["matching"], &of["total"]), (&json!(3), &json!(5)));
    for wrong in [
        "/streams?page=0",
        "/streams?per_page=x",
        "/sessions?kind=rtmp",
    ] {
        assert_eq!(proxy.admin.get(wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_of_subscribers_share_the_row_of_their_scope() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut dialogues = Vec::new();
    // Rooms 1 and 2 get two subscribers each.
    for id in [1, 2, 11, 12] {
        dialogues.push(dialogue(&deployment, &proxy, id).await);
    }
    let all = show(&proxy, "/streams").await;
    let rows = all["streams"].as_array().expect("rows");
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&row["scope"], &row["stream"], &row["sockets"]))
        .collect();
    let (two, none) = (json!(2), json!(null));
    assert_eq!(
        rows,
        [
            (&json!("live/room1"), &none, &two),
            (&json!("live/room2"), &none, &two)
        ]
    );
}
