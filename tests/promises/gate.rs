//! Only nodes are reachable, regardless of who names an address and how it is written.

mod addresses;
mod spellings;

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpListener};
use whipstitch::config::Config;
use whipstitch_minicluster::{Fault, Lie};
use whipstitch_tests::{Client, Deployment, Proxy, raw_node::RawNode, websocket::raw};

/// Listeners on the nodes' port, on addresses that are not nodes.
struct Canaries(Vec<std::net::TcpListener>);

impl Canaries {
    async fn start() -> Self {
        let mut addresses: Vec<IpAddr> = [1, 2, 5, 9]
            .map(|last| Ipv4Addr::new(127, 0, 0, last).into())
            .to_vec();
        addresses.push(Ipv6Addr::LOCALHOST.into());
        addresses.push(own_address());
        'port: loop {
            let first = TcpListener::bind((Ipv4Addr::new(127, 200, 0, 1), 0)).await;
            let mut listeners = vec![first.unwrap()];
            for address in &addresses {
                match TcpListener::bind((*address, port_of(&listeners))).await {
                    Ok(listener) => listeners.push(listener),
                    // A machine without IPv6 has no such address.
                    Err(_) if address.is_ipv6() => {}
                    Err(_) => continue 'port,
                }
            }
            let listeners = listeners.into_iter().map(TcpListener::into_std);
            return Self(listeners.collect::<Result<_, _>>().unwrap());
        }
    }

    fn port(&self) -> u16 {
        self.0[0].local_addr().unwrap().port()
    }

    /// Asks the kernel: the runtime may not have seen a connection yet.
    fn unconnected(&self) -> bool {
        let would_block = |listener: &std::net::TcpListener| {
            listener
                .accept()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        self.0.iter().all(would_block)
    }
}

fn port_of(listeners: &[TcpListener]) -> u16 {
    listeners[0].local_addr().unwrap().port()
}

/// This machine's address towards others; nothing is sent for it.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("198.51.100.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip(),
        Err(_) => Ipv4Addr::new(127, 0, 0, 77).into(),
    }
}

/// The status and the body of the answer to a WebSocket handshake.
async fn handshake(client: &Client, query: &str) -> (u16, String) {
    let (head, mut io) = raw(client, &format!("/streammanager/?{query}"), "").await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    io.read_exact(&mut body).await.unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// Problem bodies that name addresses would be a map of the internal network.
fn names_no_address(body: &str) {
    for piece in [
        "127.",
        "169.254",
        "192.0.2",
        "::",
        "10.0.0",
        "100.100",
        "168.63",
        "localhost",
        "metadata",
    ] {
        assert!(!body.contains(piece), "{piece} in {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_by_a_client_reaches_anything_but_nodes() {
    let (deployment, canaries) = (Deployment::start().await, Canaries::start().await);
    let mut config = deployment.config();
    config.nodes.port = canaries.port();
    config.nodes.allow = Vec::new();
    let shut = deployment.proxy_with(config.clone());
    // An operator's wide entry must not open special networks.
    config.nodes.allow = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let names = ["localhost", ".localdomain", "ip6-localhost"];
    config.nodes.allow_names = names.map(|name| name.parse().unwrap()).to_vec();
    let wide = deployment.proxy_with(config);
    assert!(spellings::OF_CLIENTS.len() >= 80);
    for (number, host) in spellings::OF_CLIENTS.iter().enumerate() {
        refuses(&shut, &canaries, number, host).await;
        refuses(&wide, &canaries, number, host).await;
    }
    let own = own_address();
    for host in [format!("{own}"), format!("::ffff:{own}"), format!("{own}.")] {
        refuses(&shut, &canaries, 0, &format!("host={host}")).await;
    }
}

async fn refuses(proxy: &Proxy, canaries: &Canaries, number: usize, host: &str) {
    // Once as a publisher, whose stream could be looked up, and once as a player.
    let id = ["s1", "subscriber-1b31"][number % 2];
    let (status, body) = handshake(&proxy.plain, &format!("id={id}&{host}&app=live")).await;
    assert!(matches!(status, 400 | 403), "{host}: {status} {body}");
    names_no_address(&body);
    assert!(canaries.unconnected(), "{host}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_unknown_hosts_get_the_same_answer() {
    let (deployment, canaries) = (Deployment::start().await, Canaries::start().await);
    let mut config = deployment.config();
    config.nodes.port = canaries.port();
    let proxy = deployment.proxy_with(config);
    let mut answers = Vec::new();
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "10.11.12.13",
        "::1",
        "2001:db8::1",
    ] {
        let query = format!("id=subscriber-1&host={host}&app=live");
        let (status, body) = handshake(&proxy.plain, &query).await;
        let mut problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        problem["instance"] = "one of its own".into();
        answers.push((status, problem));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert!(canaries.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_waits_for_the_manager() {
    /// The manager's latency.
    const SLOW: Duration = Duration::from_millis(50);
    const EACH: usize = 30;
    let (deployment, canaries) = (Deployment::start().await, Canaries::start().await);
    let mut config = deployment.config();
    config.nodes.port = canaries.port();
    let proxy = deployment.proxy_with(config);
    deployment.cluster.manager().fail(Fault::Delay(SLOW)).await;
    for (kind, host) in [("special", "169.254.169.254"), ("unknown", "10.11.12.13")] {
        let mut took = Vec::new();
        for number in 0..EACH {
            // A stream of its own, so that no answer is cached.
            let query = format!("id={kind}{number}&host={host}&app=live");
            let asked = Instant::now();
            assert_eq!(handshake(&proxy.plain, &query).await.0, 403, "{host}");
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        assert!(took[0] >= SLOW, "{kind}: {took:?}");
        assert!(took[EACH / 2] < SLOW * 10, "{kind}: {took:?}");
    }
    assert!(canaries.unconnected());
}

async fn publish(proxy: &Proxy, stream: &str) -> whipstitch_tests::Reply {
    let target = format!("/live/whip/endpoint/{stream}");
    proxy.plain.sdp("POST", &target, "v=0\r\n").await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_false_answer_of_the_manager_reaches_anything_but_nodes() {
    let (deployment, canaries) = (Deployment::start().await, Canaries::start().await);
    let mut config = deployment.config();
    config.nodes.port = canaries.port();
    config.nodes.allow = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    for (number, address) in spellings::OF_MANAGERS.iter().enumerate() {
        let manager = deployment.cluster.manager();
        manager.lie(Lie::ServerAddress((*address).to_owned()));
        let reply = publish(&proxy, &format!("s{number}")).await;
        assert!(
            matches!(reply.status.as_u16(), 502..=504),
            "{address:?}: {reply:?}"
        );
        names_no_address(&reply.text());
        // Nodes in answers that pass to a page are learned by the same rules.
        let api = format!("/streammanager/api/4.0/event/live/s{number}?action=broadcast");
        proxy.plain.get(&api).await;
        let host = address
            .bytes()
            .fold(String::new(), |host, byte| format!("{host}%{byte:02X}"));
        let query = format!("id=subscriber-1&host={host}&app=live");
        let (status, body) = handshake(&proxy.plain, &query).await;
        assert!(matches!(status, 400 | 403), "{address:?}: {status} {body}");
        assert!(canaries.unconnected(), "{address:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_manager_is_an_error_at_once() {
    let (deployment, canaries) = (Deployment::start().await, Canaries::start().await);
    let mut config = deployment.config();
    config.nodes.port = canaries.port();
    config.stream_manager.timeout = Duration::from_millis(300);
    let manager = deployment.cluster.manager();
    for (number, lie) in [
        Lie::Html,
        Lie::Garbage,
        Lie::Huge(32 << 20),
        Lie::ErrorMessage("169.254.169.254".repeat(1000)),
        Lie::ServerAddress("x".repeat(60_000)),
    ]
    .into_iter()
    .enumerate()
    {
        let proxy = deployment.proxy_with(config.clone());
        manager.lie(lie);
        let asked = Instant::now();
        let reply = publish(&proxy, &format!("s{number}")).await;
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{number}: {:?}",
            asked.elapsed()
        );
        assert!(reply.status.is_client_error() || reply.status.is_server_error());
        assert!(reply.body.len() < 2_000, "{reply:?}");
    }
    manager.heal().await;
    manager.fail(Fault::BlackHole).await;
    let proxy = deployment.proxy_with(config);
    let asked = Instant::now();
    let reply = publish(&proxy, "slow").await;
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    assert!(reply.status.is_server_error(), "{reply:?}");
    assert!(canaries.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_the_manager_is_not_followed() {
    let (deployment, canary, manager) = (
        Deployment::start().await,
        RawNode::start(9).await,
        RawNode::start(8).await,
    );
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    let proxy = deployment.proxy_with(config);
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        canary.addr()
    );
    let (reply, _) = tokio::join!(
        publish(&proxy, "s1"),
        manager.answer(0, redirect.as_bytes())
    );
    assert!(reply.status.is_server_error(), "{reply:?}");
    assert!(canary.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_listeners_are_no_nodes() {
    let deployment = Deployment::start().await;
    let free = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = port_of(&[free]);
    let mut config = deployment.config();
    config.listen.http = vec![SocketAddr::from(([0, 0, 0, 0], port))];
    config.nodes.port = port;
    let own = own_address();
    config.nodes.allow = vec![
        "127.0.0.0/8".parse().unwrap(),
        "192.0.2.0/24".parse().unwrap(),
    ];
    config
        .nodes
        .allow
        .push(format!("{own}/16").parse().unwrap());
    let proxy = deployment.proxy_with(config.clone());
    for host in [
        own.to_string(),
        "127.0.0.1".to_owned(),
        "127.8.8.8".to_owned(),
    ] {
        let query = format!("id=subscriber-1&host={host}&app=live");
        assert_eq!(handshake(&proxy.h1, &query).await.0, 403, "{host}");
    }
    proxy
        .until_metric(r#"whipstitch_origin_refused_total{reason="ours"}"#, 3.0)
        .await;
}

/// Configures a raw socket on loopback as the only node, by the name `localhost`.
fn by_name(config: &mut Config, node: &RawNode) {
    config.nodes.port = node.addr().port();
    config.nodes.allow = Vec::new();
    config.nodes.allow_names = vec!["localhost".parse().unwrap()];
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_dialled_only_if_every_address_of_it_may_be() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(1).await);
    let mut config = deployment.config();
    by_name(&mut config, &node);
    config.nodes.allow = Vec::new();
    let shut = deployment.proxy_with(config.clone());
    let query = "id=subscriber-1&host=localhost&app=live";
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress("localhost".to_owned()));
    assert_eq!(publish(&shut, "s1").await.status, 502);
    shut.plain
        .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
        .await;
    assert_eq!(handshake(&shut.plain, query).await.0, 403);
    assert!(node.unconnected());

    config.nodes.allow = vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()];
    let open = deployment.proxy_with(config);
    // `localhost` may be ::1 first, where there is no listener.
    let (status, _) = tokio::select! {
        answer = handshake(&open.plain, query) => answer,
        _ = node.accept("") => (101, String::new()),
    };
    assert!(matches!(status, 101 | 502), "{status}");
}
