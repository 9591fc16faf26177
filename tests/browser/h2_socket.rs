//! The WebSocket of a page that came over HTTP/2 goes over that connection too (RFC 8441): shown by
//! Chromium's own log of the network.

use std::fs;

use serde_json::Value;

use crate::{
    ONE,
    chrome::Browser,
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

/// The events of Chromium's log whose header fields hold all of these.
fn events<'l>(log: &'l Value, fields: &[&str]) -> Vec<&'l Value> {
    let has = |event: &Value, field: &str| {
        let headers = event["params"]["headers"].as_array();
        headers.is_some_and(|headers| headers.iter().any(|header| header == field))
    };
    let events = log["events"].as_array().expect("a list of events");
    let holds_all = |event: &&Value| fields.iter().all(|field| has(event, field));
    events.iter().filter(holds_all).collect()
}

#[tokio::test]
async fn the_websocket_itself_goes_over_http_2() {
    let _one = ONE.lock().await;
    let demo = demo().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("net.json");
    let flag = format!("--log-net-log={}", file.display());
    let browser = Browser::start_with(&[&flag]).await;
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "h2", Transport::Socket, Source::Generated).await;
    assert_eq!(page.protocol().await, "h2");
    publish_and_play(&page).await;
    browser.close().await;
    demo.stop().await;

    let log = fs::read(&file).expect("the log is written");
    let log: Value = serde_json::from_slice(&log).expect("the log is whole");
    let sent = &log["constants"]["logEventTypes"]["HTTP2_SESSION_SEND_HEADERS"];
    let mut connects = events(&log, &[":method: CONNECT", ":protocol: websocket"]);
    connects.retain(|event| event["type"] == *sent);
    assert_eq!(connects.len(), 2, "publisher and player");
    let upgrades = events(&log, &["Upgrade: websocket"]);
    assert!(upgrades.is_empty(), "none over HTTP/1.1: {upgrades:?}");
}
