//! A session is its client's: an old URL does not reach a newer session, and without a token only
//! the client that made it reaches it.

use http::Request;
use tokio::io::AsyncWriteExt;
use whipstitch_minicluster::{Config, peer::Publisher};
use whipstitch_tests::{
    Deployment,
    http::{Client, path_of},
    raw_node::read_head,
};

/// A cluster that puts every publisher on the same node.
pub(crate) async fn with_one_node() -> Deployment {
    let mut config = Config::default();
    config.nodes.truncate(1);
    Deployment::with(config).await
}

/// A request as a page with this name sends it, to the session of `s1` without a token.
fn tokenless(method: &str, page: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri("/live/whip/resource/s1")
        .header("user-agent", page)
}

async fn publish(client: &Client, publisher: &Publisher) -> String {
    let post = Request::post("/live/whip/endpoint/s1")
        .header("content-type", "application/sdp")
        .header("user-agent", "page");
    let offer = publisher.offer().await.unwrap();
    let created = client.send(post.body(offer).unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(created.header("location"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_session_url_leaves_a_newer_publisher_alone() {
    let deployment = with_one_node().await;
    let proxy = deployment.proxy();
    let (first, second) = (
        Publisher::new().await.unwrap(),
        Publisher::new().await.unwrap(),
    );
    let old = publish(&proxy.h1, &first).await;
    assert_eq!(proxy.h1.bare("DELETE", &old).await.status, 200);
    let new = publish(&proxy.h1, &second).await;
    let refused = proxy.h1.bare("DELETE", &old).await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (404, "unknown-session")
    );
    assert_eq!(deployment.cluster.nodes()[0].sessions(), 1);
    assert_eq!(proxy.h1.bare("DELETE", &new).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_the_client_that_made_a_session_reaches_it() {
    let deployment = with_one_node().await;
    let proxy = deployment.proxy();
    let client = &proxy.plain;
    let publisher = Publisher::new().await.unwrap();
    publish(client, &publisher).await;

    let stranger = client
        .send(tokenless("DELETE", "other").body("").unwrap())
        .await;
    assert_eq!(stranger.problem(), "unknown-session");
    for name in ["x-forwarded-for", "forwarded", "via"] {
        let forwarded = tokenless("DELETE", "page").header(name, "127.0.0.1");
        let forwarded = client.send(forwarded.body("").unwrap()).await;
        assert_eq!(forwarded.problem(), "unknown-session", "{name}");
    }
    let elsewhere = from_another_address(client).await;
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
    assert_eq!(deployment.cluster.nodes()[0].sessions(), 1);

    let own = || client.send(tokenless("DELETE", "page").body("").unwrap());
    assert_eq!(own().await.status, 200);
    assert_eq!(deployment.cluster.nodes()[0].sessions(), 0);
    assert_eq!(own().await.problem(), "unknown-session");
}

/// The same request from 127.0.0.2.
async fn from_another_address(client: &Client) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut socket = socket.connect(client.addr()).await.unwrap();
    let request =
        "DELETE /live/whip/resource/s1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: page\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    read_head(&mut socket).await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_clients_cannot_be_told_apart_a_token_is_needed() {
    let deployment = with_one_node().await;
    let mut config = deployment.config();
    config.sessions.by_client = false;
    let proxy = deployment.proxy_with(config);
    let publisher = Publisher::new().await.unwrap();
    let session = publish(&proxy.plain, &publisher).await;
    let delete = tokenless("DELETE", "page").body("").unwrap();
    assert_eq!(proxy.plain.send(delete).await.problem(), "unknown-session");
    assert_eq!(proxy.plain.bare("DELETE", &session).await.status, 200);
}
