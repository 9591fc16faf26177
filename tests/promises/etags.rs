//! `ETag`, `If-Match`, `Accept-Patch`: a node's headers pass, a client gets what it needs, and
//! nothing that would break it (RFC 9725 §4.3.1).

use std::fs;

use http::{Request, request::Builder};
use whipstitch::config::Config;
use whipstitch_minicluster::{Fault, Lie, SeenRequest, Server, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment, Reply,
    deployment::SOON,
    http::path_of,
    raw_node::RawNode,
    sdk::{Release, Sdk},
};

const ENDPOINT: &str = "/live/whip/endpoint/s1";
const TRICKLE: &str = "application/trickle-ice-sdpfrag";
const FRAGMENT: &str = "a=ice-ufrag:x\r\na=end-of-candidates\r\n";

/// A replica that shares its key with others.
fn replica(deployment: &Deployment, strict: bool) -> Config {
    let path = deployment.certificate.file("session.key");
    fs::write(&path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let mut config = deployment.config();
    config.sessions.key_file = Some(path);
    config.proxy.strict_etags = strict;
    config
}

fn patch(session: &str) -> Builder {
    Request::patch(session).header("content-type", TRICKLE)
}

async fn send(client: &Client, request: Builder) -> Reply {
    client.send(request.body(FRAGMENT).unwrap()).await
}

/// The last trickle that a node received.
fn last_trickle(deployment: &Deployment) -> SeenRequest {
    let requests = deployment.cluster.seen().requests().into_iter();
    let mut trickles = requests.filter(|request| request.method == "PATCH");
    trickles.next_back().unwrap()
}

/// `MediaMTX` 1.20.1 as a client (internal/protocols/whip/client.go): it fails without a tag where
/// `PATCH` is allowed, on a trickle that is not a 204, and on a `DELETE` that is not a 200.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_needs_an_etag_gets_one_and_no_node_sees_it() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let options = proxy.h1.bare("OPTIONS", ENDPOINT).await;
    let allowed = options.header("access-control-allow-methods");
    assert!(allowed.split(", ").any(|method| method == "PATCH"));

    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", ENDPOINT, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let tag = created.header("etag");
    assert!(tag.len() > 2, "{tag}");
    assert!(tag.starts_with('"'), "{tag}");
    assert!(tag.ends_with('"'), "{tag}");
    assert!(
        created
            .header("access-control-expose-headers")
            .contains("ETag")
    );
    publisher.answer(&created.text()).await.unwrap();

    let session = path_of(created.header("location"));
    // The last is how `@eyevinn/whip-web-client` says it.
    for name in ["if-match", "etag"] {
        let trickled = send(&proxy.h1, patch(&session).header(name, tag)).await;
        assert_eq!(
            (trickled.status.as_u16(), trickled.header("etag")),
            (204, ""),
            "{name}"
        );
        let last_trickle = last_trickle(&deployment);
        assert!(!last_trickle.headers.contains_key("if-match"));
        assert!(!last_trickle.headers.contains_key("etag"));
    }
    // It restarts ICE, which the node decides.
    send(&proxy.h1, patch(&session).header("if-match", "*")).await;
    assert_eq!(last_trickle(&deployment).headers["if-match"], "*");
    // simple-whip-client.
    let delete = Request::delete(&session).header("if-match", tag);
    let ended = proxy.h1.send(delete.body("").unwrap()).await;
    assert_eq!(ended.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_strict_replica_requires_if_match_and_never_of_red5s_sdk() {
    let deployment = Deployment::start().await;
    let lenient = deployment.proxy_with(replica(&deployment, false));
    let strict = deployment.proxy_with(replica(&deployment, true));
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = lenient.h1.sdp("POST", ENDPOINT, &offer).await;
    let (session, tag) = (path_of(created.header("location")), created.header("etag"));
    let other = tag.replace(&tag[14..15], "f");
    publisher.answer(&created.text()).await.unwrap();

    for (if_match, status, slug) in [
        (None, 428, "precondition-required"),
        (Some("\"another\""), 412, "precondition-failed"),
        (Some(&*other), 412, "precondition-failed"),
        (Some(tag), 204, ""),
        (Some("\"*\""), 204, ""),
    ] {
        let request = || match if_match {
            Some(tag) => patch(&session).header("if-match", tag),
            None => patch(&session),
        };
        let judged = send(&strict.h1, request()).await;
        assert_eq!(judged.status, status, "{if_match:?}");
        if !slug.is_empty() {
            assert_eq!(judged.problem(), slug);
        }
        assert_eq!(
            send(&lenient.h1, request()).await.status,
            204,
            "{if_match:?}"
        );
    }
    assert_eq!(strict.h1.bare("DELETE", &session).await.status, 200);

    for release in Release::ALL {
        let publisher = Publisher::new().await.unwrap();
        let mut sdk = Sdk::publisher(&strict.h1, release, "s2", "");
        sdk.options().await;
        let created = sdk.post(&publisher.offer().await.unwrap()).await;
        assert_eq!(created.status, 201, "{}", created.text());
        publisher.answer(&created.text()).await.unwrap();
        assert!(sdk.trickle().await.status.is_success(), "{release:?}");
        publisher.wait_connected(SOON).await.unwrap();
        assert_eq!(sdk.delete().await.status, 200);
    }
}

/// The status that draft-ietf-wish-whip-01 asked of servers ends its client.
#[tokio::test(flavor = "multi_thread")]
async fn no_trickle_of_red5s_sdk_gets_a_status_that_ends_it() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let mut sdk = Sdk::publisher(&proxy.h1, Release::V11, "s1", "");
    let created = sdk.post(&publisher.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let standard = Publisher::new().await.unwrap();
    let offer = standard.offer().await.unwrap();
    let other = proxy.h1.sdp("POST", "/live/whip/endpoint/s2", &offer).await;
    let other = path_of(other.header("location"));
    // Of a page that cannot read `Location`.
    let without_token = "/live/whip/resource/s1";
    for (status, to_sdk) in [(405, 204), (412, 204), (428, 204), (404, 404), (500, 500)] {
        for node in deployment.cluster.nodes() {
            node.fail(Fault::Status(status, "not this".into())).await;
        }
        let trickled = sdk.trickle().await;
        assert_eq!(trickled.status, to_sdk);
        assert_eq!(trickled.body.is_empty(), to_sdk == 204);
        assert_eq!(send(&proxy.h1, patch(without_token)).await.status, to_sdk);
        let passed = send(&proxy.h1, patch(&other)).await;
        assert_eq!(
            (passed.status.as_u16(), &*passed.text()),
            (status, "not this")
        );
        if status == 412 {
            let answered = sdk.answer("v=0").await;
            assert_eq!(answered.status, 412, "an SDP is not a candidate");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_own_etags_and_accept_patch_pass_both_ways() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(8).await);
    let manager = deployment.cluster.manager();
    manager.lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let mut config = replica(&deployment, true);
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let proxy = deployment.proxy_with(config);
    let answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nETag: \"n,1\"\r\n\
        Accept-Patch: application/trickle-ice-sdpfrag\r\nLocation: /live/whip/resource/s1\r\n\
        Content-Length: 3\r\n\r\nv=0";
    let post = proxy.h1.sdp("POST", ENDPOINT, "v=0");
    let (created, _) = tokio::join!(post, node.answer(3, answer));
    assert_eq!(
        (created.status.as_u16(), created.header("etag")),
        (201, "\"n,1\"")
    );
    assert_eq!(created.header("accept-patch"), TRICKLE);
    assert!(
        created
            .header("access-control-expose-headers")
            .contains("Accept-Patch")
    );

    let session = path_of(created.header("location"));
    assert_eq!(
        send(&proxy.h1, patch(&session)).await.problem(),
        "precondition-required"
    );
    let stale = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n";
    for name in ["if-match", "etag"] {
        let trickle = send(&proxy.h1, patch(&session).header(name, "\"n,0\""));
        let (refused, (head, _)) = tokio::join!(trickle, node.answer(FRAGMENT.len(), stale));
        assert_eq!(refused.status, 412);
        assert!(
            head.lines().any(|line| line == "if-match: \"n,0\""),
            "{head}"
        );
    }
    let restarted = b"HTTP/1.1 200 OK\r\nContent-Type: application/trickle-ice-sdpfrag\r\n\
        ETag: \"n,2\"\r\nContent-Length: 13\r\n\r\na=ice-ufrag:y";
    let restart = send(&proxy.h1, patch(&session).header("if-match", "*"));
    let (restarted, _) = tokio::join!(restart, node.answer(FRAGMENT.len(), restarted));
    assert_eq!(
        (restarted.status.as_u16(), restarted.header("etag")),
        (200, "\"n,2\"")
    );
    assert_eq!(restarted.text(), "a=ice-ufrag:y");
    assert!(deployment.cluster.seen().requests_to(Server::Manager).len() == 1);
}
