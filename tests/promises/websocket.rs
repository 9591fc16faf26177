//! WebSockets: the bytes of a client and of a node are relayed unchanged, and no client reaches
//! anything else.

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{CloseCode, Data, OpCode},
    },
};
use whipstitch::{config::Config, shutdown::Drained};
use whipstitch_minicluster::{Fault, Server};
use whipstitch_tests::{
    Deployment, Proxy,
    deployment::SOON,
    raw_node::RawNode,
    websocket::{ACCEPT, Dialogue, over_h2, raw},
};

/// A proxy with a raw socket as its only node.
async fn with_raw_node(last: u8) -> (Deployment, RawNode, Config) {
    let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    (deployment, node, config)
}

fn text(frame: &str, from_client: bool) -> Vec<u8> {
    let mut frame = Frame::message(frame.as_bytes().to_vec(), OpCode::Data(Data::Text), true);
    frame.header_mut().mask = from_client.then_some([0x11, 0x22, 0x33, 0x44]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

/// One line of a transcript: the sender and the bytes.
enum Line {
    Client(&'static str),
    Node(&'static str),
}
use Line::{Client as C, Node as S};

const PUBLISHER: &[Line] = &[
    S(r#"{"data":{"type":"status","code":"NetConnection.Connect.Success"}}"#),
    C(r#"{"isAvailable":"stream1","bundle":true}"#),
    S(r#"{"isAvailable":false}"#),
    C(
        r#"{"handleOffer":"stream1","transport":"udp","data":{"sdp":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"}},"videoEncoding":"VP8"}"#,
    ),
    S(r#"{"data":{"sdp":{"type":"answer","sdp":"v=0\r\n"}}}"#),
    C(
        r#"{"handleCandidate":"stream1","data":{"candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}}}"#,
    ),
    S(
        r#"{"data":{"candidate":{"candidate":"candidate:2 1 udp 1 192.0.2.2 9 typ host","sdpMid":"0","sdpMLineIndex":0}}}"#,
    ),
    C(r#"{"handleCandidate":"stream1","data":{"candidate":{"type":"candidate","candidate":""}}}"#),
    S(r#"{"data":{"type":"status","code":"NetConnection.ICE.TrickleCompleted"}}"#),
    C(r#"{"publish":"stream1","mode":"live","keyFramerate":3000}"#),
    S(r#"{"data":{"type":"status","message":"stream1 starting"}}"#),
    S(
        r#"{"data":{"type":"status","code":"NetConnection.DataChannel.Available","description":"red5pro"}}"#,
    ),
    C(r#"{"switchChannel":"red5pro"}"#),
];

const SUBSCRIBER: &[Line] = &[
    S(r#"{"data":{"type":"status","code":"NetConnection.Connect.Success"}}"#),
    C(r#"{"isAvailable":"stream1"}"#),
    S(r#"{"isAvailable":true}"#),
    C(
        r#"{"requestOffer":"stream1","requestId":"subscriber-1b31","transport":"udp","datachannel":true,"doNotSwitch":false}"#,
    ),
    S(r#"{"data":{"sdp":{"type":"offer","sdp":"v=0\r\n"}}}"#),
    C(
        r#"{"handleAnswer":"stream1","requestId":"subscriber-1b31","data":{"sdp":{"type":"answer","sdp":"v=0\r\n"}}}"#,
    ),
    C(
        r#"{"handleCandidate":"stream1","requestId":"subscriber-1b31","data":{"candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}}}"#,
    ),
    S(r#"{"data":{"type":"status","code":"NetConnection.ICE.TrickleCompleted"}}"#),
    C(r#"{"subscribe":"stream1","requestId":"subscriber-1b31"}"#),
    S(r#"{"data":{"type":"status","message":"stream1 starting"}}"#),
    S(
        r#"{"data":{"type":"status","code":"NetConnection.DataChannel.Available","description":"red5pro"}}"#,
    ),
    C(r#"{"switchChannel":"red5pro"}"#),
];

/// Plays a transcript and compares every byte at the other end.
async fn transcript(path: &str, id: &str, lines: &[Line]) {
    let (deployment, node, config) = with_raw_node(4).await;
    let proxy = deployment.proxy_with(config);
    let host = node.addr().ip();
    let target = format!(
        "{path}?id={id}&token=a%20b=c&host={host}&x=%2F&app=live%2Froom1&usePrivateProxy=true"
    );
    let more = "Sec-WebSocket-Protocol: json\r\nSec-WebSocket-Extensions: permessage-deflate\r\nUser-Agent: page\r\n";
    let agreed = "Sec-WebSocket-Protocol: json\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let ((answer, mut client), (asked, mut node)) =
        tokio::join!(raw(&proxy.h1, &target, more), node.accept(agreed));

    assert!(
        asked.starts_with(&format!(
            "GET /live/room1/?id={id}&token=a%20b=c&x=%2F HTTP/1.1\r\n"
        )),
        "{asked}"
    );
    for line in [
        "user-agent: page",
        "x-forwarded-for: 127.0.0.1",
        "sec-websocket-extensions: permessage-deflate",
    ] {
        assert!(
            asked.lines().any(|asked| asked == line),
            "{line} in {asked}"
        );
    }
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    let accept = format!("sec-websocket-accept: {}", ACCEPT.to_ascii_lowercase());
    for line in [
        &*accept,
        "sec-websocket-protocol: json",
        "sec-websocket-extensions: permessage-deflate",
    ] {
        assert!(
            answer.lines().any(|answer| answer == line),
            "{line} in {answer}"
        );
    }

    for line in lines {
        let (bytes, from_client) = match line {
            C(frame) => (text(frame, true), true),
            S(frame) => (text(frame, false), false),
        };
        let mut got = vec![0; bytes.len()];
        if from_client {
            client.write_all(&bytes).await.unwrap();
            tokio::time::timeout(SOON, node.read_exact(&mut got))
                .await
                .unwrap()
                .unwrap();
        } else {
            node.write_all(&bytes).await.unwrap();
            tokio::time::timeout(SOON, client.read_exact(&mut got))
                .await
                .unwrap()
                .unwrap();
        }
        assert_eq!(got, bytes);
    }
    // A page's close(): an empty Close right behind the last frame.
    client.write_all(&[0x88, 0x80, 1, 2, 3, 4]).await.unwrap();
    let mut close = [0; 6];
    node.read_exact(&mut close).await.unwrap();
    assert_eq!(close, [0x88, 0x80, 1, 2, 3, 4]);
    proxy.metric("whipstitch_sockets_open").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publishers_transcript_is_relayed_byte_for_byte() {
    transcript("/streammanager/", "stream1", PUBLISHER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscribers_transcript_is_relayed_byte_for_byte() {
    transcript("/streammanager", "subscriber-1b31", SUBSCRIBER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_a_403_and_no_connection() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    let canary = RawNode::start(9).await;
    config.nodes.port = canary.addr().port();
    let proxy = deployment.proxy_with(config);
    for host in ["127.0.0.9", "10.11.12.13", "%3A%3Affff%3A127.0.0.9"] {
        let (answer, _) = raw(
            &proxy.h1,
            &format!("/streammanager/?id=s1&host={host}&app=live"),
            "",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{host}: {answer}");
    }
    for host in [
        "undefined",
        "127.0.0.9:22",
        "user@127.0.0.9",
        "127.9",
        "0x7f000009",
        "localhost",
        "",
    ] {
        let (answer, _) = raw(
            &proxy.h1,
            &format!("/streammanager/?id=s1&host={host}&app=live"),
            "",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
    }
    assert!(canary.unconnected());
    assert!(
        (proxy
            .metric(r#"whipstitch_origin_refused_total{reason="special"}"#)
            .await
            // Two addresses, before the manager was asked about the stream and after.
            - 4.0)
            .abs()
            < 0.5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_switch_properly_is_never_spliced() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = std::time::Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    let node = &deployment.cluster.nodes()[0];
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.ip());
    for (fault, status) in [
        (Fault::Refuse, "502"),
        (Fault::Reset, "502"),
        (Fault::BlackHole, "504"),
        (Fault::WrongAccept, "502"),
        (Fault::Status(200, "hello".into()), "502"),
        (Fault::Status(403, "not here".into()), "403"),
    ] {
        node.fail(fault.clone()).await;
        let (answer, _) = raw(&proxy.h1, &target, "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{fault:?}: {answer}"
        );
    }
    node.heal().await;
    let mut dialogue = Dialogue::open(&proxy.h1, &target).await.unwrap();
    assert_eq!(
        dialogue.receive().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_beyond_the_limit_are_refused() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.limits.sockets = 2;
    let proxy = deployment.proxy_with(config);
    let target = format!(
        "/streammanager/?id=subscriber-1&host={}&app=live",
        deployment.cluster.nodes()[0].ip()
    );
    let first = Dialogue::open(&proxy.h1, &target).await.unwrap();
    let _second = Dialogue::open(&proxy.h1, &target).await.unwrap();
    let (third, _) = raw(&proxy.h1, &target, "").await;
    assert!(third.starts_with("HTTP/1.1 503"), "{third}");
    let metric = "whipstitch_sockets_open";
    // A socket counts once it is spliced, after its 101: until then, one of two would look closed.
    proxy.until_metric(metric, 2.0).await;
    first.close().await;
    proxy.until_metric(metric, 1.0).await;
    Dialogue::open(&proxy.h1, &target).await.unwrap();
    open_ends(&proxy).await;
}

/// The abruptly dropped socket is counted apart from the one that sent a Close.
async fn open_ends(proxy: &Proxy) {
    proxy
        .until_metric(r#"whipstitch_sockets_ended_total{by="client_lost"}"#, 1.0)
        .await;
    proxy
        .until_metric(r#"whipstitch_sockets_ended_total{by="client"}"#, 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_it_is_one_stream_among_others() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let node = &deployment.cluster.nodes()[0];
    let (refused, _) = over_h2(&proxy.h2, "/streammanager/?id=s1&host=10.11.12.13&app=live").await;
    assert_eq!(refused.status(), 403);
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.ip());
    let (opened, stream) = over_h2(&proxy.h2, &target).await;
    assert_eq!(opened.status(), 200);
    assert!(!opened.headers().contains_key("sec-websocket-accept"));
    let mut dialogue = Dialogue::over(stream.unwrap()).await;
    assert_eq!(
        dialogue.receive().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue
        .send(serde_json::json!({"isAvailable": "s1", "bundle": true}))
        .await;
    assert_eq!(dialogue.receive().await["isAvailable"], false);
    // A shutdown ends the stream with a Close, and then the connection.
    let (drained, close) = tokio::join!(proxy.drain(), async {
        let close = dialogue.next().await;
        dialogue.close().await;
        close
    });
    assert!(matches!(close, Message::Close(Some(_))), "{close:?}");
    assert_eq!(drained, Drained::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_handshake_is_not_treated_as_one() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let node = &deployment.cluster.nodes()[0];
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.ip());
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let (answer, _) = raw(&proxy.h1, &target, body).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
    }
    let (elsewhere, _) = over_h2(&proxy.h2, "/live/whip/endpoint/s1").await;
    assert_eq!(elsewhere.status(), 405);
    assert_eq!(deployment.cluster.seen().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_dialled_is_looked_up_again() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    assert_eq!(
        proxy
            .h1
            .bare("OPTIONS", "/live/whip/endpoint/s1")
            .await
            .status,
        200
    );
    let seen = deployment.cluster.seen().requests();
    let Some(Server::Node(index)) = seen.last().map(|request| request.server) else {
        panic!("{seen:?}")
    };
    let node = &deployment.cluster.nodes()[index];
    node.die().await;
    let target = format!("/streammanager/?id=other&host={}&app=live", node.ip());
    assert!(
        raw(&proxy.h1, &target, "")
            .await
            .0
            .starts_with("HTTP/1.1 502")
    );
    assert_eq!(
        proxy
            .h1
            .bare("OPTIONS", "/live/whip/endpoint/s1")
            .await
            .status,
        200,
        "from the other node"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_may_vouch_for_a_host_and_a_refusal_looks_always_the_same() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let seen = deployment.cluster.seen();
    let ask = async |host: &str, id: &str| {
        let target = format!("/streammanager/?id={id}&region=us-east-1&host={host}&app=live");
        let (answer, _) = raw(&proxy.h1, &target, "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{host}: {answer}");
    };
    for (number, host) in (1..).zip(["10.11.12.13", "127.0.0.9", "169.254.169.254"]) {
        ask(host, &format!("s{number}")).await;
        assert_eq!(seen.all_lookups(), number, "{host}");
        let asked = seen.requests_to(Server::Manager).pop().unwrap();
        assert_eq!(
            asked.target,
            format!(
                "/streammanager/api/4.0/event/live/s{number}?action=broadcast&endpoints=16&region=us-east-1"
            )
        );
        // A subscriber names no stream for a lookup.
        ask(host, "subscriber-1b31").await;
        assert_eq!(seen.all_lookups(), number, "{host}");
    }
    deployment.cluster.manager().fail(Fault::Refuse).await;
    ask("10.11.12.13", "another").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_operator_ends_is_closed_with_that_reason() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1b31&host={node}&app=live");
    let mut dialogue = Dialogue::open(&proxy.h1, &target).await.unwrap();
    dialogue.receive().await;
    let listed = proxy.admin.get("/sessions").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
    let id = listed["sessions"][0]["id"].as_str().unwrap();
    let end = Request::post(format!("/sessions/{id}/end"));
    let end = end.header("content-type", "application/json");
    let ended = proxy.admin.send(end.body(String::new()).unwrap()).await;
    assert_eq!(ended.status, 202, "{}", ended.text());
    let close = loop {
        if let Message::Close(close) = dialogue.next().await {
            break close.unwrap();
        }
    };
    assert_eq!(
        (close.code, &*close.reason),
        (CloseCode::Away, "session ended by the operator")
    );
}
