//! How a run of `whipstitch doctor` ends, and what it leaves at the nodes.

use clap::Parser as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use whipstitch::commands;
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::Deployment;

use super::{Line, doctor, examined, https, rows};

#[tokio::test(flavor = "multi_thread")]
async fn players_of_a_live_stream_leave_it_as_they_found_it() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let path = "/live/whip/endpoint/s1";
    let created = proxy.h1.sdp("POST", path, &offer).await;
    assert_eq!(created.status, 201);
    let only_read = "--insecure --only-read --stream s1";
    let (code, document) = examined(&format!("{} {only_read}", https(&proxy))).await;
    assert_eq!(rows(&document, "failed"), [""; 0], "{document:#}");
    assert_eq!(code, 0);
    let played = document["rows"].as_array().unwrap().iter();
    assert!(played.clone().all(|row| row["role"] == "play"));
    assert!(played.len() > 50);
    // This includes clients that treated the node's offer as an error and sent no DELETE.
    let nodes = deployment.cluster.nodes().iter();
    let left = nodes
        .map(whipstitch_minicluster::Node::sessions)
        .sum::<usize>();
    assert_eq!(left, 1, "the publisher");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_no_session() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let url = https(&proxy);
    let line = Line::parse_from(["doctor", &url, "--insecure"]);
    let stop = CancellationToken::new();
    let seen = async {
        // A publisher is running now: a session is open.
        while deployment
            .cluster
            .nodes()
            .iter()
            .all(|node| node.sessions() == 0)
        {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (exit, ()) = tokio::join!(commands::doctor::run(&line.options, stop.clone()), seen);
    assert_eq!((exit.code, &*exit.err), (2, "stopped before the end\n"));
    let nodes = deployment.cluster.nodes().iter();
    let left = nodes
        .map(whipstitch_minicluster::Node::sessions)
        .sum::<usize>();
    assert_eq!(left, 0, "{}", exit.out);
}

#[tokio::test]
async fn an_unusable_target_exits_with_2_and_a_reason() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (line, words) in [
        (
            format!("http://{closed}"),
            "connection refused: nothing listens on port",
        ),
        ("https://host.invalid".to_owned(), "cannot be reached"),
        ("localhost".to_owned(), "is not a URL that can be examined"),
        (
            "https://localhost --client obss".to_owned(),
            "these are: rfc-whip",
        ),
        (
            "https://localhost --only-read --stream s1 --client obs".to_owned(),
            "nothing to play",
        ),
        (
            "https://localhost --ca /nonexistent".to_owned(),
            "/nonexistent",
        ),
        (
            "https://localhost --stream a/b".to_owned(),
            "cannot be a stream's name",
        ),
    ] {
        let exit = doctor(&line).await;
        assert_eq!((exit.code, exit.out.as_str()), (2, ""), "{line}");
        assert!(exit.err.starts_with("error: "), "{line}: {}", exit.err);
        assert!(exit.err.contains(words), "{line}: {}", exit.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_reported() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let exit = doctor(&https(&proxy)).await;
    assert_eq!(exit.code, 2);
    assert!(exit.err.contains("--ca"), "{}", exit.err);
    assert!(exit.err.contains("certificate"), "{}", exit.err);
}
