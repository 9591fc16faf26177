//! Which of a client's hints reach the manager, and how often.

use futures_util::future::join_all;
use http::Request;
use whipstitch_minicluster::{Action, Config, Fault, Server, StreamKey};
use whipstitch_tests::{Deployment, Proxy, deployment::SOON};

const CALLERS: usize = 1_000;

async fn options(proxy: &Proxy, target: &str) -> u16 {
    let reply = proxy.h1.bare("OPTIONS", target).await;
    reply.status.as_u16()
}

fn asked(deployment: &Deployment) -> Vec<String> {
    deployment.cluster.seen().lookup_targets()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_the_manager_does_not_know_is_looked_up_by_its_base() {
    let deployment = Deployment::with(Config {
        provisions: vec![StreamKey::new("live", "stream1")],
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let target = "/live/whip/endpoint/stream1_2?signal=true&transcode=true";
    for _ in 0..2 {
        assert_eq!(options(&proxy, target).await, 200);
    }
    let of = |name: &str| format!("live/{name}?action=broadcast&transcode=true");
    assert_eq!(
        asked(&deployment),
        [
            of("stream1_2"),
            of("stream1"),
            of("stream1_2"),
            of("stream1")
        ],
        "for each publish: with it the manager hands the provision to the node"
    );
    let transcoder = deployment.cluster.nodes().len() - 1;
    let reached = deployment
        .cluster
        .seen()
        .requests_to(Server::Node(transcoder));
    assert_eq!(reached.len(), 2);
    assert!(
        reached.iter().all(|request| request.target == target),
        "{reached:?}"
    );

    // Without a transcoder or a variant's name there is one lookup.
    assert_eq!(options(&proxy, "/live/whip/endpoint/other_2").await, 200);
    assert_eq!(
        options(&proxy, "/live/whep/endpoint/stream1_2?transcode=true").await,
        409
    );
    assert_eq!(asked(&deployment).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_pass_byte_for_byte_and_different_hints_are_separate_lookups() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let all = "region=us%2Deast-1&zone=a+b%20c&strict=false&transcode=&geozone=";
    let target = format!("/live/whip/endpoint/s1?signal=true&{all}&token=x&host2=y");
    assert_eq!(options(&proxy, &target).await, 200);
    assert_eq!(
        asked(&deployment),
        [format!("live/s1?action=broadcast&{all}")]
    );

    for hints in [
        "region=us-east-1",
        "region=eu",
        "",
        "region=eu",
        "region=us-east-1",
        "strict=true",
    ] {
        let target = format!("/live/whip/endpoint/s1?{hints}&signal=true");
        assert_eq!(options(&proxy, &target).await, 200, "{hints}");
    }
    let expected = [
        "&region=us-east-1",
        "&region=eu",
        "",
        "&region=eu",
        "&region=us-east-1",
        "&strict=true",
    ];
    let expected = expected.map(|hints| format!("live/s1?action=broadcast{hints}"));
    assert_eq!(asked(&deployment)[1..], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_endpoints_is_the_clients_if_it_gives_one() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for role in ["whip", "whep"] {
        let target = format!("/live/{role}/endpoint/s1?endpoints=3&region=eu");
        options(&proxy, &target).await;
    }
    let asked = deployment.cluster.seen().lookup_targets();
    let hints = "&endpoints=3&region=eu";
    assert_eq!(
        asked,
        ["broadcast", "subscribe"].map(|action| format!("live/s1?action={action}{hints}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_callers_of_whom_half_hang_up_are_one_lookup() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.limits.in_flight = 2 * CALLERS;
    config.stream_manager.timeout = SOON;
    let proxy = deployment.proxy_with(config);
    let manager = deployment.cluster.manager();
    manager.fail(Fault::Delay(SOON)).await;

    let mut connections = Vec::new();
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        if number % 50 == 0 {
            connections.push(proxy.h2.keep().await);
        }
        let request = Request::options("/live/whip/endpoint/s1").body("").unwrap();
        callers.push(connections.last_mut().unwrap().begin(request).await);
    }
    let in_flight = "whipstitch_requests_in_flight";
    proxy.until_metric(in_flight, 1_000.0).await;
    // Among them the very first, whose lookup the manager gets.
    let stayed = callers.split_off(CALLERS / 2);
    drop(callers);
    proxy.until_metric(in_flight, 500.0).await;
    manager.heal().await;
    let replies = join_all(stayed).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let lookups = deployment
        .cluster
        .seen()
        .lookups(Action::Broadcast, "live", "s1");
    assert_eq!(
        (lookups, deployment.cluster.seen().lookup_targets().len()),
        (1, 1)
    );
}
