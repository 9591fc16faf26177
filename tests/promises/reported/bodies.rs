//! Bodies that the proxy inspects, in every content coding and with every media type parameter.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::Request;
use whipstitch_tests::{Deployment, Proxy, Reply, raw_node::RawNode};

const OFFER: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:actpass\r\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut coded = GzEncoder::new(Vec::new(), Compression::fast());
    coded.write_all(text.as_bytes()).unwrap();
    coded.finish().unwrap()
}

fn deflate(text: &str) -> Vec<u8> {
    let mut coded = ZlibEncoder::new(Vec::new(), Compression::fast());
    coded.write_all(text.as_bytes()).unwrap();
    coded.finish().unwrap()
}

fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{lines}Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A manager and a node, of bare bytes both.
async fn raw(last: u8) -> (Deployment, RawNode, RawNode, Proxy) {
    let deployment = Deployment::start().await;
    let (manager, node) = (RawNode::start(last).await, RawNode::start(last + 1).await);
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let proxy = deployment.proxy_with(config);
    (deployment, manager, node, proxy)
}

/// A player's offer, with this media type, and the answer to it; what the node received.
async fn play(
    proxy: &Proxy,
    (manager, found): (&RawNode, &[u8]),
    (node, made): (&RawNode, &[u8]),
    (stream, media): (&str, &str),
) -> (Reply, String) {
    // Each stream gets one lookup.
    let post = Request::post(format!("/live/whep/endpoint/{stream}?requestId=a"))
        .header("content-type", media)
        .header("accept-encoding", "gzip, br");
    let post = proxy.h1.send(post.body("v=0").unwrap());
    let nodes = async {
        let (head, _) = manager.answer(0, found).await;
        assert!(head.contains("accept-encoding: identity"), "{head}");
        node.answer(3, made).await.0
    };
    let (reply, head) = tokio::join!(post, nodes);
    assert!(head.contains("accept-encoding: identity"), "{head}");
    (reply, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspected_body_is_read_in_every_content_coding() {
    for (last, coding, coded) in [
        (52, "gzip", gzip as fn(&str) -> Vec<u8>),
        (54, "X-GZip", gzip),
        (56, "deflate", deflate),
        (58, "identity", |text| text.as_bytes().to_vec()),
    ] {
        let (_deployment, manager, node, proxy) = raw(last).await;
        let lines = format!(
            "Content-Encoding: {coding}\r\nContent-Type: application/json;charset=utf-8\r\n"
        );
        // With a byte order mark.
        let json = format!("\u{feff}{{\"serverAddress\":\"{}\"}}", node.addr().ip());
        let found = answer("200 OK", &lines, &coded(&json));
        let lines = format!(
            "Content-Encoding: {coding}\r\nContent-Type: application/sdp; charset=utf-8\r\nLocation: /x\r\n"
        );
        let made = answer("201 Created", &lines, &coded(OFFER));
        let media = ("s1", "application/sdp");
        let (reply, _) = play(&proxy, (&manager, &found), (&node, &made), media).await;
        // The node's own offer, recognised and announced as one.
        assert_eq!(
            (reply.status.as_u16(), &*reply.text()),
            (406, OFFER),
            "{coding}"
        );
        assert!(!reply.headers.contains_key("content-encoding") || coding == "identity");
        assert!(
            reply
                .header("content-type")
                .starts_with("application/sdp; valid-until=")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_decoded_passes_unread() {
    for (last, coding, body) in [
        (60, "br", b"\x0b\x02\x80v=0\x03".to_vec()),
        (62, "gzip", b"no gzip".to_vec()),
        (64, "gzip", gzip(&"a".repeat(300_000))),
    ] {
        let (_deployment, manager, node, proxy) = raw(last).await;
        let json = format!("{{\"serverAddress\":\"{}\"}}", node.addr().ip());
        let found = answer("200 OK", "", json.as_bytes());
        let lines = format!("Content-Encoding: {coding}\r\nContent-Type: application/sdp\r\n");
        let made = answer("201 Created", &lines, &body);
        let media = ("s1", "application/sdp");
        let (reply, _) = play(&proxy, (&manager, &found), (&node, &made), media).await;
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("content-encoding"), coding);
        assert!(reply.body[..] == body, "{coding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_type_is_read_with_its_parameters_and_sent_as_clients_compare_it() {
    let (_deployment, manager, node, proxy) = raw(66).await;
    let json = format!("{{\"serverAddress\":\"{}\"}}", node.addr().ip());
    let found = answer("200 OK", "", json.as_bytes());
    for (stream, (sent, expected)) in ["a", "b", "c"].into_iter().zip([
        ("application/sdp", "application/sdp"),
        (
            "Application/SDP;charset=UTF-8",
            "application/sdp ; charset=\"utf-8\"",
        ),
        (
            "application/sdp; x=\"a;b\"",
            "APPLICATION/SDP;charset=utf-8;",
        ),
    ]) {
        let lines = format!("Content-Type: {expected}\r\n");
        let made = answer("201 Created", &lines, b"v=0\r\n");
        let (reply, head) = play(&proxy, (&manager, &found), (&node, &made), (stream, sent)).await;
        assert_eq!(reply.status, 201);
        assert_eq!(
            reply.header("content-type"),
            "application/sdp",
            "{expected}"
        );
        assert!(head.contains("content-type: application/sdp\r\n"), "{head}");
    }
    // The counter-offer's expiry stays.
    let lines = "Content-Type: application/sdp;charset=utf-8; valid-until=\"Mon, 30 Nov 2026 10:00:00 GMT\"\r\nLocation: /x\r\n";
    let made = answer("406 Not Acceptable", lines, OFFER.as_bytes());
    let media = ("s1", "application/sdp");
    let (reply, _) = play(&proxy, (&manager, &found), (&node, &made), media).await;
    assert_eq!(reply.status, 406);
    let plain = "application/sdp; valid-until=\"Mon, 30 Nov 2026 10:00:00 GMT\"";
    assert_eq!(reply.header("content-type"), plain);
}
