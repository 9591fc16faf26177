//! The manager is down: cached streams keep working, others fail at once, and the recovery is
//! noticed.

use std::time::{Duration, Instant};

use http::Method;
use whipstitch_minicluster::{Fault, Lie, Server, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, deployment::SOON, http::path_of};

/// Streams that were published before.
const KNOWN: usize = 20;
/// The interval between clients' requests.
const EVERY: Duration = Duration::from_millis(50);
const UP: &str = "whipstitch_stream_manager_up";
const HELD_BACK: &str = "whipstitch_stream_manager_breaker_open";

#[derive(Clone, Debug)]
enum Outage {
    Fault(Fault),
    Lie(Lie),
}

async fn strike(deployment: &Deployment, outage: Outage) {
    let manager = deployment.cluster.manager();
    match outage {
        Outage::Fault(fault) => manager.fail(fault).await,
        Outage::Lie(lie) => manager.lie(lie),
    }
}

fn asked(deployment: &Deployment) -> u64 {
    let seen = deployment.cluster.seen();
    seen.received(Server::Manager, &Method::GET)
}

/// Publishes and stops; returns how long the POST took.
async fn publish(proxy: &Proxy, stream: usize, offer: &str) -> Duration {
    let target = format!("/live/whip/endpoint/known{stream}");
    let began = Instant::now();
    let created = proxy.plain.sdp("POST", &target, offer).await;
    let took = began.elapsed();
    assert_eq!(created.status, 201, "known{stream}: {}", created.text());
    let session = path_of(created.header("location"));
    assert_eq!(proxy.plain.bare("DELETE", &session).await.status, 200);
    took
}

/// Publishes cached streams, one after the other, for a time; returns the longest POST.
async fn publish_for(proxy: &Proxy, time: Duration, offer: &str) -> Duration {
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut pace = tokio::time::interval(EVERY);
    for stream in (0..KNOWN).cycle() {
        pace.tick().await;
        if began.elapsed() >= time {
            break;
        }
        slowest = slowest.max(publish(proxy, stream, offer).await);
    }
    slowest
}

/// Asks for a stream that is not cached: a 503 that names the cause and when to retry.
async fn unknown(proxy: &Proxy, name: &str) -> Duration {
    let began = Instant::now();
    let reply = proxy
        .plain
        .bare("OPTIONS", &format!("/live/whip/endpoint/{name}"))
        .await;
    let took = began.elapsed();
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (503, "manager-unavailable")
    );
    let again: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&again), "{again}");
    took
}

/// Ends the outage: an uncached stream is found soon.
async fn is_over(deployment: &Deployment, proxy: &Proxy, name: &str) {
    let healed = Instant::now();
    deployment.cluster.manager().heal().await;
    let mut pace = tokio::time::interval(EVERY);
    let target = format!("/live/whip/endpoint/{name}");
    while proxy.plain.bare("OPTIONS", &target).await.status != 200 {
        pace.tick().await;
        assert!(healed.elapsed() < SOON);
    }
    let took = healed.elapsed();
    println!("a new stream {took:?} after the end");
    assert!(took < Duration::from_secs(2), "{took:?}");
    proxy.until_metric(UP, 1.0).await;
    proxy.until_metric(HELD_BACK, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_streams_keep_working_and_unknown_ones_fail_fast() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.timeout = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    for stream in 0..KNOWN {
        publish(&proxy, stream, &offer).await;
    }
    let outages = [
        (Outage::Fault(Fault::Refuse), 1),
        (Outage::Fault(Fault::BlackHole), 2),
        (Outage::Fault(Fault::Status(500, "broken".into())), 5),
        (Outage::Lie(Lie::Garbage), 2),
    ];
    for (round, (outage, seconds)) in outages.into_iter().enumerate() {
        strike(&deployment, outage.clone()).await;
        // The first requests detect the outage.
        for number in 0..8 {
            unknown(&proxy, &format!("first{round}-{number}")).await;
        }
        proxy.until_metric(UP, 0.0).await;
        proxy.until_metric(HELD_BACK, 1.0).await;
        let mut fast = Vec::new();
        for number in 0..21 {
            fast.push(unknown(&proxy, &format!("fast{round}-{number}")).await);
        }
        fast.sort_unstable();
        let before = asked(&deployment);
        let slowest = publish_for(&proxy, Duration::from_secs(seconds), &offer).await;
        let probes = asked(&deployment) - before;
        println!(
            "{outage:?}: unknown streams in {:?} (median), {:?} at most; known ones in {slowest:?} at most; \
             {probes} questions in {seconds} s",
            fast[10], fast[20]
        );
        assert!(fast[10] < Duration::from_millis(50), "{outage:?}: {fast:?}");
        assert!(
            fast[20] < Duration::from_millis(250),
            "{outage:?}: {fast:?}"
        );
        assert!(slowest < Duration::from_secs(1), "{outage:?}: {slowest:?}");
        assert!(probes <= seconds + 1, "{outage:?}: {probes} in {seconds} s");
        is_over(&deployment, &proxy, &format!("new{round}")).await;
    }
}
