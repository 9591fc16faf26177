//! `proxy.bearer = "query"`: a client's bearer token reaches the node in the query, for all
//! methods, and appears nowhere else.

use std::fs;

use http::{Request, header::AUTHORIZATION};
use serde_json::Value;
use whipstitch::config::Config;
use whipstitch_minicluster::{Lie, SeenRequest, Server, peer::Publisher};
use whipstitch_proxy::config::Bearer;
use whipstitch_tests::{
    Client, Deployment, Proxy, http::path_of, raw_node::RawNode, websocket::raw,
};

const SECRET: &str = "s3cret";
const SDP: &str = "application/sdp";
const TRICKLE: &str = "application/trickle-ice-sdpfrag";

fn config(deployment: &Deployment) -> Config {
    let mut config = deployment.config();
    config.proxy.bearer = Bearer::Query;
    config
}

/// Sends a request with this bearer, as OBS does.
async fn ask(
    client: &Client,
    (method, target): (&str, &str),
    bearer: &str,
    (media, body): (&str, &str),
) -> whipstitch_tests::http::Reply {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(AUTHORIZATION, format!("Bearer {bearer}"))
        .header("user-agent", "Mozilla/5.0 (OBS-Studio/31.0.0; Linux)");
    let request = match media {
        "" => request,
        media => request.header("content-type", media),
    };
    client.send(request.body(body.to_owned()).unwrap()).await
}

/// The requests that nodes received, in order: method and target. None had the header.
fn at_nodes(deployment: &Deployment) -> Vec<String> {
    let seen = deployment.cluster.seen().requests();
    let of_nodes = seen
        .iter()
        .filter(|request| matches!(request.server, Server::Node(_)));
    of_nodes
        .map(|request: &SeenRequest| {
            assert!(!request.headers.contains_key(AUTHORIZATION), "{request:?}");
            format!("{} {}", request.method, request.target)
        })
        .collect()
}

/// All that the admin interface shows.
async fn shown(proxy: &Proxy) -> String {
    let mut text = String::new();
    for page in [
        "/status",
        "/sessions",
        "/nodes",
        "/lookups",
        "/recent",
        "/history",
        "/metrics",
        "/config",
    ] {
        let reply = proxy.admin.get(page).await;
        assert_eq!(reply.status, 200, "{page}");
        text.push_str(&reply.text());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_and_a_player_reach_their_node_with_a_query() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(config(&deployment));
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    for client in [&proxy.h1, &proxy.h2] {
        deployment.cluster.seen().clear();
        let endpoint = "/live/whip/endpoint/s1?mode=live";
        let asked = ask(client, ("OPTIONS", endpoint), SECRET, ("", "")).await;
        assert_eq!(asked.status, 200);
        let made = ask(client, ("POST", endpoint), SECRET, (SDP, &offer)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let session = path_of(made.header("location"));
        assert!(!session.contains(SECRET), "{session}");
        let fragment = "a=ice-ufrag:x\r\na=ice-pwd:y\r\n";
        let trickled = ask(client, ("PATCH", &session), SECRET, (TRICKLE, fragment)).await;
        assert!(trickled.status.is_success(), "{}", trickled.text());
        let ended = ask(client, ("DELETE", &session), SECRET, ("", "")).await;
        assert_eq!(ended.status, 200);
        assert_eq!(
            at_nodes(&deployment),
            [
                "OPTIONS /live/whip/endpoint/s1?mode=live&token=s3cret",
                "POST /live/whip/endpoint/s1?mode=live&token=s3cret",
                "PATCH /live/whip/resource/s1?token=s3cret",
                "DELETE /live/whip/resource/s1?token=s3cret",
            ]
        );
    }

    deployment.cluster.seen().clear();
    let made = ask(
        &proxy.h1,
        ("POST", "/live/whip/endpoint/s2"),
        SECRET,
        (SDP, &offer),
    )
    .await;
    assert_eq!(made.status, 201);
    let list = format!("username=u%26v&password={SECRET}&token=a=");
    let watch = "/live/whep/endpoint/s2?requestId=a&password=mine";
    let played = ask(&proxy.h1, ("POST", watch), &list, ("", "")).await;
    assert_eq!(played.status, 201, "{}", played.text());
    assert_eq!(
        at_nodes(&deployment)[1],
        "POST /live/whep/endpoint/s2?requestId=a&password=mine&username=u%26v&token=a%3D",
        "its own query counts"
    );

    // An error, so that there is something in all the lists.
    let missing = ask(
        &proxy.h1,
        ("POST", "/live/whep/endpoint/none"),
        SECRET,
        ("", ""),
    )
    .await;
    assert_eq!(missing.problem(), "not-live");
    let shown = shown(&proxy).await;
    assert!(shown.contains("not-live"));
    assert!(!shown.contains(SECRET));
    let lookups = deployment.cluster.seen().lookup_targets();
    assert!(!lookups.is_empty());
    assert!(lookups.iter().all(|asked| !asked.contains(SECRET)));
    let of_manager = deployment.cluster.seen().requests_to(Server::Manager);
    assert!(
        of_manager
            .iter()
            .all(|asked| !format!("{asked:?}").contains(SECRET))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_reaches_its_node_with_a_query() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(config(&deployment));
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let field = format!("Authorization: bearer {SECRET}\r\n");
    let (answer, _socket) = raw(&proxy.h1, &target, &field).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert_eq!(
        at_nodes(&deployment),
        ["GET /live/?id=subscriber-1&token=s3cret"]
    );
    assert!(!shown(&proxy).await.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_sent_by_the_proxy_carries_the_token_too() {
    let node = RawNode::start(31).await;
    let deployment = Deployment::start().await;
    let mut config = config(&deployment);
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let lie = Lie::ServerAddress(node.addr().ip().to_string());
    deployment.cluster.manager().lie(lie);
    let proxy = deployment.proxy_with(config);
    let answer = |location: &str, length: usize| {
        format!(
            "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: {location}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\nv=0"
        )
    };
    let ended = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

    // An orphan: the node's description breaks off, so the client gets no session.
    let posted = ask(
        &proxy.h1,
        ("POST", "/live/whep/endpoint/s1"),
        SECRET,
        (SDP, "v=0"),
    );
    let got = async {
        let answer = answer("/live/whep/resource/s1", 30);
        let (post, _) = node.answer(3, answer.as_bytes()).await;
        (post, node.answer(0, ended).await.0)
    };
    let (reply, (post, delete)) = tokio::join!(posted, got);
    assert_eq!(reply.problem(), "node-answer");
    let first = "POST /live/whep/endpoint/s1?token=s3cret HTTP/1.1\r\n";
    assert!(post.starts_with(first), "{post}");
    let first = "DELETE /live/whep/resource/s1?token=s3cret HTTP/1.1\r\n";
    assert!(delete.starts_with(first), "{delete}");
    assert!(!delete.contains("authorization"), "{delete}");

    // One that the operator terminates.
    let made = answer("/live/whip/resource/s2", 3);
    let posted = ask(
        &proxy.h1,
        ("POST", "/live/whip/endpoint/s2"),
        SECRET,
        (SDP, "v=0"),
    );
    let (reply, _) = tokio::join!(posted, node.answer(3, made.as_bytes()));
    assert_eq!(reply.status, 201);
    let listed: Value = serde_json::from_slice(&proxy.admin.get("/sessions").await.body).unwrap();
    let id = listed["sessions"][0]["id"].as_str().unwrap();
    let request =
        Request::post(format!("/sessions/{id}/end")).header("content-type", "application/json");
    let accepted = proxy.admin.send(request.body("{}".to_owned()).unwrap());
    let (accepted, (delete, _)) = tokio::join!(accepted, node.answer(0, ended));
    assert_eq!(accepted.status, 202);
    let first = "DELETE /live/whip/resource/s2?token=s3cret HTTP/1.1\r\n";
    assert!(delete.starts_with(first), "{delete}");
    assert!(!delete.contains("authorization"), "{delete}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_translated_is_a_400_and_reaches_no_node() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(config(&deployment));
    let long = "x".repeat(7000);
    for (method, target) in [
        ("OPTIONS", "/live/whip/endpoint/s1"),
        ("POST", "/live/whip/endpoint/s1"),
        ("DELETE", "/live/whip/resource/s1"),
    ] {
        let refused = ask(&proxy.h1, (method, target), &long, (SDP, "v=0")).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-authorization"),
            "{method}"
        );
        let twice = Request::builder()
            .method(method)
            .uri(target)
            .header(AUTHORIZATION, "Bearer a")
            .header(AUTHORIZATION, "Bearer b")
            .header("content-type", SDP);
        let refused = proxy.h1.send(twice.body("v=0".to_owned()).unwrap()).await;
        assert_eq!(refused.problem(), "bad-authorization", "{method}");
        assert!(refused.text().contains("only once"), "{}", refused.text());
    }
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let (answer, _) = raw(
        &proxy.h1,
        &target,
        &format!("Authorization: Bearer {long}\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(at_nodes(&deployment).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_passes_unchanged_where_translation_is_off() {
    let deployment = Deployment::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    let mut config = deployment.config();
    let write = |config: &Config| fs::write(&file, toml::to_string(config).unwrap()).unwrap();
    write(&config);
    let proxy = deployment.proxy_from(&file);
    let endpoint = "/live/whip/endpoint/s1";
    let got = |target: &str| {
        let seen = deployment.cluster.seen().requests();
        let request = seen
            .iter()
            .rev()
            .find(|request| request.target.starts_with(target));
        let request = request.unwrap();
        let field = request.headers.get(AUTHORIZATION);
        (
            request.target.clone(),
            field.map(|field| field.to_str().unwrap().to_owned()),
        )
    };
    // By default.
    let asked = ask(&proxy.h1, ("OPTIONS", endpoint), SECRET, ("", "")).await;
    assert_eq!(asked.status, 200);
    let bearer = Some(format!("Bearer {SECRET}"));
    assert_eq!(got(endpoint), (endpoint.to_owned(), bearer.clone()));

    config.proxy.bearer = Bearer::Query;
    write(&config);
    let request = Request::post("/reload").header("content-type", "application/json");
    let reloaded = proxy
        .admin
        .send(request.body("{}".to_owned()).unwrap())
        .await;
    assert!(
        reloaded.text().contains("proxy.bearer"),
        "{}",
        reloaded.text()
    );
    let asked = ask(&proxy.h1, ("OPTIONS", endpoint), SECRET, ("", "")).await;
    assert_eq!(asked.status, 200);
    assert_eq!(got(endpoint), (format!("{endpoint}?token={SECRET}"), None));

    // Red5's plugins use no other scheme, and the manager reads its own header.
    let basic = Request::options(endpoint).header(AUTHORIZATION, "Basic dTpw");
    let basic = proxy.h1.send(basic.body(String::new()).unwrap()).await;
    assert_eq!(basic.status, 200);
    assert_eq!(
        got(endpoint),
        (endpoint.to_owned(), Some("Basic dTpw".to_owned()))
    );
    let page = "/streammanager/api/4.0/event/list";
    ask(&proxy.h1, ("GET", page), SECRET, ("", "")).await;
    assert_eq!(got(page), (page.to_owned(), bearer));
}
