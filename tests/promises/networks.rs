//! A Stream Manager that chooses the region by the client's address: the proxy sends it the
//! client's address, and answers cached for one network are not used for another.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::{Method, Request};
use whipstitch::config::Config;
use whipstitch_minicluster::{Config as ClusterConfig, Node, NodeConfig, Server, peer::Publisher};
use whipstitch_signaling::Api;
use whipstitch_tests::{Client, Deployment, Proxy, raw_manager::RawManager};

const PLAYERS: usize = 10_000;
const NETWORKS: usize = 200;
/// Clients at once, each with a connection that it keeps.
const AT_ONCE: usize = 64;
/// An offer that every node refuses with 400: a refusal is cheap for a node.
const NO_OFFER: &str = "v=0\r\n";
/// Nodes of a region.
const EACH: usize = 2;

/// A Stream Manager 2.0 with two regions. A client with an odd first octet in its address gets a
/// node of the second, every other one of the first; the nodes of a region take turns.
async fn regional(nodes: Vec<IpAddr>) -> RawManager {
    let turns = [AtomicUsize::new(0), AtomicUsize::new(0)];
    RawManager::start(move |_, client| {
        let octet = client.and_then(|client| client.split('.').next());
        let octet: usize = octet.and_then(|octet| octet.parse().ok()).unwrap_or(0);
        let region = octet % 2;
        let turn = turns[region].fetch_add(1, Ordering::Relaxed) % EACH;
        let node = nodes[region * EACH + turn];
        format!(r#"[{{"streamGuid":"live/s1","serverAddress":"{node}"}}]"#)
    })
    .await
}

/// Four nodes with a live stream, a manager with two regions of two, and a proxy that trusts
/// forwarded headers.
async fn setup(set: impl FnOnce(&mut Config)) -> (Deployment, RawManager, Proxy) {
    let node = |last| NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    let deployment = Deployment::with(ClusterConfig {
        nodes: (2..6).map(node).collect(),
        ..ClusterConfig::default()
    })
    .await;
    let nodes = deployment.cluster.nodes();
    let regional = regional(nodes.iter().map(Node::ip).collect()).await;
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let node = Client::plain(nodes[0].address());
    let created = node.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();
    let mut config = deployment.config();
    config.stream_manager.url = Some(regional.url());
    config.stream_manager.api = Api::V2;
    config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    set(&mut config);
    let proxy = deployment.proxy_with(config);
    (deployment, regional, proxy)
}

fn from(client: &str, method: &str, target: &str) -> Request<&'static str> {
    let mut request = Request::builder().method(method).uri(target);
    if !client.is_empty() {
        request = request.header("x-forwarded-for", client);
    }
    let request = request.header("content-type", "application/sdp");
    request.body(NO_OFFER).unwrap()
}

/// The region of the node that a client's request reached.
async fn region(deployment: &Deployment, proxy: &Proxy, request: Request<&'static str>) -> usize {
    let reply = proxy.h1.send(request).await;
    assert_eq!(reply.status, 400, "the node's own: {}", reply.text());
    let seen = deployment.cluster.seen().requests();
    let Some(Server::Node(node)) = seen.last().map(|request| request.server) else {
        panic!("{seen:?}")
    };
    node / EACH
}

#[tokio::test(flavor = "multi_thread")]
async fn each_network_gets_its_region_and_one_that_is_named_is_shared() {
    let (deployment, regional, proxy) = setup(|config| {
        config.lookup.play_ttl = Duration::from_mins(1);
    })
    .await;
    let play = "/as/v1/proxy/whep/live/s1";
    for (client, expected) in [
        ("20.1.0.1", 0),
        ("21.1.0.1", 1),
        ("20.1.9.9", 0),
        ("21.1.9.9", 1),
        ("6.6.6.6, 21.1.3.3", 1),
    ] {
        let request = from(client, "POST", play);
        assert_eq!(
            region(&deployment, &proxy, request).await,
            expected,
            "{client}"
        );
    }
    let target = "/as/v1/streams/stream/default/subscribe/live/s1";
    let of = |client: &str| (target.to_owned(), Some(client.to_owned()));
    assert_eq!(regional.asked(), [of("20.1.0.1"), of("21.1.0.1")]);

    // Where the client names the region, its network does not matter.
    for client in ["20.1.0.1", "21.1.0.1", "22.1.0.1"] {
        let target = format!("{play}?region=eu");
        region(&deployment, &proxy, from(client, "POST", &target)).await;
    }
    let target = format!("{target}?subgroup=eu&subGroup=eu");
    assert_eq!(regional.asked(), [(target, Some("20.1.0.1".to_owned()))]);

    // A publisher's address is sent each time; an unknown one is not.
    let publish = "/as/v1/proxy/whip/live/new";
    for (client, expected) in [("20.1.0.1", 0), ("21.1.0.1", 1), ("", 0)] {
        let request = from(client, "POST", publish);
        assert_eq!(
            region(&deployment, &proxy, request).await,
            expected,
            "{client}"
        );
    }
    let asked: Vec<_> = regional
        .asked()
        .into_iter()
        .map(|(_, client)| client)
        .collect();
    let named = |client: &str| Some(client.to_owned());
    assert_eq!(asked, [named("20.1.0.1"), named("21.1.0.1"), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_by_network_off_all_share_the_first_answer() {
    let (deployment, regional, proxy) = setup(|config| {
        config.lookup.play_ttl = Duration::from_mins(1);
        config.lookup.by_network = "off".parse().unwrap();
    })
    .await;
    for client in ["21.1.0.1", "20.1.0.1", "22.1.0.1"] {
        let request = from(client, "POST", "/as/v1/proxy/whep/live/s1");
        assert_eq!(region(&deployment, &proxy, request).await, 1, "{client}");
    }
    let asked: Vec<_> = regional
        .asked()
        .into_iter()
        .map(|(_, client)| client)
        .collect();
    assert_eq!(asked, [Some("21.1.0.1".to_owned())]);
}

async fn players(client: &Client, from: usize) {
    let mut kept = client.keep().await;
    for number in (from..PLAYERS).step_by(AT_ONCE) {
        let (network, host) = (number % NETWORKS, number / NETWORKS);
        let target = format!("/as/v1/proxy/whep/live/s1?requestId=subscriber-{number}");
        let client = format!("{}.{}.0.{host}", 20 + network % 100, network / 100);
        let request = Request::post(target)
            .header("x-forwarded-for", client)
            .header("content-type", "application/sdp");
        let reply = kept.send(request.body(NO_OFFER).unwrap()).await;
        assert_eq!(reply.status, 400, "the node's own: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_players_of_two_hundred_networks() {
    let (deployment, regional, proxy) = setup(|_| {}).await;
    let began = Instant::now();
    join_all((0..AT_ONCE).map(|from| players(&proxy.plain, from))).await;
    let took = began.elapsed();
    let seen = deployment.cluster.seen();
    let got: Vec<u64> = (0..2 * EACH)
        .map(|node| seen.received(Server::Node(node), &Method::POST))
        .collect();
    let lookups = regional.asked().len();
    println!("{lookups} lookups in {took:?}; the nodes of two regions got {got:?}");
    // The publisher's own POST went to the first node.
    assert_eq!(got[0] + got[1], 5_001);
    assert_eq!(got[2] + got[3], 5_000);
    for share in &got {
        assert!(share.abs_diff(2_500) <= 250, "{got:?}");
    }
    // At least two answers a network, since one serves 32 of its 50 players; and at most one a
    // network and second, with what is asked before an answer is used up.
    let seconds = usize::try_from(took.as_secs()).unwrap() + 1;
    let most = NETWORKS * (3 + seconds);
    assert!((2 * NETWORKS..=most).contains(&lookups), "{lookups}");
}
