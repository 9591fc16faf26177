//! The demo page in headless Chromium: real media through the real proxy.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is a test: to panic is to fail it"
)]

mod axe;
mod busy;
mod chrome;
mod failover;
mod h2_socket;
mod lookup;
mod page;
mod screens;
mod showcase;
mod status;
mod studio;

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::Duration,
};

use chrome::Browser;
use page::{Page, Source, Transport};
use tokio::{sync::Mutex, time::timeout};
use whipstitch_demo::{Demo, Options};
use whipstitch_signaling::Api;

/// One browser at a time: each encodes and decodes video in software.
static ONE: Mutex<()> = Mutex::const_new(());

const NODES: [&str; 2] = ["127.0.0.2", "127.0.0.3"];

async fn demo() -> Demo {
    Demo::start(Options::free_ports())
        .await
        .expect("the demo starts")
}

/// Publishes and plays, and leaves both running.
async fn publish_and_play(page: &Page<'_>) {
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    page.press("play").await;
    page.wait_for("play", "live").await;
    page.wait_for_frames("play", 10).await;
    assert!(
        page.decoded_frames().await > 0,
        "the video element has decoded frames"
    );
    for role in ["publish", "play"] {
        page.wait_for_node(role, &NODES).await;
        let media = page.text(role, "media").await;
        assert!(
            NODES.iter().any(|address| media.starts_with(address)),
            "{role}: media goes to a node: {media:?}"
        );
    }
}

#[tokio::test]
async fn publishes_and_plays_over_whip_and_whep() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "whip",
        Transport::Http,
        Source::Camera,
    )
    .await;
    assert_eq!(page.protocol().await, "h2");
    publish_and_play(&page).await;
    assert_eq!(
        page.steps("play").await,
        [
            "Lookup and options",
            "Node’s offer",
            "Our answer",
            "Candidates",
            "Connected",
            "First frame"
        ]
    );
    page.press("play").await;
    page.wait_for("play", "idle").await;
    page.press("publish").await;
    page.wait_for("publish", "idle").await;

    // What was stopped can be started again at once: the name is free.
    publish_and_play(&page).await;
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

/// As a page in front of Stream Manager 2.0 does, over both kinds of signalling.
#[tokio::test]
async fn publishes_and_plays_with_stream_manager_2() {
    let _one = ONE.lock().await;
    let options = Options {
        api: Api::V2,
        ..Options::free_ports()
    };
    let demo = Demo::start(options).await.expect("the demo starts");
    let browser = Browser::start().await;
    for (stream, transport, path) in [
        ("two-whip", Transport::Http, "/as/v1/proxy/w"),
        ("two-socket", Transport::Socket, "/as/v1/streams/stream/"),
    ] {
        let url = demo.https_url();
        let page = Page::open(&browser, &url, stream, transport, Source::Camera).await;
        publish_and_play(&page).await;
        assert!(page.asked(path).await > 0, "{stream}: by {path}");
        assert_eq!(page.asked("/streammanager/").await, 0, "{stream}");
        for role in ["play", "publish"] {
            page.press(role).await;
            page.wait_for(role, "idle").await;
        }
    }
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

/// Statistics that were requested before a stop and arrive after it change nothing.
#[tokio::test]
async fn what_was_stopped_stays_stopped() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "late", Transport::Http, Source::Generated).await;
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    page.hold_figures().await;
    page.press("publish").await;
    page.wait_for("publish", "idle").await;
    assert_eq!(page.release_figures("publish").await, "idle");
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn publishes_and_plays_over_the_websocket_dialogue() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "socket",
        Transport::Socket,
        Source::Generated,
    )
    .await;
    publish_and_play(&page).await;
    for role in ["publish", "play"] {
        page.wait_for_text(role, "signalling", "Data channel").await;
    }
    let before = page.frames("play").await;
    page.wait_for_frames("play", before + 30).await;

    page.press("publish").await;
    page.wait_for("publish", "idle").await;
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn publishes_and_plays_over_plain_localhost() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    for (stream, transport) in [
        ("plain-whip", Transport::Http),
        ("plain-socket", Transport::Socket),
    ] {
        let page = Page::open(
            &browser,
            &demo.http_url(),
            stream,
            transport,
            Source::Camera,
        )
        .await;
        assert_eq!(page.protocol().await, "http/1.1");
        publish_and_play(&page).await;
    }
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

/// This machine's address towards others; loopback where there is no network.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    // Connecting a UDP socket sends nothing: it only asks the system for the route (TEST-NET-3, RFC
    // 5737).
    match socket
        .connect("203.0.113.1:9")
        .and_then(|()| socket.local_addr())
    {
        Ok(address) => address.ip(),
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

/// The purpose of `--address`.
#[tokio::test]
async fn media_goes_to_the_address_that_was_given() {
    let _one = ONE.lock().await;
    let address = own_address();
    let options = Options {
        address: Some(address),
        ..Options::free_ports()
    };
    let demo = Demo::start(options).await.expect("the demo starts");
    let browser = Browser::start().await;
    assert!(
        demo.https_url().starts_with(&format!("https://{address}:")),
        "{}",
        demo.https_url()
    );
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "elsewhere",
        Transport::Http,
        Source::Camera,
    )
    .await;
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    page.press("play").await;
    page.wait_for("play", "live").await;
    page.wait_for_frames("play", 10).await;
    for role in ["publish", "play"] {
        let media = page.text(role, "media").await;
        assert!(
            media.starts_with(&format!("{address}:")),
            "{role}: {media:?}"
        );
        page.wait_for_node(role, &NODES).await;
    }
    browser.close().await;
    demo.stop().await;
}

/// A stop does not wait for players, and the page notices it.
#[tokio::test]
async fn stops_while_a_player_watches() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "watched", Transport::Socket, Source::Camera).await;
    publish_and_play(&page).await;
    timeout(Duration::from_secs(6), demo.stop())
        .await
        .expect("the demo stops in time");
    page.wait_for("play", "stalled").await;
    browser.close().await;
}

#[tokio::test]
async fn says_in_words_what_went_wrong() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    for transport in [Transport::Http, Transport::Socket] {
        let page = Page::open(
            &browser,
            &demo.https_url(),
            "missing",
            transport,
            Source::Generated,
        )
        .await;
        page.press("play").await;
        page.wait_for("play", "waiting").await;
        let words = page.text("play", "trouble").await;
        assert!(
            words.contains("Start publishing under this scope and name"),
            "{transport:?}: {words:?}"
        );
    }

    let other = Page::open(
        &browser,
        &demo.https_url(),
        "taken",
        Transport::Http,
        Source::Generated,
    )
    .await;
    other.press("publish").await;
    other.wait_for("publish", "live").await;
    let first = browser.client.window().await.expect("a window");
    for transport in [Transport::Http, Transport::Socket] {
        let second = browser.client.new_window(true).await.expect("a second tab");
        browser
            .client
            .switch_to_window(second.handle)
            .await
            .expect("the second tab");
        let page = Page::open(
            &browser,
            &demo.https_url(),
            "taken",
            transport,
            Source::Generated,
        )
        .await;
        page.press("publish").await;
        page.wait_for("publish", "failed").await;
        let words = page.text("publish", "trouble").await;
        assert!(
            words.contains("Choose another stream name"),
            "{transport:?}: {words:?}"
        );
        browser.client.close_window().await.expect("the tab closes");
        browser
            .client
            .switch_to_window(first.clone())
            .await
            .expect("the first tab");
    }
    browser.close().await;
    demo.stop().await;
}
