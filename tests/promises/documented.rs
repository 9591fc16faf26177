//! Requests as Red5's documents and Red5's own pages have them, before a manager that is as strict
//! as the documents, with the proxy's defaults: for Stream Manager 1.x and for 2.0.

use http::Method;
use whipstitch::config::Config;
use whipstitch_minicluster::{
    Action, Config as ClusterConfig, Distributed, Fault, Lie, NodeConfig, Role, Server, StreamKey,
    peer::Publisher,
};
use whipstitch_signaling::Api;
use whipstitch_tests::{Deployment, Proxy, Reply, deployment::SOON, http::path_of};

const APIS: [Api; 2] = [Api::V1, Api::V2];

fn node(last: u8, region: &str, role: Role) -> NodeConfig {
    NodeConfig {
        region: region.to_owned(),
        geozone: Some("west".to_owned()),
        role,
        ..NodeConfig::new([127, 0, 0, last].into())
    }
}

/// One node in `us`, two in `eu`: a lookup with `strict` soon demands too much of them.
async fn regions() -> Deployment {
    Deployment::with(ClusterConfig {
        nodes: vec![
            node(2, "us", Role::AllInOne),
            node(3, "eu", Role::AllInOne),
            node(4, "eu", Role::AllInOne),
        ],
        ..ClusterConfig::default()
    })
    .await
}

/// An origin and a transcoder, and a provision of `s1`.
async fn transcoder() -> Deployment {
    Deployment::with(ClusterConfig {
        nodes: vec![
            node(2, "us", Role::Origin),
            node(3, "us", Role::Edge),
            node(4, "us", Role::Transcoder),
        ],
        provisions: vec![StreamKey::new("live", "s1")],
        ..ClusterConfig::default()
    })
    .await
}

fn config(deployment: &Deployment, api: Api) -> Config {
    let mut config = deployment.config();
    config.stream_manager.api = api;
    config
}

fn proxy(deployment: &Deployment, api: Api) -> Proxy {
    deployment.proxy_with(config(deployment, api))
}

fn target(api: Api, role: &str, stream: &str, query: &str) -> String {
    match api {
        Api::V1 => format!("/live/{role}/endpoint/{stream}?{query}"),
        Api::V2 => format!("/as/v1/proxy/{role}/live/{stream}?{query}"),
    }
}

/// A session of real media, from `OPTIONS` to the connection.
struct Session {
    peer: Publisher,
    path: String,
}

async fn publish(proxy: &Proxy, target: &str) -> Session {
    assert_eq!(
        proxy.h1.bare("OPTIONS", target).await.status,
        200,
        "{target}"
    );
    let peer = Publisher::new().await.unwrap();
    let offer = peer.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", target, &offer).await;
    assert_eq!(created.status, 201, "{target}: {}", created.text());
    peer.answer(&created.text()).await.unwrap();
    peer.wait_connected(SOON).await.unwrap();
    let path = path_of(created.header("location"));
    Session { peer, path }
}

impl Session {
    async fn end(self, proxy: &Proxy) {
        assert_eq!(proxy.h1.bare("DELETE", &self.path).await.status, 200);
        self.peer.close().await;
    }
}

/// The nodes that got a `POST`.
fn posted(deployment: &Deployment) -> Vec<usize> {
    let seen = deployment.cluster.seen();
    let nodes = 0..deployment.cluster.nodes().len();
    nodes
        .filter(|node| seen.received(Server::Node(*node), &Method::POST) > 0)
        .collect()
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.problem())
}

/// `region` and `strict` together, as Red5's own pages send them: one node there is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_with_one_node_is_enough_for_strict() {
    for api in APIS {
        let deployment = regions().await;
        let proxy = proxy(&deployment, api);
        let hints = "region=us&strict=true";
        let session = publish(&proxy, &target(api, "whip", "s1", hints)).await;
        assert_eq!(posted(&deployment), [0], "{api:?}");
        let play = target(api, "whep", "s1", &format!("requestId=a&{hints}"));
        let played = proxy.h1.sdp("POST", &play, "").await;
        assert_eq!(played.status, 201, "{api:?}: {}", played.text());
        assert_eq!(posted(&deployment), [0], "{api:?}");
        session.end(&proxy).await;

        // And a region that has none is an error, not another region.
        let nowhere = "region=mars&strict=true";
        let publish = target(api, "whip", "s2", nowhere);
        let reply = proxy.h1.sdp("POST", &publish, "v=0").await;
        assert_eq!(refused(&reply), (503, "no-node".to_owned()), "{api:?}");
        assert_eq!(posted(&deployment), [0], "{api:?}");
    }
}

/// `endpoints` is the client's own: the manager gets the number that the client sends.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_endpoints_is_the_clients() {
    for api in APIS {
        let deployment = regions().await;
        let proxy = proxy(&deployment, api);
        for (hints, status) in [
            ("region=eu&strict=true&endpoints=2", 200),
            ("region=eu&strict=true&endpoints=3", 503),
            ("region=us&strict=true&endpoints=2", 503),
            ("region=us&endpoints=2", 200),
            ("strict=true", 200),
            ("strict=true&endpoints=3", 200),
        ] {
            let asked = target(api, "whip", "s1", hints);
            let reply = proxy.h1.bare("OPTIONS", &asked).await;
            assert_eq!(reply.status, status, "{api:?} {hints}");
        }
        let asked = deployment.cluster.seen().lookup_targets();
        for question in &asked {
            let number = question.matches("endpoints=").count();
            assert!(number <= 1, "{question}");
        }
    }
}

/// A geozone has to give as many nodes as are asked for; the proxy asks for no more than the client
/// does.
#[tokio::test(flavor = "multi_thread")]
async fn a_geozone_gives_what_it_has() {
    let mut cluster = ClusterConfig::default();
    cluster.nodes[0].geozone = Some("west".to_owned());
    let deployment = Deployment::with(cluster).await;
    let proxy = proxy(&deployment, Api::V1);
    for (hints, status) in [
        ("geozone=west", 200),
        ("geozone=west&strict=true", 200),
        ("geozone=west&endpoints=2", 503),
        ("geozone=east", 503),
    ] {
        let asked = target(Api::V1, "whip", "s1", hints);
        let reply = proxy.h1.bare("OPTIONS", &asked).await;
        assert_eq!(reply.status, status, "{hints}");
    }
}

/// The first of the list is published to; the origin behind it is no spare.
#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_is_published_to_and_its_origin_never() {
    for api in APIS {
        let deployment = transcoder().await;
        let proxy = proxy(&deployment, api);
        // By its variant, as Red5's pages do over WHIP.
        let asked = target(api, "whip", "s1_1", "transcode=true");
        publish(&proxy, &asked).await.end(&proxy).await;
        assert_eq!(posted(&deployment), [2], "{api:?}");

        deployment.cluster.nodes()[2].fail(Fault::Refuse).await;
        let offer = Publisher::new().await.unwrap().offer().await.unwrap();
        let reply = proxy.h1.sdp("POST", &asked, &offer).await;
        assert!(reply.status.is_server_error(), "{api:?} {reply:?}");
        assert_eq!(posted(&deployment), [2], "{api:?}: not at the origin");
    }
}

/// 2.0: without a provision of the stream there is no transcoder, and no other node is used. (What
/// looks like a variant is asked for by its base, too, if the manager knows no such stream.)
#[tokio::test(flavor = "multi_thread")]
async fn without_a_provision_nothing_is_transcoded() {
    let deployment = transcoder().await;
    let proxy = proxy(&deployment, Api::V2);
    for (stream, hints, status) in [
        ("s1", "transcode=true", 200),
        ("s1_3", "transcode=true", 200),
        ("s1_2", "transcode=true&endpoints=1", 200),
        ("s2", "transcode=true", 503),
        ("s1", "transcode=true&endpoints=2", 503),
    ] {
        let asked = target(Api::V2, "whip", stream, hints);
        let reply = proxy.h1.bare("OPTIONS", &asked).await;
        assert_eq!(reply.status, status, "{stream} {hints}");
    }
}

/// Each publish is a lookup of its own: only a lookup takes the provision to the transcoder.
#[tokio::test(flavor = "multi_thread")]
async fn every_transcoded_publish_distributes_its_provision() {
    for api in APIS {
        let deployment = transcoder().await;
        let proxy = proxy(&deployment, api);
        let asked = target(api, "whip", "s1_1", "transcode=true");
        for number in 1..=3 {
            let session = publish(&proxy, &asked).await;
            let distributed = deployment.cluster.seen().distributed();
            let transcoders = distributed.iter().filter(|each| each.node == 2);
            assert_eq!(transcoders.count(), number, "{api:?} {distributed:?}");
            // The transcoder's variant is live.
            let play = target(api, "whep", "s1_2", "requestId=a");
            let played = proxy.h1.sdp("POST", &play, "").await;
            assert_eq!(played.status, 201, "{api:?}: {}", played.text());
            let path = path_of(played.header("location"));
            assert!(proxy.h1.bare("DELETE", &path).await.status.is_success());
            session.end(&proxy).await;
        }
        let all: Vec<Distributed> = deployment.cluster.seen().distributed();
        assert!(all.iter().all(|each| each.provision == "live/s1"));
    }
}

/// The manager has shuffled the list already: the publisher goes to its first node.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_the_list_is_published_to() {
    for api in APIS {
        let deployment = regions().await;
        let proxy = proxy(&deployment, api);
        let nodes = ["127.0.0.4", "127.0.0.2", "127.0.0.3"].map(ToOwned::to_owned);
        let lie = Lie::ServerAddresses(nodes.to_vec());
        deployment.cluster.manager().lie(lie);
        for stream in ["s1", "s2", "s3"] {
            let asked = target(api, "whip", stream, "endpoints=3");
            publish(&proxy, &asked).await.end(&proxy).await;
        }
        assert_eq!(posted(&deployment), [2], "{api:?}");
    }
}

/// A player of 2.0 names its region in either spelling of the documents.
#[tokio::test(flavor = "multi_thread")]
async fn a_player_of_2_0_gets_the_region_that_it_names() {
    let deployment = regions().await;
    let proxy = proxy(&deployment, Api::V2);
    let asked = target(Api::V2, "whip", "s1", "");
    let session = publish(&proxy, &asked).await;
    let before = posted(&deployment);
    for (number, hint) in ["region=eu", "subgroup=eu"].into_iter().enumerate() {
        let hints = format!("requestId=p{number}&{hint}&strict=true");
        let play = target(Api::V2, "whep", "s1", &hints);
        let played = proxy.h1.sdp("POST", &play, "").await;
        assert_eq!(played.status, 201, "{hint}: {}", played.text());
        let path = path_of(played.header("location"));
        assert!(proxy.h1.bare("DELETE", &path).await.status.is_success());
    }
    let after = posted(&deployment);
    let more = after.iter().filter(|node| !before.contains(node));
    assert!(more.clone().count() > 0);
    assert!(more.copied().all(|node| node > 0));
    let mars = target(Api::V2, "whep", "s1", "region=mars&strict=true");
    let reply = proxy.h1.sdp("POST", &mars, "").await;
    assert_eq!(reply.status, 409, "{}", reply.text());
    session.end(&proxy).await;
    let seen = deployment.cluster.seen();
    assert!(seen.lookups(Action::Subscribe, "live", "s1") >= 2);
}
