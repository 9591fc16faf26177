//! The Stream Manager behind a gateway: TLS of a private authority, another name, a base path, a
//! prefix that is dropped.

use std::{fs, path::PathBuf};

use whipstitch::config::Config;
use whipstitch_minicluster::{Config as ClusterConfig, Page, peer::Publisher};
use whipstitch_signaling::Api;
use whipstitch_tests::{Deployment, gateway::Gateway};

const PAGE: Page = Page {
    path: "/index.html",
    content_type: "text/html",
    body: b"<h1>the manager's own</h1>",
};

async fn deployment() -> Deployment {
    Deployment::with(ClusterConfig {
        pages: vec![PAGE],
        ..ClusterConfig::default()
    })
    .await
}

/// A proxy that reaches the manager through this gateway.
fn behind(deployment: &Deployment, gateway: &Gateway, path: &str) -> Config {
    let mut config = deployment.config();
    config.stream_manager.url = Some(gateway.url(path));
    config.stream_manager.ca_file = Some(gateway.ca_file());
    config
}

async fn gateway(
    deployment: &Deployment,
    name: &str,
    paths: (&'static str, &'static str),
) -> Gateway {
    Gateway::start(name, paths, deployment.cluster.manager().address()).await
}

async fn offer() -> String {
    let publisher = Publisher::new().await.unwrap();
    publisher.offer().await.unwrap()
}

/// A file with the administration's token.
fn token(deployment: &Deployment) -> PathBuf {
    let path = deployment.certificate.file("token");
    fs::write(&path, "minicluster").unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_pages_and_the_node_list_use_the_same_address() {
    let deployment = deployment().await;
    let gateway = gateway(&deployment, "sm.example.com", ("/red5/sm/", "/")).await;
    let mut config = behind(&deployment, &gateway, "/red5/sm");
    config.stream_manager.host = Some("sm.example.com:8443".to_owned());
    config.stream_manager.access_token_file = Some(token(&deployment));
    let proxy = deployment.proxy_with(config);
    let page = proxy.h2.get("/index.html?a=%20b").await;
    assert_eq!((page.status.as_u16(), &page.body[..]), (200, PAGE.body));
    let offer = &offer().await;
    let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let polled = "whipstitch_node_list_polls_total{result=\"ok\"}";
    proxy.until_metric(polled, 1.0).await;
    let asked = gateway.asked();
    for line in [
        "GET /red5/sm/index.html?a=%20b",
        "GET /red5/sm/streammanager/api/4.0/event/live/s1?action=broadcast",
        "GET /red5/sm/streammanager/api/4.0/admin/nodegroup?accessToken=minicluster",
    ] {
        let seen = asked.iter().find(|asked| asked.line().starts_with(line));
        let seen = seen.unwrap_or_else(|| panic!("no {line} in {asked:?}"));
        assert_eq!(seen.field("host"), Some("sm.example.com:8443"), "{line}");
        assert_eq!(
            seen.server_name.as_deref(),
            Some("sm.example.com"),
            "{line}"
        );
    }
    // Dots would leave the base path at a gateway that resolves them.
    let out = proxy.h1.get("/x/%2e%2e/%2e%2e/other").await;
    assert_eq!((out.status.as_u16(), &*out.problem()), (400, "bad-path"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_or_name_is_refused() {
    let deployment = deployment().await;
    let named = gateway(&deployment, "sm.example.com", ("/", "/")).await;
    let other = gateway(&deployment, "127.0.0.1", ("/", "/")).await;
    let by_address = behind(&deployment, &other, "");
    let proxy = deployment.proxy_with(by_address.clone());
    assert_eq!(proxy.h1.get("/index.html").await.status, 200);
    let mut wrong_ca = by_address.clone();
    wrong_ca.stream_manager.ca_file = Some(named.ca_file());
    let mut system = by_address;
    system.stream_manager.ca_file = None;
    let wrong_name = behind(&deployment, &named, "");
    for (config, what) in [
        (wrong_ca, "another authority"),
        (system, "the system's authorities"),
        (wrong_name, "another name"),
    ] {
        let proxy = deployment.proxy_with(config);
        let page = proxy.h1.get("/index.html").await;
        let problem = (page.status.as_u16(), &*page.problem());
        assert_eq!(problem, (502, "manager-unreachable"), "{what}");
        let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
        let problem = (created.status.as_u16(), &*created.problem());
        assert_eq!(problem, (503, "manager-unavailable"), "{what}");
    }
    let asked = other.asked().len();
    assert_eq!(
        (named.asked().len(), asked),
        (0, 1),
        "nothing was said to either"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_behind_a_router_is_asked_directly() {
    let deployment = deployment().await;
    // As as-streams behind Traefik, which has taken the prefix away.
    let gateway = gateway(&deployment, "127.0.0.1", ("/streams/", "/as/v1/streams/")).await;
    let mut config = behind(&deployment, &gateway, "");
    config.stream_manager.api = Api::V2;
    config.stream_manager.strip_prefix = Some("/as/v1".to_owned());
    let proxy = deployment.proxy_with(config);
    let offer = &offer().await;
    let target = "/as/v1/proxy/whip/live/s1?nodeGroup=default";
    let created = proxy.h1.sdp("POST", target, offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let lookup = "/as/v1/streams/stream/default/subscribe/live/s1";
    assert_eq!(proxy.h1.get(lookup).await.status, 200);
    let asked = gateway.asked();
    let lines: Vec<&str> = asked
        .iter()
        .map(|asked| asked.line().split('?').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /streams/stream/default/publish/live/s1",
            "GET /streams/stream/default/subscribe/live/s1",
        ]
    );
    for shut in ["/admin/nodegroup", "/as/v1/admin/nodegroup", "/%61dmin/x"] {
        assert_eq!(proxy.h1.get(shut).await.problem(), "admin-api", "{shut}");
    }
    assert_eq!(gateway.asked().len(), 2);
}
