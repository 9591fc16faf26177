//! nginx and HAProxy by the files of `deploy/loadbalancer/`: in both modes, TLS passed through and
//! TLS terminated.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{join, process::Command, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use whipstitch::config::Config;
use whipstitch_minicluster::Server;
use whipstitch_tests::{
    Client, Deployment, Proxy,
    deployment::SOON,
    http::Io,
    raw_node::RawNode,
    websocket::{over_h2, raw},
};

use super::{
    front::{Front, folder, free, localized, server},
    visit::{Urls, Visit},
};

/// The replicas that both files name.
const REPLICAS: [&str; 3] = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];
/// The default timeout of both programs is one minute.
const IDLE: Duration = Duration::from_secs(62);

type Socket<T> = WebSocketStream<T>;

/// A load balancer in front of replicas that share a key.
struct Balanced {
    deployment: Deployment,
    replicas: Vec<Proxy>,
    /// Where TLS is passed through.
    passes: SocketAddr,
    /// Where it is ended.
    ends: SocketAddr,
    _front: Front,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Nginx,
    HaProxy,
}

/// As both files ask for it.
fn replica(deployment: &Deployment, trusts: bool) -> Config {
    let key = deployment.certificate.file("session.key");
    fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let mut config = deployment.config();
    config.sessions.key_file = Some(key);
    config.sessions.by_client = trusts;
    if trusts {
        config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    }
    config
}

impl Balanced {
    async fn start(kind: Kind) -> Self {
        Self::with(kind, |_| {}).await
    }

    async fn with(kind: Kind, change: impl Fn(&mut Config)) -> Self {
        let deployment = Deployment::start().await;
        // Two replicas see clients by TCP, two get their address by header: the files have one port
        // for each mode.
        let replicas: Vec<Proxy> = [false, false, true, true]
            .map(|trusts| {
                let mut config = replica(&deployment, trusts);
                change(&mut config);
                deployment.proxy_with(config)
            })
            .into();
        let [passes, ends] = free();
        let folder = folder();
        for (name, parts) in [
            ("live.example.com.pem", &["cert.pem", "key.pem"][..]),
            ("live.example.com.key", &["key.pem"]),
        ] {
            let texts = parts.iter().map(|part| deployment.certificate.file(part));
            let texts: Vec<String> = texts
                .map(|file| fs::read_to_string(file).unwrap())
                .collect();
            fs::write(folder.path().join(name), texts.concat()).unwrap();
        }
        let command = match kind {
            Kind::Nginx => nginx(folder.path(), passes, ends),
            Kind::HaProxy => haproxy(folder.path(), passes, ends, &replicas),
        };
        let config = folder.path().join(kind.file());
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, at(text, &replicas)).unwrap();
        Self {
            _front: Front::start(folder, command, &[passes, ends]).await,
            deployment,
            replicas,
            passes,
            ends,
        }
    }

    fn tls(&self, addr: SocketAddr, alpn: &[u8]) -> Client {
        Client::tls(addr, self.deployment.certificate.client(&[alpn]))
    }

    fn visit<'a>(&'a self, client: &'a Client, urls: Urls) -> Visit<'a> {
        Visit {
            deployment: &self.deployment,
            client,
            origin: format!("https://localhost:{}", client.addr().port()),
            urls,
        }
    }
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
        }
    }
}

/// The file with the test's replicas: on :443 the first two, on :8080 the others; the third of each
/// is not there.
fn at(mut text: String, replicas: &[Proxy]) -> String {
    for (number, name) in REPLICAS.iter().enumerate() {
        let port = |proxy: Option<&Proxy>, of: fn(&Proxy) -> SocketAddr| {
            proxy.map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)), of)
        };
        let there = (number < 2).then_some(number);
        let tls = port(there.map(|at| &replicas[at]), |proxy| proxy.h1.addr());
        let plain = port(there.map(|at| &replicas[at + 2]), |proxy| {
            proxy.plain.addr()
        });
        for (from, to) in [
            (format!("{name}:443"), tls),
            (format!("{name}:8080"), plain),
        ] {
            assert!(text.contains(&from), "no {from} any more");
            text = text.replace(&from, &to.to_string());
        }
    }
    text
}

/// nginx -c FILE, in the foreground and without the rights of root.
fn nginx(folder: &Path, passes: SocketAddr, ends: SocketAddr) -> Command {
    let at = folder.display().to_string();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("    {kind}_temp_path {at}/{kind};\n"));
    let text = localized(
        "loadbalancer/nginx.conf",
        &[
            ("listen 443 ", &format!("listen {passes} ")),
            ("listen 8443 ", &format!("listen {ends} ")),
            ("/etc/nginx/certs", &at),
            ("/var/log/nginx", &at),
            ("worker_rlimit_nofile 65536;", ""),
            ("worker_connections 16384;", "worker_connections 512;"),
            ("\nhttp {", &format!("\nhttp {{\n{}", temporary.concat())),
        ],
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(server("nginx"));
    command
        .args(["-e", "stderr", "-g"])
        .arg(format!("daemon off; pid {at}/nginx.pid;"))
        .arg("-c")
        .arg(file);
    command
}

/// HAProxy in the foreground. Its checks ask each replica's admin listener.
fn haproxy(folder: &Path, passes: SocketAddr, ends: SocketAddr, replicas: &[Proxy]) -> Command {
    let at = folder.display().to_string();
    let mut text = localized(
        "loadbalancer/haproxy.cfg",
        &[
            ("maxconn 40000", "maxconn 400"),
            ("bind :443", &format!("bind {passes}")),
            ("bind :8443", &format!("bind {ends}")),
            ("/etc/haproxy/certs", &at),
        ],
    );
    // The admin listeners of a test's replicas have ports of their own.
    assert!(text.contains("check port 9090"));
    text = text.replace("check port 9090", "check");
    for (number, name) in REPLICAS.iter().enumerate().take(2) {
        for (port, first) in [(443, 0), (8080, 2)] {
            let line = format!("{name}:{port}");
            let admin = replicas[first + number].admin.addr().port();
            text = text.replace(&line, &format!("{line} port {admin}"));
        }
    }
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(server("haproxy"));
    command.arg("-db").arg("-f").arg(file);
    command
}

async fn serves_clients(kind: Kind) {
    let balanced = Balanced::start(kind).await;
    for (addr, way) in [(balanced.passes, "passes"), (balanced.ends, "ends")] {
        for (alpn, version) in [(&b"http/1.1"[..], "h1"), (b"h2", "h2")] {
            let client = balanced.tls(addr, alpn);
            let visit = balanced.visit(&client, Urls::One);
            let stream = format!("{way}-{version}");
            visit.publishes_plays_and_ends(&stream).await;
            visit.sends_a_long_token(&stream).await;
            visit.reads_errors().await;
        }
    }
    assert_eq!(balanced.replicas.len(), 4);
}

/// Nodes get the client's address, scheme and host, regardless of headers that the client made up.
async fn forwards_the_client_address(kind: Kind) {
    let balanced = Balanced::start(kind).await;
    let client = balanced.tls(balanced.ends, b"h2");
    let spoofed = http::Request::options("/live/whip/endpoint/header")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=192.0.2.2;host=evil.example")
        .body("")
        .unwrap();
    assert_eq!(client.send(spoofed).await.status, 200);
    let seen = balanced.deployment.cluster.seen().requests();
    let node = seen
        .iter()
        .rfind(|one| one.server != Server::Manager)
        .unwrap();
    let header = |name: &str| {
        node.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let host = format!("localhost:{}", balanced.ends.port());
    assert_eq!(header("x-forwarded-proto"), "https");
    assert_eq!(header("x-forwarded-host"), host);
    assert!(!header("x-forwarded-for").contains("192.0.2.2"), "{node:?}");
}

/// A WebSocket stays open when both sides are silent for longer than the programs' default
/// timeouts. Both sides answer the proxy's pings, as they must.
async fn keeps_silent_sockets(kind: Kind) {
    let node = RawNode::start(9).await;
    let balanced = Balanced::with(kind, |config| {
        config.nodes.port = node.addr().port();
        config.nodes.allow = vec![node.addr().ip().into()];
    })
    .await;
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.addr().ip());
    let mut sockets = Vec::new();
    for addr in [balanced.passes, balanced.ends] {
        let client = balanced.tls(addr, b"http/1.1");
        let ((head, at_client), (_, at_node)) = join!(raw(&client, &target, ""), node.accept(""));
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        sockets.push((
            WebSocketStream::from_raw_socket(at_client, Role::Client, None).await,
            WebSocketStream::from_raw_socket(at_node, Role::Server, None).await,
        ));
    }
    let [(client_1, node_1), (client_2, node_2)] = &mut sockets[..] else {
        panic!("two sockets");
    };
    talk(client_1, node_1).await;
    talk(client_2, node_2).await;
    join!(
        silence(client_1),
        silence(node_1),
        silence(client_2),
        silence(node_2)
    );
    talk(client_1, node_1).await;
    talk(client_2, node_2).await;
}

/// A message there and one back.
async fn talk(client: &mut Socket<impl Io>, node: &mut Socket<impl Io>) {
    client.send(Message::text("to the node")).await.unwrap();
    assert_eq!(text(node).await, "to the node");
    node.send(Message::text("to the client")).await.unwrap();
    assert_eq!(text(client).await, "to the client");
}

async fn text(socket: &mut Socket<impl Io>) -> String {
    let received = async {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return text.to_string();
            }
        }
    };
    timeout(SOON, received).await.expect("a message in time")
}

/// Receives nothing but pings and their answers for [`IDLE`].
async fn silence(socket: &mut Socket<impl Io>) {
    let received = async {
        while let Some(message) = socket.next().await {
            let message = message.unwrap();
            assert!(message.is_ping() || message.is_pong(), "{message:?}");
        }
    };
    assert!(
        timeout(IDLE, received).await.is_err(),
        "the socket is closed"
    );
}

/// With no replica up, a page can still read what is wrong and when to retry.
async fn reports_that_no_replica_serves(kind: Kind) {
    let balanced = Balanced::start(kind).await;
    let client = balanced.tls(balanced.ends, b"h2");
    for replica in balanced.replicas {
        replica.drain().await;
    }
    let refused = client.sdp("POST", "/live/whip/endpoint/a", "v=0\r\n").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    assert_eq!(refused.header("retry-after"), "2");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(problem["status"], 503);
}

macro_rules! both {
    ($($test:ident)*) => {
        mod nginx_by_its_file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Kind::Nginx).await;
            })*
        }

        mod haproxy_by_its_file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Kind::HaProxy).await;
            })*
        }
    };
}

both! { serves_clients forwards_the_client_address keeps_silent_sockets reports_that_no_replica_serves }

/// HAProxy speaks RFC 8441 with browsers; nginx offers it to none.
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_takes_websockets_over_http_2() {
    let balanced = Balanced::start(Kind::HaProxy).await;
    let node = balanced.deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=s1&host={node}&app=live");
    for addr in [balanced.passes, balanced.ends] {
        let client = balanced.tls(addr, b"h2");
        let (opened, _stream) = over_h2(&client, &target).await;
        assert_eq!(opened.status(), 200);
    }
}

/// nginx closes an idle connection to a replica before the replica does: a POST on a connection
/// that is just closing would be lost, as it is not retried.
#[test]
fn nginx_leaves_idle_connections_first() {
    let text = localized("loadbalancer/nginx.conf", &[]);
    let (_, upstream) = text.split_once("upstream whipstitch_plain").unwrap();
    let (upstream, _) = upstream.split_once('}').unwrap();
    let (_, rest) = upstream.split_once("keepalive_timeout ").unwrap();
    let (seconds, _) = rest.split_once("s;").unwrap();
    let ours = Config::default().connections.idle_timeout;
    assert!(Duration::from_secs(seconds.parse().unwrap()) < ours);
}
