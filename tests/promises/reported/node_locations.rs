//! The URLs that a node sends, with its own host or with ours: only the path counts, at the node
//! that answered.

use std::net::{IpAddr, Ipv4Addr};

use http::Request;
use whipstitch_minicluster::Lie;
use whipstitch_tests::{Deployment, Proxy, Reply, http::path_of, raw_node::RawNode};

/// A raw node at the address that the manager names.
async fn raw_node(last: u8) -> (Deployment, RawNode, Proxy) {
    let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
    let here = node.addr().ip();
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(here.to_string()));
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    // Another address could be dialled: this one is not used here.
    config.nodes.allow = vec![
        here.into(),
        IpAddr::from(Ipv4Addr::new(127, 0, 0, 39)).into(),
    ];
    let proxy = deployment.proxy_with(config);
    (deployment, node, proxy)
}

/// A session of a node that answers with these lines.
async fn made(proxy: &Proxy, node: &RawNode, target: &str, lines: &str) -> Reply {
    let answer = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\n{lines}Content-Length: 3\r\n\r\nv=0"
    );
    let post = Request::post(target)
        .header("content-type", "application/sdp")
        .header("host", "live.example:8443");
    let post = proxy.h1.send(post.body("v=0").unwrap());
    let (reply, (head, _)) = tokio::join!(post, node.answer(3, answer.as_bytes()));
    assert!(
        head.contains("x-forwarded-host: live.example:8443"),
        "{head}"
    );
    reply
}

/// Where at the node a DELETE of this session arrives.
async fn deleted_at(proxy: &Proxy, node: &RawNode, session: &Reply) -> String {
    let target = path_of(session.header("location"));
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (reply, (head, _)) = tokio::join!(proxy.h2.bare("DELETE", &target), node.answer(0, ok));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let target = head.lines().next().unwrap();
    let target = target.strip_prefix("DELETE ").unwrap();
    target.strip_suffix(" HTTP/1.1").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_a_location_counts_whatever_host_a_node_names() {
    let (_deployment, node, proxy) = raw_node(31).await;
    let other = RawNode::start(39).await;
    let elsewhere = format!("http://{}/other/s1", other.addr());
    for (location, at) in [
        // Built from X-Forwarded-Host, with and without the port that we added.
        (
            "https://live.example:8443/live/whip/resource/s1",
            "/live/whip/resource/s1",
        ),
        ("http://LIVE.example./a/s1?b=c", "/a/s1?b=c"),
        ("//live.example/a/s1", "/a/s1"),
        // Another address or name of the node, or a meaningless one.
        ("http://10.20.30.40:5080/a/s1", "/a/s1"),
        ("https://node1.internal/a/s1", "/a/s1"),
        ("http://localhost:5080/a/s1", "/a/s1"),
        ("http://[fe80::1]/a/s1", "/a/s1"),
        ("wss://node1/a/s1", "/a/s1"),
        (&elsewhere, "/other/s1"),
        ("//169.254.169.254/latest", "/latest"),
        // Not usable: the path that Red5 uses replaces it.
        ("ftp://node1/a/s1", "/live/whip/resource/s1"),
        ("node1:5080/a/s1", "/live/whip/resource/s1"),
        ("http://", "/live/whip/resource/s1"),
        // Not escaped.
        ("/a/my stream", "/a/my%20stream"),
    ] {
        let lines = format!("Location: {location}\r\n");
        let session = made(&proxy, &node, "/live/whip/endpoint/s1", &lines).await;
        assert_eq!(session.status, 201, "{location}: {}", session.text());
        let ours = session.header("location");
        assert!(ours.contains("/live/whip/resource/s1/"), "{ours}");
        assert_eq!(deleted_at(&proxy, &node, &session).await, at, "{location}");
    }
    assert!(other.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_on_a_location_ends_a_session_that_was_made() {
    let (_deployment, node, proxy) = raw_node(32).await;
    let token = "t".repeat(900);
    let usual = "/live/whip/resource/s1";
    for (location, at) in [
        (format!("{usual}?token={token}"), None),
        (format!("{usual}?token={token}{token}"), None),
        // Longer than a URL of ours can hold.
        (format!("{usual}?token={}", token.repeat(9)), Some(usual)),
    ] {
        let lines = format!("Location: {location}\r\n");
        let session = made(&proxy, &node, "/live/whip/endpoint/s1", &lines).await;
        assert_eq!(session.status, 201, "{}", session.text());
        let length = session.header("location").len();
        assert!(length < 4096, "{length}");
        if location.len() < 1000 {
            assert!(length < 2048, "{length}");
        }
        let at = at.unwrap_or(&location);
        assert_eq!(deleted_at(&proxy, &node, &session).await, at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_url_that_would_be_too_long_is_refused_before_a_node_creates_anything() {
    let (_deployment, node, proxy) = raw_node(33).await;
    let target = format!("/live/whep/endpoint/s1?requestId={}", "r".repeat(2100));
    let refused = proxy.h1.sdp("POST", &target, "v=0").await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (400, "bad-query")
    );
    assert!(refused.text().contains("requestId"), "{}", refused.text());
    assert!(node.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_too_long_to_inspect_is_passed_on() {
    let (_deployment, node, proxy) = raw_node(34).await;
    let long = format!("v=0\r\n{}", "a=x\r\n".repeat(60_000));
    let answer = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{long}",
        long.len()
    );
    let post = proxy.h2.sdp("POST", "/live/whep/endpoint/s1", "v=0");
    let (reply, _) = tokio::join!(post, node.answer(3, answer.as_bytes()));
    assert_eq!(reply.status, 201);
    assert!(reply.text() == long, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_names_us_or_the_node_leads_to_the_node() {
    const WHIP: &str = "urn:ietf:params:whip:ext:";
    let (_deployment, node, proxy) = raw_node(35).await;
    let long = "x".repeat(3000);
    let offered: Vec<String> = [
        ("https://live.example:8443/ext/a", "a"),
        ("//Live.Example./ext/b", "b"),
        ("https://127.0.0.35:8443/ext/c", "c"),
        ("http://localhost:5080/ext/d", "d"),
        ("https://stats.example/ext/e", "e"),
        (&format!("/ext/{long}"), "f"),
    ]
    .iter()
    .map(|(target, name)| format!("Link: <{target}>; rel=\"{WHIP}{name}\"\r\n"))
    .collect();
    let session = made(&proxy, &node, "/live/whip/endpoint/s1", &offered.concat()).await;
    assert_eq!(session.status, 201);
    let links: Vec<String> = session
        .headers
        .get_all("link")
        .iter()
        .map(|link| link.to_str().unwrap().to_owned())
        .collect();
    let names: Vec<&str> = links
        .iter()
        .map(|link| link.rsplit_once(WHIP).unwrap().1.trim_end_matches('"'))
        .collect();
    // Links to other hosts, and those that a URL cannot hold, are left out.
    assert_eq!(names, ["a", "b", "c", "d"], "{links:?}");
    for (link, name) in links.iter().zip(names) {
        let target = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let target = path_of(target);
        let (reply, (head, _)) = tokio::join!(proxy.h1.bare("GET", &target), node.answer(0, ok));
        assert_eq!(reply.status, 200);
        assert!(head.starts_with(&format!("GET /ext/{name} ")), "{head}");
    }
}
