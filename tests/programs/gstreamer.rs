//! GStreamer 1.22 with the elements of gst-plugin-webrtchttp and gst-plugin-webrtc 0.15: VP8 and
//! Opus.

use std::fs;

use http::Method;
use tokio::process::Command;
use whipstitch_minicluster::Config;

use crate::{process::Process, program, programs, stage::Stage};

/// `tests/programs/gstreamer`: the smallest pipeline around the element, kept on loopback.
fn start(stage: &Stage, element: &str, url: &str) -> Process {
    start_for(2, stage, element, url)
}

/// The same, for so many tracks to play.
fn start_for(tracks: usize, stage: &Stage, element: &str, url: &str) -> Process {
    let file = |name| stage.deployment.certificate.file(name);
    let pem = ["cert.pem", "key.pem"].map(|name| fs::read_to_string(file(name)).unwrap());
    let mut command = Command::new(program("gstreamer/debug/gstreamer-client"));
    command
        .args([element, url, &tracks.to_string()])
        .env("DTLS_CERTIFICATE", pem.concat())
        // What it has found out about its plugins stays out of the user's files.
        .env("GST_REGISTRY", programs().join("gstreamer/registry.bin"));
    Process::start(stage, &mut command)
}

/// A stage whose nodes take a certificate that the SDP does not name.
async fn set(whep_answers: bool) -> Stage {
    Stage::with(Config {
        check_fingerprints: false,
        whep_answers,
        ..Config::default()
    })
    .await
}

async fn publishes(stage: &Stage, element: &str, url: &str, stream: &str) {
    let client = start(stage, element, url);
    stage.watch(stream).await;
    assert_eq!(stage.published(&Method::POST, stream).len(), 1);
    client.stop().await;
    stage.is_over(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_over_tls() {
    let stage = set(false).await;
    publishes(&stage, "whipsink", &stage.https("gst-tls"), "gst-tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_without_tls() {
    let stage = set(false).await;
    publishes(&stage, "whipsink", &stage.http("gst-plain"), "gst-plain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipclientsink_publishes_over_tls() {
    let stage = set(false).await;
    let url = stage.https("gst-client");
    publishes(&stage, "whipclientsink", &url, "gst-client").await;
}

/// What `whipclientsink` publishes, `whepclientsrc` plays, by the counter-offer.
#[tokio::test(flavor = "multi_thread")]
async fn whepclientsrc_plays_from_a_node_that_offers() {
    let (stage, stream) = (set(false).await, "gst-offer");
    let publisher = start(&stage, "whipclientsink", &stage.https(stream));
    stage.watch(stream).await;
    let mut player = start(&stage, "whepclientsrc", &stage.play(stream));
    player.plays().await;
    assert_eq!(stage.played(&Method::PATCH, stream).len(), 1);
    player.stop().await;
    stage.player_is_over(stream).await;
    publisher.stop().await;
    stage.is_over(stream).await;
}

/// `whepclientsrc` gets no sound: it offers `OPUS/48000` without the channels (RFC 7587 §7), and a
/// node that reads it to the letter has no such codec.
#[tokio::test(flavor = "multi_thread")]
async fn whepclientsrc_and_whepsrc_play_from_a_node_that_answers() {
    let (stage, stream) = (set(true).await, "gst-answer");
    let publisher = start(&stage, "whipsink", &stage.https(stream));
    stage.watch(stream).await;
    for (element, tracks, stopped) in [("whepclientsrc", 1, 1), ("whepsrc", 2, 2)] {
        let mut player = start_for(tracks, &stage, element, &stage.play(stream));
        player.plays().await;
        assert!(stage.played(&Method::PATCH, stream).is_empty());
        player.stop().await;
        stage.players_are_over(stream, stopped).await;
    }
    publisher.stop().await;
    stage.is_over(stream).await;
}

/// It knows no counter-offer (gst-plugin-webrtchttp 0.15.4, `whepsrc/imp.rs`,
/// `parse_endpoint_response`), and says so.
#[tokio::test(flavor = "multi_thread")]
async fn whepsrc_cannot_play_from_a_node_that_offers() {
    let (stage, stream) = (set(false).await, "gst-refused");
    let publisher = start(&stage, "whipsink", &stage.https(stream));
    stage.watch(stream).await;
    let player = start(&stage, "whepsrc", &stage.play(stream));
    let said = player.gives_up().await;
    assert!(said.contains("Unexpected response: 406"), "{said}");
    publisher.stop().await;
}
