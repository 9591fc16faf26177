//! Different spellings of one thing are treated the same: hosts, schemes, escapes, URLs of ICE
//! servers, nodes.

use http::Request;
use whipstitch::config::Config;
use whipstitch_minicluster::{Action, Lie};
use whipstitch_tests::{Deployment, Proxy, Reply, raw_node::RawNode};

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n";

/// A proxy with this node only, under the name that the manager gives it.
async fn in_front_of(
    node: &RawNode,
    named: &str,
    change: impl FnOnce(&mut Config),
) -> (Deployment, Proxy) {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    change(&mut config);
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(named.to_owned()));
    let proxy = deployment.proxy_with(config);
    (deployment, proxy)
}

/// A publisher's offer, with these header lines; the answer, and what the node received.
async fn publish(
    proxy: &Proxy,
    node: &RawNode,
    target: &str,
    lines: &[(&str, &str)],
    more: &str,
) -> (Reply, String) {
    let mut post = Request::post(target).header("content-type", "application/sdp");
    for (name, value) in lines {
        post = post.header(*name, *value);
    }
    let post = proxy.plain.send(post.body("v=0").unwrap());
    let answer = format!("{CREATED}{more}\r\n");
    let (reply, (head, _)) = tokio::join!(post, node.answer(3, answer.as_bytes()));
    assert_eq!(reply.status, 201, "{}", reply.text());
    (reply, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escape_of_an_unreserved_character_is_that_character() {
    let node = RawNode::start(71).await;
    let here = node.addr().ip().to_string();
    let (deployment, proxy) = in_front_of(&node, &here, |_| {}).await;
    for target in [
        "/live/whip/endpoint/s1?a=%41&host=x",
        "/%6Cive/whip/endpoint/%73%31?a=%41&%68ost=127.0.0.71",
        "/live/%77hip/%65ndpoint/s%31?a=%41&h%6Fst=127.0.0.71",
    ] {
        let target = target.replace("host=x", "host=127.0.0.71");
        let (reply, head) = publish(&proxy, &node, &target, &[], "").await;
        // The query reaches the node byte for byte, without our own parameters.
        let line = "POST /live/whip/endpoint/s1?a=%41 HTTP/1.1";
        assert!(head.starts_with(line), "{head}");
        assert!(
            reply
                .header("location")
                .starts_with("/live/whip/resource/s1/")
        );
        let session = reply.header("location").replace("/s1/", "/%73%31/");
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let (ended, _) = tokio::join!(proxy.plain.bare("DELETE", &session), node.answer(0, ok));
        assert_eq!(ended.status, 200);
    }
    let (_, _) = publish(&proxy, &node, "/live/whip/endpoint/s%31", &[], "").await;
    let lookups = deployment
        .cluster
        .seen()
        .lookups(Action::Broadcast, "live", "s1");
    assert_eq!(lookups, 1, "all lookups are of one stream");
    // An escape that hides a reserved character is not decoded.
    for target in ["/live/whip/endpoint/%2e%2e", "/live/whip/endpoint/a%2Fb"] {
        let refused = proxy.plain.sdp("POST", target, "v=0").await;
        assert_eq!(refused.problem(), "bad-name", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_served_however_it_is_spelled() {
    let node = RawNode::start(72).await;
    let here = node.addr().ip().to_string();
    let (_deployment, proxy) = in_front_of(&node, &here, |config| {
        config.proxy.hosts = vec!["Live.Example.".to_owned(), "[2001:DB8:0::1]".to_owned()];
    })
    .await;
    for (host, expected) in [
        ("live.example", "live.example"),
        ("LIVE.example.:8443", "live.example:8443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
    ] {
        let lines = [("host", host)];
        let target = "/live/whip/endpoint/s1";
        let (_, head) = publish(&proxy, &node, target, &lines, "").await;
        assert!(
            head.contains(&format!("x-forwarded-host: {expected}\r\n")),
            "{head}"
        );
    }
    for host in ["live.example.evil", "live.example..", "[2001:db8::2]"] {
        let get = Request::get("/live/whip/endpoint/s1").header("host", host);
        let refused = proxy.plain.send(get.body("").unwrap()).await;
        assert_eq!(refused.status, 421, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxys_scheme_may_be_a_websockets_and_an_unknown_one_is_not_guessed() {
    let node = RawNode::start(73).await;
    let here = node.addr().ip().to_string();
    let (_deployment, proxy) = in_front_of(&node, &here, |config| {
        config.proxy.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    for (proto, forwarded, node_gets, location) in [
        ("wss", "", Some("https"), "https://live.example/"),
        ("HTTPS", "", Some("https"), "https://live.example/"),
        (
            "WSS",
            "for=192.0.2.7;proto=https;host=\"LIVE.example.:443\"",
            Some("https"),
            "https://live.example/",
        ),
        ("ws", "", Some("http"), "/"),
        ("quic", "", None, "/"),
    ] {
        let mut lines = vec![
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", proto),
            ("x-forwarded-host", "live.example"),
        ];
        if !forwarded.is_empty() {
            lines.push(("forwarded", forwarded));
        }
        let target = "/live/whip/endpoint/s1";
        let (reply, head) = publish(&proxy, &node, target, &lines, "").await;
        let ours = reply.header("location");
        assert!(
            ours.starts_with(&format!("{location}live/whip/")),
            "{proto}: {ours}"
        );
        let received = head
            .lines()
            .find_map(|line| line.strip_prefix("x-forwarded-proto: "));
        assert_eq!(received, node_gets, "{proto}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_be_named_in_brackets_or_as_an_ipv4_address_in_ipv6() {
    for (last, named) in [(74, "::FFFF:127.0.0.74"), (75, "[::ffff:127.0.0.75]")] {
        let node = RawNode::start(last).await;
        let (_deployment, proxy) = in_front_of(&node, named, |_| {}).await;
        let target = "/live/whip/endpoint/s1";
        let (reply, _) = publish(&proxy, &node, target, &[], "").await;
        assert_eq!(reply.status, 201, "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_server_is_sent_once_however_it_is_spelled() {
    let node = RawNode::start(76).await;
    let here = node.addr().ip().to_string();
    let (_deployment, proxy) = in_front_of(&node, &here, |config| {
        config.ice.servers = vec!["STUN:Stun.example.com:3478".parse().unwrap()];
    })
    .await;
    let more = "Link: <Stun:stun.EXAMPLE.com.:3478>; rel=\"ice-server\"\r\n\
        Link: <TURN:Turn.example.com?Transport=UDP>; rel=\"ice-server\"; username=\"u\"; credential=\"c\"\r\n\
        Link: <turn:turn.example.com?transport=udp>; rel=\"ice-server\"; username=\"u\"; credential=\"c\"\r\n";
    let target = "/live/whip/endpoint/s1";
    let (reply, _) = publish(&proxy, &node, target, &[], more).await;
    let links: Vec<&str> = reply
        .headers
        .get_all("link")
        .iter()
        .map(|link| link.to_str().unwrap().split('>').next().unwrap())
        .collect();
    assert_eq!(
        links,
        [
            "<stun:stun.example.com:3478",
            "<turn:turn.example.com?transport=udp"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_the_manager_is_one_to_us_however_it_names_itself() {
    let deployment = Deployment::start().await;
    let manager = RawNode::start(77).await;
    let port = manager.addr().port();
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    let proxy = deployment.proxy_with(config);
    for (location, expected) in [
        (
            format!("http://127.0.0.77:{port}/a?b#c"),
            "/a?b#c".to_owned(),
        ),
        (
            format!("HTTP://[::ffff:127.0.0.77]:{port}/a"),
            "/a".to_owned(),
        ),
        (format!("http://127.0.0.77:{port}"), "/".to_owned()),
        (format!("http://127.0.0.77:{port}?b"), "/?b".to_owned()),
        // Another port is another server, another name another host.
        (format!("http://127.0.0.77:{port}0/a"), String::new()),
        ("https://live.example/a".to_owned(), String::new()),
    ] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let (reply, _) = tokio::join!(proxy.h1.get("/page"), manager.answer(0, answer.as_bytes()));
        let expected = if expected.is_empty() {
            location
        } else {
            expected
        };
        assert_eq!(reply.header("location"), expected);
    }
}
