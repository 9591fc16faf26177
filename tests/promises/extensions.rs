//! Protocol extensions: nodes offer them, and clients reach them by sealed URLs.

use std::time::{Duration, Instant};

use http::Request;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use whipstitch::config::Config;
use whipstitch_minicluster::{Config as ClusterConfig, Node, NodeConfig, peer::Publisher};
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Client, Deployment, Reply, deployment::SOON, http::path_of, kept::StreamingReply,
    raw_node::RawNode,
};

const EVENTS: &str = "urn:ietf:params:whep:ext:core:server-sent-events";
const LAYER: &str = "urn:ietf:params:whep:ext:core:layer";

/// One node, which offers extensions.
async fn offering() -> Deployment {
    Deployment::with(ClusterConfig {
        nodes: vec![NodeConfig::new([127, 0, 0, 2].into())],
        extensions: true,
        ..ClusterConfig::default()
    })
    .await
}

/// The path of the extension with this relation in an answer; it is ours, and hides the node.
fn offered(reply: &Reply, relation: &str) -> Option<String> {
    let links = reply.headers.get_all("link").iter();
    let mut links = links.map(|link| link.to_str().unwrap());
    let link = links.find(|link| link.contains(&format!("rel=\"{relation}\"")))?;
    assert!(!link.contains("127.0.0.2"), "{link}");
    let (target, _) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    Some(path_of(target))
}

async fn publish(client: &Client, target: &str) -> Reply {
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = client.sdp("POST", target, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created
}

/// A standard player's session for this stream, with a publisher.
async fn play(client: &Client, stream: &str) -> Reply {
    publish(client, &format!("/live/whip/endpoint/{stream}")).await;
    let target = format!("/live/whep/endpoint/{stream}");
    let created = client.bare("POST", &target).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created
}

async fn post(client: &Client, target: &str, body: &'static str) -> Reply {
    let request = Request::post(target).header("content-type", "application/json");
    client.send(request.body(body).unwrap()).await
}

/// The stream of events of a session.
async fn listen(client: &Client, session: &Reply) -> StreamingReply {
    let events = offered(session, EVENTS).unwrap();
    let made = post(client, &events, r#"["active"]"#).await;
    assert_eq!(made.status, 201, "{}", made.text());
    open(client, &path_of(made.header("location"))).await
}

async fn open(client: &Client, target: &str) -> StreamingReply {
    let request = Request::get(target).header("accept", "text/event-stream");
    client.keep().await.open(request.body("").unwrap()).await
}

/// Waits until the node has this many event streams.
async fn until_listeners(node: &Node, count: usize) {
    let reached = async {
        // Polls another part of the same process, which sends no notification.
        while node.event_streams() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = tokio::time::timeout(SOON, reached).await;
    assert!(reached.is_ok(), "{} listeners", node.event_streams());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_when_it_is_sent_and_not_at_the_end() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let node = &deployment.cluster.nodes()[0];
    for (client, stream) in [(&proxy.h1, "a"), (&proxy.h2, "b"), (&proxy.plain, "c")] {
        let session = play(client, stream).await;
        let mut events = listen(client, &session).await;
        assert_eq!(events.status, 200);
        assert_eq!(events.headers["content-type"], "text/event-stream");
        assert_eq!(events.headers["access-control-allow-origin"], "*");
        proxy
            .until_metric("whipstitch_event_streams_open", 1.0)
            .await;
        for event in ["event: active\ndata: {}\n\n", "data: 2\n\n"] {
            let sent = Instant::now();
            assert_eq!(node.send_event(event), 1);
            assert_eq!(events.next().await.unwrap(), event);
            let took = sent.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
        // A client that leaves ends the stream at the node too.
        drop(events);
        until_listeners(node, 0).await;
        proxy
            .until_metric("whipstitch_event_streams_open", 0.0)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extensions_bodies_and_resources_are_passed_through() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let session = play(&proxy.h2, "s1").await;
    let layer = offered(&session, LAYER).unwrap();
    let chosen = post(&proxy.h1, &layer, r#"{"encodingId":"h"}"#).await;
    assert_eq!(
        (chosen.status.as_u16(), &*chosen.text()),
        (200, r#"{"encodingId":"h"}"#)
    );
    assert_eq!(chosen.header("access-control-allow-origin"), "*");

    let made = post(&proxy.h1, &offered(&session, EVENTS).unwrap(), "[]").await;
    let location = made.header("location");
    assert!(location.starts_with("https://localhost:"), "{location}");
    let stream = path_of(location);
    assert!(stream.starts_with("/live/whep/extension/s1/"), "{stream}");
    assert_eq!(proxy.plain.bare("DELETE", &stream).await.status, 200);
    let requests = deployment.cluster.seen().requests();
    assert_eq!(
        requests.last().unwrap().target,
        "/extensions/live/s1/events/stream"
    );
    // Added queries are passed on; methods that no extension has are refused here.
    post(&proxy.h1, &format!("{layer}?token=x&host=10.0.0.1"), "{}").await;
    let requests = deployment.cluster.seen().requests();
    assert_eq!(
        requests.last().unwrap().target,
        "/extensions/live/s1/layer?token=x"
    );
    assert_eq!(proxy.h1.bare("PUT", &layer).await.problem(), "method");
    let long = "x".repeat(100_000).leak();
    assert_eq!(
        post(&proxy.h1, &layer, long).await.problem(),
        "body-too-large"
    );
    assert!(made.headers.get("link").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_of_one_stream_does_not_open_another() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let session = play(&proxy.h1, "s1").await;
    let layer = offered(&session, LAYER).unwrap();
    let token = layer.rsplit('/').next().unwrap();
    let mut altered = token.to_owned();
    altered.replace_range(40..=40, if &token[40..=40] == "A" { "B" } else { "A" });
    let of_session = path_of(session.header("location"));
    let session_token = of_session.rsplit('/').next().unwrap();
    for target in [
        format!("/live/whep/extension/s2/{token}"),
        format!("/live/whip/extension/s1/{token}"),
        format!("/live/room/whep/extension/s1/{token}"),
        format!("/live/whep/extension/s1/{altered}"),
        format!("/live/whep/extension/s1/{session_token}"),
        "/live/whep/extension/s1/x".to_owned(),
    ] {
        let refused = post(&proxy.h1, &target, "{}").await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (404, "unknown-session"),
            "{target}"
        );
    }
    let as_session = format!("/live/whep/resource/s1/{token}");
    assert_eq!(proxy.h1.bare("DELETE", &as_session).await.status, 404);
    // A replica without the key cannot open it, and one whose URLs have expired does not.
    let mut config = deployment.config();
    config.sessions.lifetime = Duration::from_nanos(1);
    let brief = deployment.proxy_with(config);
    let session = brief.h1.bare("POST", "/live/whep/endpoint/s1").await;
    let expiring = offered(&session, LAYER).unwrap();
    let expired = async {
        // Its age is measured by the wall clock, in whole milliseconds.
        while post(&brief.h1, &expiring, "{}").await.status != 404 {}
    };
    assert!(tokio::time::timeout(SOON, expired).await.is_ok());
    assert_eq!(post(&brief.h1, &layer, "{}").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_ends_its_extensions() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let events = "urn:ietf:params:whip:ext:core:server-sent-events";
    let old = publish(&proxy.h1, "/live/whip/endpoint/s1").await;
    let theirs = offered(&old, events).unwrap();
    assert_eq!(post(&proxy.h1, &theirs, "[]").await.status, 201);
    let session = path_of(old.header("location"));
    assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);
    // This also holds before the next session: the node may keep its extensions for a while.
    assert_eq!(
        post(&proxy.h1, &theirs, "[]").await.problem(),
        "unknown-session"
    );
    let new = publish(&proxy.h1, "/live/whip/endpoint/s1").await;
    assert_eq!(post(&proxy.h1, &theirs, "[]").await.status, 404);
    let ours = offered(&new, events).unwrap();
    assert_eq!(post(&proxy.h1, &ours, "[]").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_are_bounded_and_end_with_the_process() {
    let deployment = offering().await;
    let mut config = deployment.config();
    config.limits.event_streams = 1;
    let proxy = deployment.proxy_with(config);
    let session = play(&proxy.h2, "s1").await;
    let mut first = listen(&proxy.h2, &session).await;
    let made = post(&proxy.h1, &offered(&session, EVENTS).unwrap(), "[]").await;
    let refused = proxy.h1.get(&path_of(made.header("location"))).await;
    assert_eq!(refused.problem(), "overloaded");
    let node = &deployment.cluster.nodes()[0];
    until_listeners(node, 1).await;
    node.send_event("data: last\n\n");
    assert_eq!(first.next().await.unwrap(), "data: last\n\n");
    let began = Instant::now();
    let (drained, end) = tokio::join!(proxy.drain(), first.next());
    assert_eq!((drained, end), (whipstitch::shutdown::Drained::Whole, None));
    assert!(
        began.elapsed() < SOON / 2,
        "the drain does not wait for its end"
    );
}

/// Waits until the unread data stops growing.
async fn until_full(socket: &TcpStream) {
    let mut there = vec![0; 16 * 1024 * 1024];
    let (mut before, mut same) = (0, 0);
    while same < 20 {
        let now = socket.peek(&mut there).await.unwrap();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        // The kernel sends no notification that its buffers are full.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Its client is connected and reads nothing: a frame is always queued for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_event_stream_does_not_delay_the_drain() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let session = play(&proxy.h1, "s1").await;
    let made = post(&proxy.h1, &offered(&session, EVENTS).unwrap(), "[]").await;
    let mut client = TcpStream::connect(proxy.plain.addr()).await.unwrap();
    let target = path_of(made.header("location"));
    let get = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write_all(get.as_bytes()).await.unwrap();
    let node = &deployment.cluster.nodes()[0];
    until_listeners(node, 1).await;
    // More than all buffers in between hold.
    let event = format!("data: {}\n\n", "x".repeat(1024 * 1024)).leak();
    for _ in 0..40 {
        assert_eq!(node.send_event(event), 1);
    }
    until_full(&client).await;
    let began = Instant::now();
    assert_eq!(proxy.drain().await, whipstitch::shutdown::Drained::Whole);
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_manager_2_0_has_a_form_of_its_own() {
    let deployment = offering().await;
    let mut config: Config = deployment.config();
    config.stream_manager.api = Api::V2;
    let proxy = deployment.proxy_with(config);
    publish(&proxy.h1, "/as/v1/proxy/whip/live/s1").await;
    let session = proxy
        .h1
        .bare("POST", "/as/v1/proxy/whep/live/s1?requestId=a")
        .await;
    assert_eq!(session.status, 201);
    let layer = offered(&session, LAYER).unwrap();
    assert!(
        layer.starts_with("/as/v1/proxy/whep/live/s1/extension:"),
        "{layer}"
    );
    assert_eq!(post(&proxy.h2, &layer, "{}").await.status, 200);
    let mut events = listen(&proxy.h2, &session).await;
    let node = &deployment.cluster.nodes()[0];
    node.send_event("data: 1\n\n");
    assert_eq!(events.next().await.unwrap(), "data: 1\n\n");
    let elsewhere = layer.replacen("/s1/", "/s2/", 1);
    assert_eq!(post(&proxy.h2, &elsewhere, "{}").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_read_one_link_get_statistics_only_without_an_ice_server() {
    let deployment = offering().await;
    let proxy = deployment.proxy();
    let mut config = deployment.config();
    config.ice.servers = vec!["stun:s.example.com".parse().unwrap()];
    let with_ice = deployment.proxy_with(config);
    let sdk = "/live/whip/endpoint/s1?signal=true";
    let options = proxy.h1.bare("OPTIONS", sdk).await;
    let links: Vec<_> = options.headers.get_all("link").iter().collect();
    assert_eq!(links.len(), 1, "{links:?}");
    let statistics = offered(&options, "statistics").unwrap();
    assert!(links[0].to_str().unwrap().ends_with("; rel=\"statistics\""));
    assert_eq!(post(&proxy.h1, &statistics, "{}").await.status, 204);
    let options = with_ice.h1.bare("OPTIONS", sdk).await;
    assert!(options.header("link").starts_with("<stun:s.example.com>"));
    // MediaMTX takes every link on OPTIONS for an ICE server; OBS every link for one.
    let standard = proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await;
    assert!(standard.headers.get("link").is_none());
    let publisher = Publisher::new().await.unwrap();
    let obs = Request::post("/live/whip/endpoint/s1")
        .header(
            "user-agent",
            "Mozilla/5.0 (OBS-Studio/32.0.1; Linux x86_64; en-US)",
        )
        .header("content-type", "application/sdp");
    let obs = proxy
        .h1
        .send(obs.body(publisher.offer().await.unwrap()).unwrap())
        .await;
    assert_eq!((obs.status.as_u16(), obs.headers.get("link")), (201, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_links_to_other_hosts_are_left_out() {
    let deployment = Deployment::with(ClusterConfig {
        nodes: vec![NodeConfig::new([127, 0, 0, 2].into())],
        ..ClusterConfig::default()
    })
    .await;
    let node = RawNode::start(2).await;
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    let proxy = deployment.proxy_with(config);
    let answer = "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\
        Location: /live/whip/resource/s1\r\n\
        Link: <http://192.0.2.9/a>; rel=\"urn:ietf:params:whip:ext:a\"\r\n\
        Link: <//127.0.0.3/b>; rel=\"urn:ietf:params:whip:ext:b\", <c>; rel=\"urn:ietf:params:whip:ext:c\"; anchor=\"http://127.0.0.2/\"\r\n\
        Link: </d>; rel=\"next\"\r\n\
        Link: </e; rel=\"urn:ietf:params:whip:ext:e\"\r\n\
        Link: </f>; rel=\"urn:ietf:params:whip:ext:f\"; x=\"un\r\n\
        Link: <http://127.0.0.2/g>; rel=\"urn:ietf:params:whip:ext:g\"\r\n\r\nv=0";
    let client = proxy.h1.clone();
    let (created, _) = tokio::join!(
        client.sdp("POST", "/live/whip/endpoint/s1", "v=0"),
        node.answer(3, answer.as_bytes())
    );
    assert_eq!(created.status, 201);
    let relation = |name: &str| offered(&created, &format!("urn:ietf:params:whip:ext:{name}"));
    let links = created.headers.get_all("link").iter().count();
    assert_eq!(links, 2, "{:?}", created.headers);
    assert!(relation("c").is_some());
    assert!(relation("g").is_some());

    // A resource that an extension created is at the node that answered, whatever host it names.
    let away = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nLocation: http://192.0.2.9/x\r\n\r\n";
    let path = relation("c").unwrap();
    let (made, (head, _)) =
        tokio::join!(post(&client, &path, "[]"), node.answer(2, away.as_bytes()));
    assert!(
        head.starts_with("POST /live/whip/endpoint/c HTTP/1.1"),
        "{head}"
    );
    let made = path_of(made.header("location"));
    let gone = b"HTTP/1.1 204 No Content\r\n\r\n";
    let (ended, (head, _)) = tokio::join!(client.bare("DELETE", &made), node.answer(0, gone));
    assert_eq!(ended.status, 204);
    assert!(head.starts_with("DELETE /x HTTP/1.1"), "{head}");
}
