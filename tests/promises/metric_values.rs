//! The metrics of certificates, drains, limits and nodes show the actual state.

use std::{fs, sync::Arc, time::Duration};

use http::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, Reply, websocket::Dialogue};

const SERVER: &str = r#"whipstitch_certificate_not_after_timestamp_seconds{part="server"}"#;
const ISSUER: &str = r#"whipstitch_certificate_not_after_timestamp_seconds{part="issuer"}"#;
const UNUSABLE: &str = "whipstitch_certificate_files_unusable";
/// The first seconds of 2090 and of 2095.
const SERVER_ENDS: f64 = 3_786_912_000.0;
const ISSUER_ENDS: f64 = 3_944_678_400.0;

async fn post(proxy: &Proxy, target: &str) -> Reply {
    let request = Request::post(target).header("content-type", "application/json");
    proxy.admin.send(request.body("{}").unwrap()).await
}

/// Checks at once: an answered request has taken effect.
async fn is(proxy: &Proxy, name: &str, value: f64) {
    let shown = proxy.metric(name).await;
    assert!((shown - value).abs() < f64::EPSILON, "{name}: {shown}");
}

async fn show(proxy: &Proxy, target: &str) -> Value {
    serde_json::from_slice(&proxy.admin.get(target).await.body).unwrap()
}

/// A server's certificate that ends in 2090, and an issuer's that ends in 2095.
struct Renewed {
    issuer: CertifiedIssuer<'static, KeyPair>,
    chain: String,
    key: String,
}

impl Renewed {
    fn make() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2095, 1, 1);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2090, 1, 1);
        let key = KeyPair::generate().unwrap();
        let server = params.signed_by(&key, &issuer).unwrap();
        Self {
            chain: server.pem() + &issuer.pem(),
            key: key.serialize_pem(),
            issuer,
        }
    }

    /// Whether a client that trusts its issuer gets through.
    async fn is_served(&self, proxy: &Proxy) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(proxy.h1.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, tcp).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_expiry_is_that_of_the_active_certificate() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let renewed = Renewed::make();
    let before = proxy.metric(SERVER).await;
    let success = "whipstitch_reload_last_success_timestamp_seconds";
    let started = proxy.metric(success).await;
    let page = proxy.admin.get("/metrics").await.text();
    assert!(!page.contains(ISSUER), "a certificate without an issuer's");
    assert!(!renewed.is_served(&proxy).await);

    // Half of a renewal: the active certificate has not changed, and the error is shown as long as
    // it persists.
    fs::write(deployment.certificate.file("cert.pem"), &renewed.chain).unwrap();
    assert_eq!(post(&proxy, "/reload").await.status, 200);
    for (name, value) in [
        (SERVER, before),
        (UNUSABLE, 1.0),
        ("whipstitch_certificates", 1.0),
        (r#"whipstitch_reloads_total{result="failed"}"#, 1.0),
        (success, started),
    ] {
        is(&proxy, name, value).await;
    }

    fs::write(deployment.certificate.file("key.pem"), &renewed.key).unwrap();
    assert_eq!(post(&proxy, "/reload").await.status, 200);
    for (name, value) in [
        (SERVER, SERVER_ENDS),
        (ISSUER, ISSUER_ENDS),
        (UNUSABLE, 0.0),
        ("whipstitch_certificates", 2.0),
        (r#"whipstitch_reloads_total{result="done"}"#, 1.0),
    ] {
        is(&proxy, name, value).await;
    }
    assert!(proxy.metric(success).await > started);
    assert!(renewed.is_served(&proxy).await);
    let shown = &show(&proxy, "/status").await["certificates"][0];
    assert_eq!(shown["not_after_at"], 3_786_912_000_000_i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_shows_from_its_beginning_with_its_deadline() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.shutdown.delay = Duration::from_millis(50);
    let proxy = deployment.proxy_with(config);
    let names = [
        "whipstitch_ready",
        "whipstitch_draining",
        "whipstitch_drain_deadline_timestamp_seconds",
    ];
    for (name, value) in names.iter().zip([1.0, 0.0, 0.0]) {
        proxy.until_metric(name, value).await;
    }
    let times: Value = serde_json::from_slice(&post(&proxy, "/drain").await.body).unwrap();
    let deadline = times["deadline_at"].as_f64().unwrap() / 1_000.0;
    for _ in 0..2 {
        for (name, value) in names.iter().zip([0.0, 1.0, deadline]) {
            let shown = proxy.metric(name).await;
            assert!((shown - value).abs() < 0.002, "{name}: {shown}");
        }
        // The second time after the drain: the process is still running.
        while show(&proxy, "/status").await["state"] != "drained" {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_reported_with_its_use() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.limits.sockets = 7;
    config.timeouts.answer = Duration::from_secs(2);
    let proxy = deployment.proxy_with(config);
    let used = |key: &str| format!("whipstitch_limit_used{{key=\"{key}\"}}");
    let most = r#"whipstitch_limit{key="limits.sockets"}"#;
    proxy.until_metric(most, 7.0).await;
    let node = &deployment.cluster.nodes()[0];
    let socket = format!("/streammanager/?id=s1&host={}&app=live", node.ip());
    let dialogue = Dialogue::open(&proxy.h1, &socket).await.unwrap();
    proxy.until_metric(&used("limits.sockets"), 1.0).await;
    dialogue.close().await;
    proxy.until_metric(&used("limits.sockets"), 0.0).await;

    for node in deployment.cluster.nodes() {
        node.fail(Fault::BlackHole).await;
    }
    let waits = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0");
    let (in_flight, connections) = (used("limits.in_flight"), used("connections.max"));
    let seen = async {
        proxy.until_metric(&in_flight, 1.0).await;
        proxy.until_metric(&connections, 1.0).await;
    };
    let (reply, ()) = tokio::join!(waits, seen);
    assert_eq!(reply.problem(), "node-timeout");
    proxy.until_metric(&in_flight, 0.0).await;
    proxy.until_metric(&connections, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_counted_by_state() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Refuse).await;
    }
    let reply = proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await;
    assert_eq!(reply.problem(), "node-unreachable");
    let nodes = show(&proxy, "/nodes").await;
    let nodes = nodes["nodes"].as_array().unwrap();
    let stand = |state: &str| nodes.iter().filter(|node| node["state"] == state).count();
    assert!(stand("ejected") > 0, "{nodes:?}");
    for state in ["healthy", "ejected", "returning"] {
        let name = format!("whipstitch_nodes{{state=\"{state}\"}}");
        let count = u32::try_from(stand(state)).unwrap();
        proxy.until_metric(&name, f64::from(count)).await;
    }
    let remembered = show(&proxy, "/status").await["cache"]["entries"].as_f64();
    proxy
        .until_metric("whipstitch_lookups_remembered", remembered.unwrap())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wait_and_each_attempts_outcome_is_counted_once() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let slow = Duration::from_millis(150);
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Delay(slow)).await;
    }
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let made = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(made.status, 201);
    let node = deployment.cluster.nodes()[0].ip();
    let socket = format!("/streammanager/?id=s1&host={node}&app=live");
    Dialogue::open(&proxy.h1, &socket)
        .await
        .unwrap()
        .close()
        .await;
    for protocol in ["http", "websocket"] {
        let of = |part: &str, more: &str| {
            format!(
                "whipstitch_node_answer_duration_seconds_{part}{{protocol=\"{protocol}\"{more}}}"
            )
        };
        proxy.until_metric(&of("count", ""), 1.0).await;
        proxy.until_metric(&of("bucket", ",le=\"0.1\""), 0.0).await;
        assert!(proxy.metric(&of("sum", "")).await >= slow.as_secs_f64());
    }
    // Two connections of clients, over TLS both, and two to nodes: one is the WebSocket's own.
    for name in ["tls_handshake", "node_connect"] {
        let count = format!("whipstitch_{name}_duration_seconds_count");
        proxy.until_metric(&count, 2.0).await;
    }

    let attempts = |protocol: &str, outcome: &str| {
        format!(
            "whipstitch_session_attempts_total{{outcome=\"{outcome}\",protocol=\"{protocol}\"}}"
        )
    };
    proxy.until_metric(&attempts("whip", "made"), 1.0).await;
    let missing = "/live/whep/endpoint/missing";
    assert_eq!(proxy.h1.sdp("POST", missing, &offer).await.status, 409);
    proxy.until_metric(&attempts("whep", "refused"), 1.0).await;
    // An OPTIONS is no attempt.
    proxy.h1.bare("OPTIONS", missing).await;
    deployment.cluster.manager().fail(Fault::Refuse).await;
    let new = "/live/whip/endpoint/new";
    assert_eq!(proxy.h1.sdp("POST", new, &offer).await.status, 503);
    proxy.until_metric(&attempts("whip", "failed"), 1.0).await;
    deployment.cluster.manager().heal().await;
    for node in deployment.cluster.nodes() {
        node.fail(Fault::BlackHole).await;
    }
    let waits = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer);
    let in_flight = r#"whipstitch_limit_used{key="limits.in_flight"}"#;
    // The dropped client has hung up.
    tokio::select! {
        _ = waits => unreachable!("no node answers"),
        () = proxy.until_metric(in_flight, 1.0) => {}
    }
    proxy.until_metric(&attempts("whip", "left"), 1.0).await;
    for (protocol, outcome, count) in [
        ("whip", "made", 1.0),
        ("whip", "refused", 0.0),
        ("whip", "failed", 1.0),
        ("whep", "refused", 1.0),
        ("whep", "left", 0.0),
    ] {
        proxy
            .until_metric(&attempts(protocol, outcome), count)
            .await;
    }
}
