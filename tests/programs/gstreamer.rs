//! GStreamer 1.22 with `whipsink` 0.14: VP8 and Opus, over TLS and without.

use std::{fs, process::Stdio};

use http::Method;
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use whipstitch_minicluster::Config;

use crate::{
    program, programs,
    stage::{PATIENCE, Stage},
};

/// `tests/programs/gstreamer`: the smallest pipeline around it, kept on loopback.
fn start(stage: &Stage, url: &str) -> Child {
    let file = |name| stage.deployment.certificate.file(name);
    let pem = ["cert.pem", "key.pem"].map(|name| fs::read_to_string(file(name)).unwrap());
    Command::new(program("gstreamer/debug/gstreamer-client"))
        .arg(url)
        // What it trusts over TLS: our throw-away certificate, checked as any other.
        .env("SSL_CERT_FILE", file("cert.pem"))
        .env("DTLS_CERTIFICATE", pem.concat())
        // What it has found out about its plugins stays out of the user's files.
        .env("GST_REGISTRY", programs().join("gstreamer/registry.bin"))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("GStreamer starts")
}

/// Lets it stop its pipeline, which is what makes the element leave.
async fn stop(mut client: Child) {
    drop(client.stdin.take());
    let ended = timeout(PATIENCE, client.wait()).await;
    assert!(ended.expect("it ends in time").unwrap().success());
}

/// A stage whose nodes take a certificate that the SDP does not name.
async fn set() -> Stage {
    Stage::with(Config {
        check_fingerprints: false,
        ..Config::default()
    })
    .await
}

async fn publishes(stage: &Stage, url: &str, stream: &str) {
    let client = start(stage, url);
    stage.watch(stream).await;
    assert_eq!(stage.requests(&Method::POST, stream).len(), 1);
    stop(client).await;
    stage.is_over(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_over_tls() {
    let stage = set().await;
    publishes(&stage, &stage.https("gst-tls"), "gst-tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whipsink_publishes_without_tls() {
    let stage = set().await;
    publishes(&stage, &stage.http("gst-plain"), "gst-plain").await;
}
