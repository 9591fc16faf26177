//! Traefik as in front of the services of a Stream Manager 2.0: the same entry points, the
//! services' paths and the prefixes that are taken off for each; and Whipstitch by the labels of
//! the overlay.
//!
//! Minicluster's manager replaces the containers; it serves every service under its whole path. An
//! entry point of Traefik represents the containers and restores the stripped prefix, so that a
//! direct request to a service has the path that the real one has.

use std::{collections::BTreeMap, fs, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};
use whipstitch_minicluster::Server;
use whipstitch_tests::{Client, Deployment};

use super::{
    front::{Front, LOOK, folder, free},
    overlay::Overlay,
};
use crate::{program, setup::PATIENCE};

/// Name of the host that clients ask for.
pub(crate) const HOST: &str = "localhost";

/// A path that only the wait for Traefik requests.
const PROBE: &str = "/is-traefik-ready";

/// Where Traefik listens, chosen before it starts: Whipstitch's configuration names some of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// TLS, as on a host with a certificate.
    pub(crate) websecure: SocketAddr,
    /// Plain HTTP, as behind a cloud's load balancer.
    pub(crate) web: SocketAddr,
    /// The containers as-admin, as-auth and as-streams: `/admin/…`, `/auth/…`, `/streams/…`.
    pub(crate) services: SocketAddr,
    /// The container as-proxy: `/forward/…` and similar paths.
    pub(crate) proxy: SocketAddr,
    /// A service of the manager's that speaks WebSocket, below `/as/v1/conference`.
    pub(crate) conference: Option<SocketAddr>,
}

impl Ports {
    pub(crate) fn free() -> Self {
        let [websecure, web, services, proxy] = free();
        Self {
            websecure,
            web,
            services,
            proxy,
            conference: None,
        }
    }
}

/// Starts it, with Whipstitch by `overlay` where there is one, whose ports are these in place of
/// those of the labels.
pub(crate) async fn start(
    deployment: &Deployment,
    ports: Ports,
    whipstitch: Option<(&Overlay, BTreeMap<u16, u16>)>,
) -> Front {
    let folder = folder();
    let file = folder.path().join("dynamic.yml");
    let mut dynamic = services(deployment, ports);
    if let Some((overlay, container)) = whipstitch {
        let (router, service) = overlay.routing(&container);
        dynamic["http"]["routers"]["whipstitch"] = router;
        dynamic["http"]["services"]["whipstitch"] = service;
    }
    // JSON is YAML.
    fs::write(&file, dynamic.to_string()).unwrap();
    let mut command = Command::new(program("python/bin/traefik"));
    command
        .arg("--log.level=WARN")
        .arg("--global.checknewversion=false")
        .arg("--providers.file.watch=false")
        .arg(format!("--providers.file.filename={}", file.display()))
        .arg("--entrypoints.websecure.http.tls=true");
    let points = [
        ("websecure", ports.websecure),
        ("web", ports.web),
        ("services", ports.services),
        ("proxy", ports.proxy),
    ];
    for (name, address) in points {
        command.arg(format!("--entrypoints.{name}.address={address}"));
    }
    let front = Front::start(folder, command, &points.map(|(_, address)| address)).await;
    let routes = timeout(PATIENCE, until_it_routes(deployment, ports)).await;
    assert!(routes.is_ok(), "Traefik reads its rules in time");
    front
}

/// Traefik listens before it has read its rules: waits until a request comes through.
async fn until_it_routes(deployment: &Deployment, ports: Ports) {
    let client = Client::plain(ports.web);
    let arrived = || {
        let asked = deployment.cluster.seen().requests_to(Server::Manager);
        asked.iter().any(|one| one.target == PROBE)
    };
    while !arrived() {
        client.get(PROBE).await;
        sleep(LOOK).await;
    }
}

/// The services and the page, as Traefik's labels in Red5's file route to them.
fn services(deployment: &Deployment, ports: Ports) -> Value {
    let (mut routers, mut middlewares) = (json!({}), json!({}));
    let containers = [
        ("as-proxy", "/as/v1/proxy", "/as/v1/proxy", "proxy"),
        ("as-admin", "/as/v1/admin", "/as/v1/", "services"),
        ("as-auth", "/as/v1/auth", "/as/v1", "services"),
        ("as-streams", "/as/v1/streams", "/as/v1", "services"),
    ];
    for (name, path, strip, service) in containers {
        let strips = format!("strip-{name}");
        middlewares[&strips] = json!({"stripPrefix": {"prefixes": [strip]}});
        routers[name] = json!({
            "rule": format!("PathPrefix(`{path}`) && Host(`{HOST}`)"),
            "entryPoints": ["websecure", "web"],
            "middlewares": [strips],
            "service": service,
        });
    }
    routers["page"] = json!({
        "rule": format!("PathPrefix(`/`) && Host(`{HOST}`)"),
        "entryPoints": ["websecure", "web"],
        "service": "manager",
    });
    for (name, prefix) in [("services", "/as/v1"), ("proxy", "/as/v1/proxy")] {
        let adds = format!("add-{name}");
        middlewares[&adds] = json!({"addPrefix": {"prefix": prefix}});
        routers[format!("container-{name}")] = json!({
            "rule": "PathPrefix(`/`)",
            "entryPoints": [name],
            "middlewares": [adds],
            "service": "manager",
        });
    }
    if ports.conference.is_some() {
        routers["as-conference"] = json!({
            "rule": format!("PathPrefix(`/as/v1/conference`) && Host(`{HOST}`)"),
            "entryPoints": ["websecure", "web"],
            "service": "conference",
        });
    }
    let server = |url: String| json!({"loadBalancer": {"servers": [{"url": url}]}});
    let certificate = json!({
        "certFile": deployment.certificate.file("cert.pem"),
        "keyFile": deployment.certificate.file("key.pem"),
    });
    let mut servers = json!({
        "services": server(format!("http://{}", ports.services)),
        "proxy": server(format!("http://{}", ports.proxy)),
        "manager": server(deployment.cluster.manager_url()),
    });
    if let Some(address) = ports.conference {
        servers["conference"] = server(format!("http://{address}"));
    }
    json!({
        "http": {"routers": routers, "middlewares": middlewares, "services": servers},
        "tls": {"stores": {"default": {"defaultCertificate": certificate}}},
    })
}
