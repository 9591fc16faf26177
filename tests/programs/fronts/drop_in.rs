//! Whipstitch in a Stream Manager 2.0 of `docker compose`, by the overlay of
//! `deploy/stream-manager-2/`.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use http::{Method, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    join,
};
use whipstitch::config::{self, Config, Sources};
use whipstitch_demo::pages;
use whipstitch_minicluster::{Config as ClusterConfig, Server};
use whipstitch_proxy::config::Forwarding;
use whipstitch_signaling::Api;
use whipstitch_tests::{Client, Deployment, Proxy, raw_node::RawNode, websocket::raw};

use crate::{
    chrome::Browser,
    demo_page::{Page, Source, Transport},
    setup::Setup,
};

use super::{
    front::{Front, shipped},
    overlay::Overlay,
    traefik::{self, HOST, Ports},
    visit::{Urls, Visit},
};

/// The manager, Whipstitch as the overlay configures it, and Traefik in front of both.
struct Host {
    deployment: Deployment,
    _proxy: Proxy,
    ports: Ports,
    _traefik: Front,
}

impl Host {
    /// With these variables in `.env`, besides the host's name.
    async fn start(env: &[(&str, &str)]) -> Self {
        let deployment = Deployment::with(ClusterConfig {
            pages: pages(Api::V2),
            ..ClusterConfig::default()
        })
        .await;
        let ports = Ports::free();
        let overlay = Overlay::read(&[&[("TRAEFIK_HOST", HOST)], env].concat());
        let proxy = deployment.proxy_with(configured(&deployment, &overlay, ports));
        let container = BTreeMap::from([
            (8080, proxy.plain.addr().port()),
            (9090, proxy.admin.addr().port()),
        ]);
        let traefik = traefik::start(&deployment, ports, Some((&overlay, container))).await;
        Self {
            deployment,
            _proxy: proxy,
            ports,
            _traefik: traefik,
        }
    }

    fn tls(&self, alpn: &[u8]) -> Client {
        Client::tls(
            self.ports.websecure,
            self.deployment.certificate.client(&[alpn]),
        )
    }

    fn visit<'a>(&'a self, client: &'a Client) -> Visit<'a> {
        Visit {
            deployment: &self.deployment,
            client,
            origin: format!("https://{HOST}:{}", self.ports.websecure.port()),
            urls: Urls::Two,
        }
    }

    /// The requests of the manager whose path begins with this.
    fn asked(&self, path: &str) -> Vec<(Method, String)> {
        let asked = self.deployment.cluster.seen().requests_to(Server::Manager);
        let requests = asked.into_iter().map(|one| (one.method, one.target));
        requests
            .filter(|(_, target)| target.starts_with(path))
            .collect()
    }
}

/// The shipped whipstitch.toml with the environment of the overlay; values that exist only in a
/// container are replaced: addresses, files, and the networks that nodes and Traefik are in.
fn configured(deployment: &Deployment, overlay: &Overlay, ports: Ports) -> Config {
    let environment = ["WHIPSTITCH_PROXY_PUBLIC_URL", "WHIPSTITCH_PROXY_TRUSTED"];
    let set = |name: &str| (OsString::from(name), OsString::from(overlay.value(name)));
    let loaded = config::load(&Sources {
        file: Some(shipped("stream-manager-2/whipstitch.toml")),
        environment: environment.map(set).to_vec(),
        flags: Vec::new(),
        ..Sources::default()
    });
    let mut config = loaded
        .expect("the shipped configuration has no mistake")
        .config;
    assert_eq!(
        config.proxy.public_url.as_deref(),
        Some(&*format!("https://{HOST}"))
    );
    assert_eq!(
        config.stream_manager.url.as_deref(),
        Some("http://as-streams:8080")
    );

    let test = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", ports.services));
    // Traefik is in front of as-streams here and starts later: a probe would fail, and lookups
    // would wait a second.
    config.stream_manager.probe = Duration::ZERO;
    config.proxy.public_url = Some(format!("https://{HOST}:{}", ports.websecure.port()));
    config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    config.sessions.key_file = None;
    config.admin.socket = None;
    config.listen = test.listen;
    config.tls = test.tls;
    config.nodes.port = test.nodes.port;
    config.nodes.allow = test.nodes.allow;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_to_whipstitch_and_back() {
    let host = Host::start(&[]).await;
    for (alpn, stream) in [(&b"http/1.1"[..], "by-h1"), (b"h2", "by-h2")] {
        let client = host.tls(alpn);
        let visit = host.visit(&client);
        visit.publishes_plays_and_ends(stream).await;
        visit.sends_a_long_token(stream).await;
        visit.reads_errors().await;
    }
    assert_eq!(host.asked("/as/v1/proxy/"), [], "nothing went to as-proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_goes_where_it_went() {
    let host = Host::start(&[]).await;
    let client = host.tls(b"h2");
    let healthz = "/as/v1/admin/healthz";
    assert_eq!(client.get(healthz).await.status, 200);
    let forward = "/as/v1/proxy/forward/?target=http%3A%2F%2F192.0.2.1%3A5080%2Flive";
    for method in ["GET", "POST", "PUT", "DELETE"] {
        client.bare(method, forward).await;
    }
    let lookup = "/as/v1/streams/stream/default/publish/live/s1";
    assert_eq!(client.get(lookup).await.status, 200);
    assert_eq!(client.get("/").await.status, 200);
    let get = |target: &str| (Method::GET, target.to_owned());
    assert_eq!(host.asked("/as/v1/admin/"), [get(healthz)]);
    let forwarded = host.asked("/as/v1/proxy/");
    let methods: Vec<&str> = forwarded
        .iter()
        .map(|(method, _)| method.as_str())
        .collect();
    assert_eq!(methods, ["GET", "POST", "PUT", "DELETE"], "as-proxy had it");
    assert!(forwarded.iter().all(|(_, target)| target == forward));
    assert_eq!(host.asked("/as/v1/streams/"), [get(lookup)]);
}

/// The router takes exactly the three kinds of signalling.
#[tokio::test(flavor = "multi_thread")]
async fn paths_that_only_look_alike_stay_with_as_proxy() {
    let host = Host::start(&[]).await;
    let client = host.tls(b"http/1.1");
    for path in [
        "whipped/live/s1",
        "whepper/x",
        "wss/publish/live/s1",
        "",
        "whip",
    ] {
        let target = format!("/as/v1/proxy/{path}");
        client.get(&target).await;
        let asked = host.asked("/as/v1/proxy/");
        assert_eq!(asked.last(), Some(&(Method::GET, target)));
    }
    let other = Request::options("/as/v1/proxy/whip/live/s1").header("host", "other.example.com");
    let refused = client.send(other.body("").unwrap()).await;
    assert_eq!(refused.status, 404, "Traefik knows no such host");
}

/// Without the container Traefik has no router of ours.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_overlay_as_proxy_has_the_sessions_again() {
    let deployment = Deployment::start().await;
    let ports = Ports::free();
    let _traefik = traefik::start(&deployment, ports, None).await;
    let client = Client::tls(ports.websecure, deployment.certificate.client(&[b"h2"]));
    for target in ["/as/v1/proxy/whip/live/s1", "/as/v1/proxy/whep/live/s1"] {
        client.sdp("POST", target, "v=0").await;
        let asked = deployment.cluster.seen().requests_to(Server::Manager);
        assert_eq!(asked.last().map(|one| &*one.target), Some(target));
    }
}

/// TLS ends in the cloud's load balancer, which speaks plain HTTP with Traefik.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_cloud_balancer_session_urls_are_those_of_the_public_name() {
    let host = Host::start(&[("WHIPSTITCH_ENTRYPOINT", "web")]).await;
    let client = Client::plain(host.ports.web);
    assert_eq!(client.get("/as/v1/admin/healthz").await.status, 200);
    let visit = host.visit(&client);
    visit.publishes_plays_and_ends("balanced").await;
    visit.reads_errors().await;
    assert_eq!(host.asked("/as/v1/proxy/"), [], "nothing went to as-proxy");
}

/// Whipstitch has the public port, and uses Traefik as the manager.
#[tokio::test(flavor = "multi_thread")]
async fn in_front_of_everything_the_manager_is_behind_traefik() {
    let (deployment, conference) = (Deployment::start().await, RawNode::start(9).await);
    let ports = Ports {
        conference: Some(conference.addr()),
        ..Ports::free()
    };
    let _traefik = traefik::start(&deployment, ports, None).await;
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{HOST}:{}", ports.web.port()));
    config.stream_manager.api = Api::V2;
    config.proxy.forward = Forwarding::Nodes;
    let proxy = deployment.proxy_with(config);
    for (client, stream) in [(&proxy.h1, "front-h1"), (&proxy.h2, "front-h2")] {
        let visit = Visit {
            deployment: &deployment,
            client,
            origin: format!("https://{HOST}:{}", client.addr().port()),
            urls: Urls::Two,
        };
        visit.publishes_plays_and_ends(stream).await;
        visit.reads_errors().await;
        assert_eq!(client.get("/as/v1/admin/healthz").await.status, 200);
    }

    let target = "/as/v1/conference/ws/room?id=one";
    let ((answer, mut at_client), (head, mut at_manager)) =
        join!(raw(&proxy.h1, target, ""), conference.accept(""));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(head.starts_with(&format!("GET {target} ")), "{head}");
    at_manager.write_all(b"\x81\x02hi").await.unwrap();
    let mut frame = [0; 4];
    at_client.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02hi");

    let node = &deployment.cluster.nodes()[0];
    let to = |host: &str| {
        let port = deployment.cluster.node_port();
        let target = format!("/as/v1/proxy/forward/?target=http%3A%2F%2F{host}%3A{port}%2Flive");
        (
            target.clone(),
            Request::get(target).header("authorization", "Bearer minicluster"),
        )
    };
    let (target, request) = to(&node.ip().to_string());
    proxy.h1.send(request.body("").unwrap()).await;
    let forwarded = || {
        let asked = deployment.cluster.seen().requests_to(Server::Manager);
        let targets = asked.into_iter().map(|one| one.target);
        targets
            .filter(|one| one.starts_with("/as/v1/proxy/"))
            .collect::<Vec<_>>()
    };
    assert_eq!(forwarded(), [target], "as-proxy had it");
    let (_, request) = to("192.0.2.1");
    let refused = proxy.h1.send(request.body("").unwrap()).await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (403, "node-not-allowed")
    );
    assert_eq!(forwarded().len(), 1);
}

/// Real media through a browser, by WHIP and WHEP and by the WebSocket dialogue.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_publishes_and_plays() {
    let _one = Setup::exclusive().await;
    let host = Host::start(&[]).await;
    let url = format!("https://{HOST}:{}", host.ports.websecure.port());
    let browser = Browser::start().await;
    for (stream, transport) in [("page", Transport::Http), ("dialogue", Transport::Socket)] {
        let page = Page::open(&browser, &url, stream, transport, Source::Camera).await;
        page.press("publish").await;
        page.wait_for("publish", "live").await;
        page.press("play").await;
        page.wait_for("play", "live").await;
        page.wait_for_frames("play", 10).await;
        for role in ["play", "publish"] {
            page.press(role).await;
            page.wait_for(role, "idle").await;
        }
    }
    assert_eq!(host.asked("/as/v1/proxy/"), [], "nothing went to as-proxy");
    browser.close().await;
}
