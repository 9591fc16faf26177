//! Balancers for TCP that name their clients with the PROXY protocol.

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch::config::Config;
use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{Client, Deployment, Proxy, Reply, deployment::SOON, log};

/// LOCAL: a check of the balancer's own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn behind(deployment: &Deployment, change: impl FnOnce(&mut Config)) -> Proxy {
    let mut config = deployment.config();
    config.listen.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
    change(&mut config);
    deployment.proxy_with(config)
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 443\r\n").into_bytes()
}

/// Of 192.0.2.`last`, with a TLV.
fn v2(last: u8) -> Vec<u8> {
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11";
    let addresses = [192, 0, 2, last, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb];
    [&start[..], &addresses, b"\x04\0\x02\0\0"].concat()
}

/// What the node got in the last request's header of this name.
fn received(deployment: &Deployment, name: &str) -> String {
    let requests = deployment.cluster.seen().requests();
    let mut of_nodes = requests
        .iter()
        .filter(|request| matches!(request.server, Server::Node(_)));
    let value = of_nodes.next_back().unwrap().headers.get(name);
    value.unwrap().to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_the_header_is_the_one_in_the_log_and_at_the_node() {
    log::capture();
    let deployment = Deployment::start().await;
    let proxy = behind(&deployment, |_| {});
    for (name, client, header, address) in [
        ("h1", &proxy.h1, v2(7), "192.0.2.7"),
        ("h2", &proxy.h2, v1("192.0.2.8"), "192.0.2.8"),
        ("plain", &proxy.plain, v2(9), "192.0.2.9"),
        ("check", &proxy.plain, LOCAL.to_vec(), "127.0.0.1"),
    ] {
        let id = format!("log-proxy-protocol-{name}");
        let request = Request::options("/live/whip/endpoint/s1").header("x-request-id", &id);
        let client = client.announced(&header);
        let answer = client.send(request.body("").unwrap()).await;
        assert!(answer.status.is_success(), "{name}: {answer:?}");
        let line = log::line("access", &id).await;
        assert_eq!(line["client"], address, "{line}");
        assert_eq!(received(&deployment, "x-forwarded-for"), address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_it_are_told_apart_and_a_balancers_own_are_not() {
    let deployment = Deployment::start().await;
    let proxy = behind(&deployment, |_| {});
    let publish = async |client: Client, stream: &str| {
        let offer = Publisher::new().await.unwrap().offer().await.unwrap();
        let target = format!("/live/whip/endpoint/{stream}");
        client.sdp("POST", &target, &offer).await
    };
    let end = async |client: Client, stream: &str| -> Reply {
        let target = format!("/live/whip/resource/{stream}");
        client.bare("DELETE", &target).await
    };
    let from = |last| proxy.h1.announced(&v2(last));
    assert_eq!(publish(from(7), "s1").await.status, 201);
    assert_eq!(end(from(8), "s1").await.status, 404, "another client's");
    assert_eq!(end(from(7), "s1").await.status, 200);
    // Any of its clients may be behind such a connection.
    let unknown = || proxy.h1.announced(LOCAL);
    assert_eq!(publish(unknown(), "s2").await.status, 201);
    assert_eq!(end(unknown(), "s2").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_without_a_header_or_with_a_bad_one_is_closed_and_counted() {
    let deployment = Deployment::start().await;
    let proxy = behind(&deployment, |config| {
        config.connections.handshake_timeout = std::time::Duration::from_millis(300);
    });
    let long = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", &[0; 400][..]].concat();
    for (reason, bytes) in [
        ("missing", &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
        ("malformed", b"PROXY TCP4 a b c d\r\n"),
        ("too_long", &long),
        ("timeout", b"PROXY "),
    ] {
        for client in [&proxy.plain, &proxy.h1] {
            let mut tcp = tokio::net::TcpStream::connect(client.addr()).await.unwrap();
            tcp.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            let read = tcp.read_to_end(&mut answer);
            let _ = tokio::time::timeout(SOON, read).await.expect("an end");
            assert_eq!(answer, b"", "{reason}");
        }
        let counted = format!(r#"whipstitch_proxy_protocol_failures_total{{reason="{reason}"}}"#);
        assert!(
            (proxy.metric(&counted).await - 2.0).abs() < f64::EPSILON,
            "{reason}"
        );
    }
    let nothing = deployment.cluster.seen().requests();
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_optional_a_check_without_a_header_is_served() {
    let deployment = Deployment::start().await;
    let proxy = behind(&deployment, |config| {
        config.listen.proxy_protocol_optional = true;
    });
    for client in [&proxy.plain, &proxy.h1, &proxy.h2] {
        assert_eq!(client.get("/").await.status, 404, "the manager's");
        assert_eq!(client.announced(&v2(7)).get("/").await.status, 404);
        assert_eq!(client.sdp("PUT", "/", "v=0").await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_peer_can_name_a_client() {
    let deployment = Deployment::start().await;
    let proxy = behind(&deployment, |config| {
        config.listen.proxy_protocol = vec!["192.0.2.0/24".parse().unwrap()];
    });
    let mut tcp = tokio::net::TcpStream::connect(proxy.plain.addr())
        .await
        .unwrap();
    tcp.write_all(&v1("192.0.2.7")).await.unwrap();
    let mut refused = String::new();
    tcp.read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    assert!(refused.contains("listen.proxy_protocol"), "{refused}");
    proxy
        .until_metric(
            r#"whipstitch_requests_refused_total{reason="proxy_protocol"}"#,
            1.0,
        )
        .await;
    assert_eq!(proxy.h1.get("/").await.status, 404, "the manager's");
}
