//! ICE servers: sent where a client looks for them, in the form that it can read; and the answers
//! that differ by client.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{SystemTime, UNIX_EPOCH},
};

use http::Request;
use whipstitch::config::Config;
use whipstitch_minicluster::{
    Config as ClusterConfig, Lie, NodeConfig,
    peer::{Player, Publisher},
};
use whipstitch_tests::{
    Client, Deployment, Reply, deployment::SOON, http::path_of, raw_node::RawNode,
};

const NODES: &str =
    r#"<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c""#;
const OBS: &str = "Mozilla/5.0 (OBS-Studio/32.0.1; Linux x86_64; en-US)";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn links(reply: &Reply) -> Vec<&str> {
    let links = reply.headers.get_all("link").iter();
    links.map(|link| link.to_str().unwrap()).collect()
}

fn secret(deployment: &Deployment, name: &str, text: &str) -> std::path::PathBuf {
    let file = deployment.certificate.file(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// STUN, TURN and TURN over TLS, with generated credentials, and with fixed ones for clients that
/// can read no others.
fn ours(deployment: &Deployment) -> Config {
    let mut config = deployment.config();
    config.ice.servers = [
        "stun:s.example.com",
        "turn:t.example.com:3478",
        "turns:t.example.com:443",
    ]
    .map(|url| url.parse().unwrap())
    .into();
    config.ice.turn_secret_file = Some(secret(deployment, "turn.secret", "north\n"));
    config.ice.username = Some("whipstitch".into());
    config.ice.credential_file = Some(secret(deployment, "turn.password", "plain\n"));
    config
}

async fn ask(client: &Client, method: &str, target: &str, agent: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("user-agent", agent)
        .header("content-type", "application/sdp");
    client.send(request.body(body.to_owned()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_the_servers_that_it_can_read() {
    let deployment = Deployment::with(ClusterConfig {
        ice_server: Some(NODES.into()),
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy_with(ours(&deployment));
    let endpoint = "/live/whip/endpoint/s1";

    // Red5's SDK: one, in one line, with a password without `=`.
    let red5 = proxy
        .h1
        .bare("OPTIONS", &format!("{endpoint}?signal=true"))
        .await;
    assert_eq!(
        links(&red5),
        [
            r#"<turn:t.example.com:3478>; rel="ice-server"; username="whipstitch"; credential="plain"; credential-type="password""#
        ]
    );

    // Other clients: all servers, a line each, the node's after ours.
    let before = now();
    let other = proxy.h2.bare("OPTIONS", endpoint).await;
    let lines = links(&other);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], r#"<stun:s.example.com>; rel="ice-server""#);
    assert!(
        lines.iter().all(|line| !line.contains("whipstitch")),
        "the password that does not end is for those who can read no other: {lines:?}"
    );
    assert_eq!(
        lines[3],
        NODES.replace(
            "; credential=\"c\"",
            "; credential=\"c\"; credential-type=\"password\""
        )
    );
    let user = lines[1].split('"').nth(3).unwrap();
    let (expiry, id) = user.split_once(':').unwrap();
    assert!(
        expiry.parse::<u64>().unwrap() - before - 12 * 3600 < 10,
        "{user}"
    );
    assert_eq!(id.len(), 16, "{user}");
    // The request's id is the client's to choose, and the user of a TURN server is not.
    let chosen = Request::options(endpoint).header("x-request-id", "root");
    let chosen = proxy.h1.send(chosen.body("").unwrap()).await;
    assert_eq!(chosen.header("x-request-id"), "root");
    assert!(links(&chosen).iter().all(|line| !line.contains("root")));

    // OBS reads the 201 only, and no `turns:`.
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let obs = ask(&proxy.h1, "POST", endpoint, OBS, &offer).await;
    assert_eq!(obs.status, 201);
    let lines = links(&obs);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| !line.contains("turns:") && !line.contains(", "))
    );
    assert!(!obs.header("location").is_empty());

    let preflight = Request::options(endpoint)
        .header("origin", "https://a")
        .header("access-control-request-method", "OPTIONS");
    let preflight = proxy.h1.send(preflight.body("").unwrap()).await;
    assert_eq!(links(&preflight), [""; 0], "never on a preflight");
    let taken = ask(&proxy.h1, "POST", endpoint, OBS, &offer).await;
    assert_eq!(
        (taken.status.as_u16(), links(&taken).len()),
        (409, 0),
        "nor on a failure"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_servers_can_be_left_out() {
    let deployment = Deployment::with(ClusterConfig {
        ice_server: Some(NODES.into()),
        ..ClusterConfig::default()
    })
    .await;
    let mut config = deployment.config();
    config.ice.servers = vec!["stun:s.example.com".parse().unwrap()];
    config.ice.replace = true;
    let proxy = deployment.proxy_with(config);
    for target in [
        "/live/whip/endpoint/s1",
        "/live/whep/endpoint/s1?signal=true",
    ] {
        let answer = proxy.h1.bare("OPTIONS", target).await;
        if answer.status.is_success() {
            assert_eq!(
                links(&answer),
                [r#"<stun:s.example.com>; rel="ice-server""#]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_links_of_a_node_are_dropped() {
    let (deployment, node) = raw().await;
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    let proxy = deployment.proxy_with(config);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\
        Link: stun:old.example.com; rel=\"ice-server\";\r\n\
        Link: <turn:a.example.com>; rel=ice-server; username: \"u\"; credential: \"p\", <turn:b\r\n\
        Link: <http://10.0.0.9/x>; rel=\"ice-server\"\r\n\
        Link: <stun:c.example.com>; rel=\"ice-server\"; x=\"unended\r\n\
        Link: </statistics>; rel=\"statistics\"\r\n\r\n";
    let client = proxy.h1.clone();
    let (options, _) = tokio::join!(
        client.bare("OPTIONS", "/live/whip/endpoint/s1"),
        node.answer(0, answer.as_bytes())
    );
    assert_eq!(
        links(&options),
        [
            r#"<stun:old.example.com>; rel="ice-server""#,
            r#"<turn:a.example.com>; rel="ice-server"; username="u"; credential="p"; credential-type="password""#
        ]
    );
}

/// A cluster whose manager names the address of a raw node.
async fn raw() -> (Deployment, RawNode) {
    let deployment = Deployment::with(ClusterConfig {
        nodes: vec![NodeConfig::new([127, 0, 0, 2].into())],
        ..ClusterConfig::default()
    })
    .await;
    let node = RawNode::start(2).await;
    (deployment, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_of_the_draft_gets_the_nodes_offer_as_a_counter_offer() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.ice.servers = vec!["stun:s.example.com".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let publisher = Publisher::new().await.unwrap();
    let created_by = proxy
        .h1
        .sdp(
            "POST",
            "/live/whip/endpoint/s1",
            &publisher.offer().await.unwrap(),
        )
        .await;
    publisher.answer(&created_by.text()).await.unwrap();
    publisher.wait_connected(SOON).await.unwrap();

    let viewer = Player::new().await.unwrap();
    let offered = viewer.offer().await.unwrap();
    let counter_offer = proxy
        .h2
        .sdp("POST", "/live/whep/endpoint/s1", &offered)
        .await;
    assert_eq!(counter_offer.status, 406, "{}", counter_offer.text());
    let media = counter_offer.header("content-type");
    assert!(
        media.starts_with("application/sdp; valid-until=\""),
        "{media}"
    );
    assert!(media.ends_with(" GMT\""), "{media}");
    assert_eq!(
        links(&counter_offer),
        [r#"<stun:s.example.com>; rel="ice-server""#]
    );
    let session = path_of(counter_offer.header("location"));
    let answer = viewer.accept(&counter_offer.text()).await.unwrap();
    assert_eq!(proxy.h1.sdp("PATCH", &session, &answer).await.status, 204);
    let counts = viewer.wait_for_frames(20, SOON).await.unwrap();
    assert!(counts.keyframes > 0, "{counts:?}");
    assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);

    // Red5's SDK, and players without an offer of their own, get it in the 201.
    let red5 = "/live/whep/endpoint/s1?requestId=subscriber-1&signal=true";
    assert_eq!(proxy.h1.sdp("POST", red5, &offered).await.status, 201);
    let empty = proxy
        .h1
        .bare("POST", "/live/whep/endpoint/s1?requestId=subscriber-2")
        .await;
    assert_eq!(empty.status, 201);
    publisher_ends(&proxy.h1, &created_by).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_406_without_an_offer_is_no_counter_offer() {
    let (deployment, node) = raw().await;
    let manager = deployment.cluster.manager();
    manager.lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    let proxy = deployment.proxy_with(config);
    let endpoint = "/live/whep/endpoint/s1?requestId=a";
    for media in ["text/plain", "application/sdp"] {
        let answer = format!(
            "HTTP/1.1 406 Not Acceptable\r\nContent-Type: {media}\r\nContent-Length: 6\r\n\r\nfailed"
        );
        let play = proxy.h1.sdp("POST", endpoint, "v=0");
        let (refused, _) = tokio::join!(play, node.answer(3, answer.as_bytes()));
        let result = (refused.status.as_u16(), refused.problem());
        assert_eq!(result, (502, "node-answer".into()), "{media}");
        // Red5's SDK knows what its node means.
        let target = format!("{endpoint}&signal=true");
        let play = proxy.h1.sdp("POST", &target, "v=0");
        let (refused, _) = tokio::join!(play, node.answer(3, answer.as_bytes()));
        assert_eq!((refused.status.as_u16(), &*refused.text()), (406, "failed"));
    }
}

/// As with Red5's SDK, a node without a `Location` means the usual path.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_offer_without_a_location_can_be_answered() {
    let (deployment, node) = raw().await;
    let manager = deployment.cluster.manager();
    manager.lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    let proxy = deployment.proxy_with(config);
    let offer = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:actpass\r\n";
    let answer = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    let play = proxy
        .h1
        .sdp("POST", "/live/whep/endpoint/s1?requestId=a", "v=0");
    let (counter_offer, _) = tokio::join!(play, node.answer(3, answer.as_bytes()));
    assert_eq!(
        (counter_offer.status.as_u16(), &*counter_offer.text()),
        (406, offer)
    );
    let session = path_of(counter_offer.header("location"));
    let patch = proxy.h1.sdp("PATCH", &session, "v=0");
    let (answered, (head, _)) =
        tokio::join!(patch, node.answer(3, b"HTTP/1.1 204 No Content\r\n\r\n"));
    assert_eq!(answered.status, 204);
    assert!(
        head.starts_with("PATCH /live/whep/resource/s1?requestId=a HTTP/1.1\r\n"),
        "{head}"
    );
}

async fn publisher_ends(client: &Client, published: &Reply) {
    let session = path_of(published.header("location"));
    assert_eq!(client.bare("DELETE", &session).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_of_the_draft_takes_an_answer_as_an_answer() {
    let deployment = Deployment::with(ClusterConfig {
        whep_answers: true,
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created_by = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    publisher.answer(&created_by.text()).await.unwrap();
    let viewer = Player::new().await.unwrap();
    let offer = viewer.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", "/live/whep/endpoint/s1", &offer).await;
    assert_eq!(
        (created.status.as_u16(), created.header("content-type")),
        (201, "application/sdp")
    );
}
