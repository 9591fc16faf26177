//! As many sessions as one replica is built for, and the lists that show them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use whipstitch_tests::{
    Deployment, Proxy,
    stub_node::{StubNode, create_sessions},
};

use crate::commands::run;

/// Streams, each with a publisher and [`PLAYERS`] players: 9 900 sessions.
const STREAMS: usize = 99;
const PLAYERS: usize = 99;
const SESSIONS: usize = STREAMS * (PLAYERS + 1);
/// The most rows that one answer holds.
const MOST: usize = 500;

fn endpoints() -> Vec<String> {
    let publishers = (0..STREAMS).map(|n| format!("/live/whip/endpoint/stage-{n:02}"));
    let players = (0..STREAMS).flat_map(|n| {
        (0..PLAYERS).map(move |id| format!("/live/whep/endpoint/stage-{n:02}?requestId=p-{n}-{id}"))
    });
    publishers.chain(players).collect()
}

async fn list(proxy: &Proxy, query: &str) -> Value {
    let reply = proxy.admin.get(&format!("/sessions?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    // Some hundred bytes a row, however many there are.
    assert!(reply.body.len() < MOST * 600, "{}", reply.body.len());
    serde_json::from_slice(&reply.body).unwrap()
}

fn rows(list: &Value) -> &[Value] {
    list["sessions"].as_array().unwrap()
}

fn numbers(list: &Value) -> [u64; 4] {
    ["total", "matching", "page", "pages"].map(|name| list[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_thousand_nine_hundred_sessions_are_counted_paged_searched_and_sorted() {
    let (deployment, node) = (Deployment::start().await, StubNode::start(31).await);
    let proxy = node.proxy(&deployment);
    create_sessions(&proxy, &endpoints()).await;

    // A page holds at most this many rows, and each session is on one page.
    let mut seen = BTreeSet::new();
    for page in 1..=20 {
        let list = list(&proxy, &format!("per_page=10000&page={page}")).await;
        assert_eq!(numbers(&list), [9_900, 9_900, page, 20]);
        assert!(rows(&list).len() <= MOST, "{}", rows(&list).len());
        let ids = rows(&list).iter().map(|row| row["id"].to_string());
        seen.extend(ids);
    }
    assert_eq!(seen.len(), SESSIONS);
    assert!(rows(&list(&proxy, "page=100").await).is_empty());

    let found = list(
        &proxy,
        "search=live/stage-07&sort=age&order=desc&per_page=40&page=3",
    )
    .await;
    assert_eq!(numbers(&found), [9_900, 100, 3, 3]);
    assert_eq!(rows(&found).len(), 20);
    let publishers = list(&proxy, "search=whip&sort=stream&per_page=500").await;
    let names = rows(&publishers).iter().map(|row| row["stream"].as_str());
    let wanted: Vec<_> = (0..STREAMS).map(|n| format!("stage-{n:02}")).collect();
    assert!(names.eq(wanted.iter().map(|name| Some(&**name))));
    for (query, first) in [
        ("sort=stream", "stage-00"),
        ("sort=stream&order=desc", "stage-98"),
    ] {
        assert_eq!(
            rows(&list(&proxy, query).await)[0]["stream"],
            first,
            "{query}"
        );
    }

    let status: Value = serde_json::from_slice(&proxy.admin.get("/status").await.body).unwrap();
    assert_eq!(status["sessions"]["http"], SESSIONS);
    let one = rows(&found)[0]["id"].as_str().unwrap().to_owned();
    commands(&proxy, &one).await;
    let over = async {
        while proxy.admin.get(&format!("/sessions/{one}")).await.status != 404 {
            // Polls another part of the same process, which sends no notification.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let over = tokio::time::timeout(whipstitch_tests::deployment::SOON, over).await;
    assert!(over.is_ok());
    assert_eq!(node.ended(), 1);
    assert_eq!(
        numbers(&list(&proxy, "page=99").await),
        [9_899, 9_899, 99, 99]
    );
}

/// The same with commands, which also terminate this session.
async fn commands(proxy: &Proxy, one: &str) {
    let admin = proxy.admin.addr();
    let asked = async |line: &str| {
        let exit = run(&format!("{line} --admin {admin}")).await;
        assert_eq!((exit.code, &*exit.err), (0, ""), "{line}");
        exit.out
    };
    let all = asked("sessions --limit 10000 --json").await;
    let all: Value = serde_json::from_str(&all).unwrap();
    let ids: BTreeSet<_> = rows(&all).iter().map(|row| row["id"].as_str()).collect();
    assert_eq!(ids.len(), SESSIONS);
    let table = asked("sessions").await;
    assert!(table.contains("50 of 9900 sessions"), "{table}");
    let table = asked("sessions --search stage-07 --limit 10").await;
    let end = "10 of 100 sessions with \"stage-07\", among 9900";
    assert!(table.contains(end), "{table}");
    asked(&format!("sessions end {one}")).await;
}
