//! GStreamer 1.22 with the elements of gst-plugin-webrtchttp and gst-plugin-webrtc 0.15: VP8 and
//! Opus.

use std::fs;

use http::Method;
use tokio::process::Command;
use whipstitch_minicluster::Config;

use crate::{process::Process, program, programs, setup::Setup};

/// `tests/programs/gstreamer`: the smallest pipeline around the element, kept on loopback.
fn start(setup: &Setup, element: &str, url: &str) -> Process {
    start_for(2, setup, element, url)
}

/// The same, to play this many tracks.
fn start_for(tracks: usize, setup: &Setup, element: &str, url: &str) -> Process {
    let file = |name| setup.deployment.certificate.file(name);
    let pem = ["cert.pem", "key.pem"].map(|name| fs::read_to_string(file(name)).unwrap());
    let mut command = Command::new(program("gstreamer/debug/gstreamer-client"));
    command
        .args([element, url, &tracks.to_string()])
        .env("DTLS_CERTIFICATE", pem.concat())
        // Its plugin registry stays out of the user's files.
        .env("GST_REGISTRY", programs().join("gstreamer/registry.bin"));
    Process::start(setup, &mut command)
}

/// A setup whose nodes accept a certificate that the SDP does not name.
async fn lenient(whep_answers: bool) -> Setup {
    Setup::with(Config {
        check_fingerprints: false,
        whep_answers,
        ..Config::default()
    })
    .await
}

async fn publishes(setup: &Setup, element: &str, url: &str, stream: &str) {
    let client = start(setup, element, url);
    setup.watch(stream).await;
    assert_eq!(setup.published(&Method::POST, stream).len(), 1);
    client.stop().await;
    setup.is_over(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_over_tls() {
    let setup = lenient(false).await;
    publishes(&setup, "whipsink", &setup.https("gst-tls"), "gst-tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_without_tls() {
    let setup = lenient(false).await;
    publishes(&setup, "whipsink", &setup.http("gst-plain"), "gst-plain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipclientsink_publishes_over_tls() {
    let setup = lenient(false).await;
    let url = setup.https("gst-client");
    publishes(&setup, "whipclientsink", &url, "gst-client").await;
}

/// What `whipclientsink` publishes, `whepclientsrc` plays, by the counter-offer.
#[tokio::test(flavor = "multi_thread")]
async fn whepclientsrc_plays_from_a_node_that_offers() {
    let (setup, stream) = (lenient(false).await, "gst-offer");
    let publisher = start(&setup, "whipclientsink", &setup.https(stream));
    setup.watch(stream).await;
    let mut player = start(&setup, "whepclientsrc", &setup.play(stream));
    player.plays().await;
    assert_eq!(setup.played(&Method::PATCH, stream).len(), 1);
    player.stop().await;
    setup.player_is_over(stream).await;
    publisher.stop().await;
    setup.is_over(stream).await;
}

/// `whepclientsrc` gets no sound: it offers `OPUS/48000` without the channels (RFC 7587 §7), and a
/// node that reads it to the letter has no such codec.
#[tokio::test(flavor = "multi_thread")]
async fn whepclientsrc_and_whepsrc_play_from_a_node_that_answers() {
    let (setup, stream) = (lenient(true).await, "gst-answer");
    let publisher = start(&setup, "whipsink", &setup.https(stream));
    setup.watch(stream).await;
    for (element, tracks, stopped) in [("whepclientsrc", 1, 1), ("whepsrc", 2, 2)] {
        let mut player = start_for(tracks, &setup, element, &setup.play(stream));
        player.plays().await;
        assert!(setup.played(&Method::PATCH, stream).is_empty());
        player.stop().await;
        setup.players_are_over(stream, stopped).await;
    }
    publisher.stop().await;
    setup.is_over(stream).await;
}

/// It does not support counter-offers (gst-plugin-webrtchttp 0.15.4, `whepsrc/imp.rs`,
/// `parse_endpoint_response`), and reports that.
#[tokio::test(flavor = "multi_thread")]
async fn whepsrc_cannot_play_from_a_node_that_offers() {
    let (setup, stream) = (lenient(false).await, "gst-refused");
    let publisher = start(&setup, "whipsink", &setup.https(stream));
    setup.watch(stream).await;
    let player = start(&setup, "whepsrc", &setup.play(stream));
    let output = player.gives_up().await;
    assert!(output.contains("Unexpected response: 406"), "{output}");
    publisher.stop().await;
}
