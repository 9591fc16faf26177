//! WHIP and WHEP over HTTP: what reaches the node, what comes back, and what never gets there.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use whipstitch_minicluster::{Action, Config, Fault, Lie, Server, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment, Proxy, deployment::SOON, http::path_of, raw_node::RawNode,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_node_byte_for_byte_and_a_session_url_hides_it() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let target = "/live/whip/endpoint/s1?signal=true&token=a%2Fb=c&username=%C3%A9&mode=live";
    let created = proxy
        .h1
        .sdp("POST", target, &publisher.offer().await.unwrap())
        .await;
    assert_eq!(created.status, 201);
    publisher.answer(&created.text()).await.unwrap();

    let seen = deployment.cluster.seen().requests();
    let asked = seen
        .iter()
        .find(|request| request.method == "POST")
        .unwrap();
    assert_eq!(asked.target, target);
    assert_eq!(asked.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(asked.headers["x-forwarded-proto"], "https");
    let Server::Node(index) = asked.server else {
        panic!("{asked:?}")
    };
    let node = &deployment.cluster.nodes()[index];
    assert_eq!(asked.headers["host"], node.address().to_string());

    let location = created.header("location").to_owned();
    let port = proxy.h1.addr().port();
    let prefix = format!("https://localhost:{port}/live/whip/resource/s1/");
    assert!(location.starts_with(&prefix), "{location}");
    assert!(
        !location.contains(&node.ip().to_string()) && location.len() < 512,
        "{location}"
    );

    let fragment = Request::patch(path_of(&location))
        .header("content-type", "application/trickle-ice-sdpfrag");
    let trickled = proxy
        .h2
        .send(
            fragment
                .body("a=ice-ufrag:x\r\na=end-of-candidates\r\n")
                .unwrap(),
        )
        .await;
    assert_eq!(
        trickled.status,
        200,
        "the node's own answer: {}",
        trickled.text()
    );
    let patch = deployment
        .cluster
        .seen()
        .requests()
        .into_iter()
        .find(|request| request.method == "PATCH")
        .unwrap();
    assert_eq!(
        (patch.server, &*patch.target),
        (asked.server, "/live/whip/resource/s1")
    );

    // On the plain listener nobody knows under which scheme the client sees us.
    let busy = proxy
        .plain
        .sdp(
            "POST",
            "/live/whip/endpoint/s1",
            &publisher.offer().await.unwrap_or_default(),
        )
        .await;
    assert_eq!(busy.status, 409, "the node's own answer: the name is taken");
    assert_eq!(
        proxy.h1.bare("DELETE", &path_of(&location)).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn locations_are_absolute_where_the_public_address_is_known() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.public_url = Some("https://live.example.com".into());
    let (known, unknown) = (deployment.proxy_with(config), deployment.proxy());
    for (proxy, stream, prefix) in [
        (&known, "a", "https://live.example.com/live/"),
        (&unknown, "b", "/live/"),
    ] {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let created = proxy
            .plain
            .sdp("POST", &format!("/live/whip/endpoint/{stream}"), &offer)
            .await;
        assert_eq!(created.status, 201);
        assert!(
            created.header("location").starts_with(prefix),
            "{}",
            created.header("location")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_options_is_the_nodes_and_a_get_is_ours() {
    let link = r#"<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c""#;
    let deployment = Deployment::with(Config {
        ice_server: Some(link.into()),
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let options = proxy
        .h1
        .bare("OPTIONS", "/live/whip/endpoint/s1?signal=true")
        .await;
    assert_eq!(
        (options.status.as_u16(), options.header("link")),
        (200, link)
    );
    let before = deployment.cluster.seen().requests().len();
    assert_eq!(proxy.h1.get("/live/whip/endpoint/s1").await.status, 204);
    assert_eq!(proxy.h1.get("/live/whip/resource/s1/any").await.status, 204);
    assert_eq!(
        proxy
            .h1
            .bare("HEAD", "/live/whep/endpoint/s1")
            .await
            .header("content-type"),
        "application/sdp"
    );
    assert_eq!(deployment.cluster.seen().requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_node_should_see_is_refused_with_the_rule() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let client = &proxy.h1;
    let endpoint = "/live/whip/endpoint/s1";
    let large = "v=0\r\n".repeat(20_000);
    let typed = |media: &str, body: &str| {
        let request = Request::post(endpoint).header("content-type", media);
        client.send(request.body(body.to_owned()).unwrap())
    };
    for (status, problem, reply) in [
        (
            413,
            "body-too-large",
            client.sdp("POST", endpoint, &large).await,
        ),
        (415, "media-type", typed("application/json", "{}").await),
        (
            400,
            "bad-name",
            client.sdp("POST", "/live/whip/endpoint/a%2fb", "v=0").await,
        ),
        (
            400,
            "bad-name",
            client
                .sdp("POST", "/live/%2e%2e/whip/endpoint/a", "v=0")
                .await,
        ),
        (405, "method", client.bare("PUT", endpoint).await),
        (
            404,
            "unknown-session",
            client.bare("DELETE", "/live/whip/resource/s1").await,
        ),
        (
            404,
            "unknown-session",
            client.bare("DELETE", "/live/whip/resource/s1/AAAA").await,
        ),
        (
            409,
            "not-live",
            client
                .sdp("POST", "/live/whep/endpoint/nobody", "v=0")
                .await,
        ),
    ] {
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (status, problem)
        );
    }
    let detail = client
        .sdp("POST", "/live/whip/endpoint/a%2fb", "v=0")
        .await
        .text();
    assert!(
        detail.contains("letters A-Z a-z, digits") && detail.contains("'%'"),
        "{detail}"
    );
    let nodes = deployment
        .cluster
        .seen()
        .requests()
        .into_iter()
        .filter(|seen| seen.server != Server::Manager);
    assert_eq!(nodes.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_says_no_length_is_cut_at_the_limit_too() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let head = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    assert_eq!(
        status(&proxy.h1, &format!("{head}{}", chunk.repeat(5))).await,
        "HTTP/1.1 413"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_a_502_and_one_that_is_silent_a_504() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    for (fault, status, problem) in [
        (Fault::Refuse, 502, "node-unreachable"),
        (Fault::Reset, 502, "node-unreachable"),
        (Fault::BlackHole, 504, "node-timeout"),
    ] {
        for node in deployment.cluster.nodes() {
            node.fail(fault.clone()).await;
        }
        let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (status, problem),
            "{fault:?}"
        );
    }
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Status(503, "full".into())).await;
    }
    let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.text()),
        (503, "full"),
        "a node's own answer passes untouched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_only_the_manager_is_left() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.enabled = false;
    let proxy = deployment.proxy_with(config);
    let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (503, "signaling-disabled")
    );
    assert_eq!(
        proxy
            .h1
            .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
            .await
            .status,
        200
    );
}

/// Sends these bytes by hand and reads the status of the answer.
async fn status(client: &Client, bytes: &str) -> String {
    let (mut io, _) = client.connect().await;
    io.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(SOON, io.read_exact(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_finish_is_told_so_and_nobody_else_is_blamed() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.connect = Duration::from_millis(100);
    config.timeouts.answer = Duration::from_millis(100);
    config.timeouts.body = Duration::from_millis(500);
    let proxy = deployment.proxy_with(config);
    let head = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n";
    let half = format!("{head}Content-Length: 100\r\n\r\nv=0");
    assert_eq!(status(&proxy.h1, &half).await, "HTTP/1.1 408");
    let broken = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nv=0\r\nzz\r\n");
    assert_eq!(status(&proxy.h1, &broken).await, "HTTP/1.1 400");
    assert_eq!(
        proxy
            .h1
            .bare("OPTIONS", "/live/whip/endpoint/s1")
            .await
            .status,
        200
    );
    assert_eq!(
        deployment
            .cluster
            .seen()
            .lookups(Action::Broadcast, "live", "s1"),
        1,
        "the answer still holds"
    );
}

/// A node of bare bytes in the place that the manager names.
async fn raw_node(last: u8) -> (Deployment, RawNode, Proxy) {
    let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let proxy = deployment.proxy_with(config);
    (deployment, node, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_not_altered_by_a_byte() {
    let (_deployment, node, proxy) = raw_node(5).await;
    let odd: Vec<u8> = b"v=0\r\ns= \t\n\n\x00\xff\xfe\r\r\n".repeat(300);
    let mut answer =
        b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nETag: \"x\"\r\n".to_vec();
    answer.extend(
        format!(
            "Location: http://{}/live/whip/resource/s1?a=b\r\n",
            node.addr()
        )
        .as_bytes(),
    );
    answer.extend(format!("Content-Length: {}\r\n\r\n", odd.len()).as_bytes());
    answer.extend(&odd);
    let post = Request::post("/live/whip/endpoint/s1").header("content-type", "application/sdp");
    let post = proxy.h2.send(post.body(odd.clone()).unwrap());
    let (reply, (head, body)) = tokio::join!(post, node.answer(odd.len(), &answer));
    assert!(body == odd && reply.body[..] == odd[..]);
    assert!(
        head.contains(&format!("content-length: {}", odd.len())),
        "{head}"
    );
    assert_eq!(
        (reply.status.as_u16(), reply.header("etag")),
        (201, "\"x\"")
    );

    let session = path_of(reply.header("location"));
    let session = format!("{session}?token=%20");
    let delete = proxy.h1.bare("DELETE", &session);
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (reply, (head, _)) = tokio::join!(delete, node.answer(0, ok));
    assert_eq!(reply.status, 200);
    assert!(
        head.starts_with("DELETE /live/whip/resource/s1?a=b&token=%20 HTTP/1.1"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_points_elsewhere_is_not_followed() {
    let (_deployment, node, proxy) = raw_node(6).await;
    for answer in [
        "201 Created\r\nLocation: http://10.9.9.9:5080/live/whip/resource/s1",
        "201 Created\r\nLocation: //169.254.169.254/latest",
        "307 Temporary Redirect\r\nLocation: http://10.9.9.9:5080/live/whip/endpoint/s1",
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let post = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0");
        let (reply, _) = tokio::join!(post, node.answer(3, answer.as_bytes()));
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (502, "node-answer"),
            "{answer}"
        );
        assert!(!reply.headers.contains_key("location") && !reply.text().contains("9.9.9"));
    }
}

/// libcurl takes the reset that ends an HTTP/2 stream whose body was not read for a failure, and shows no answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_come_before_the_request_was_read() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for target in [
        "/live/whip/endpoint/a%00",
        "/live/whep/endpoint/nobody",
        "/live/whip/resource/s1/x",
    ] {
        let (pieces, upload) = mpsc::channel(1);
        let mut answer = pin!(proxy.h2.upload(target, upload));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
        assert!(early.is_err(), "{target}: {early:?}");
        pieces.send(Bytes::from_static(b"v=0")).await.unwrap();
        drop(pieces);
        assert!(answer.await.is_client_error(), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_answered_all_the_same() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (_pieces, upload) = mpsc::channel(1);
    let answer = proxy.h2.upload("/live/whip/endpoint/a%00", upload);
    assert_eq!(tokio::time::timeout(SOON, answer).await.unwrap(), 400);
}
