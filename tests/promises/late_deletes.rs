//! An encoder's late DELETE of its former session does not end its new stream.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use whipstitch_tests::{
    Deployment, Proxy, Reply,
    http::path_of,
    kept::Kept,
    raw_node::{RawNode, read_head},
};

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\
     Location: /live/whip/resource/s1\r\nConnection: close\r\n\r\nv=0";
const TAKEN: &str = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ENDED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A publisher at a node that has just released its stream name.
struct Setup {
    _deployment: Deployment,
    proxy: Proxy,
    node: RawNode,
    /// The path of the former session.
    former: String,
}

/// A POST that the node has received and not answered.
struct Again {
    answer: BoxFuture<'static, Reply>,
    node: TcpStream,
    connection: Kept,
}

impl Setup {
    async fn start(last: u8) -> Self {
        let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
        let mut config = deployment.config();
        config.nodes.port = node.addr().port();
        config.nodes.allow = vec!["127.0.0.0/8".parse().unwrap()];
        let proxy = deployment.proxy_with(config);
        let mut setup = Self {
            _deployment: deployment,
            proxy,
            node,
            former: String::new(),
        };
        let created = setup.publish().await.answered(CREATED).await;
        setup.former = path_of(created.header("location"));
        setup
    }

    async fn publish(&self) -> Again {
        let target = format!("/live/whip/endpoint/s1?host={}", self.node.addr().ip());
        let request = Request::post(target).header("content-type", "application/sdp");
        let mut connection = self.proxy.h2.keep().await;
        let answer = connection.begin(request.body("v=0").unwrap()).await;
        let got = async {
            let mut node = self.node.accept_silently().await;
            read_head(&mut node).await;
            node.read_exact(&mut [0; 3]).await.unwrap();
            node
        };
        let node = tokio::time::timeout(whipstitch_tests::deployment::SOON, got).await;
        Again {
            answer,
            node: node.expect("a POST in time"),
            connection,
        }
    }

    /// Those of the table.
    async fn sessions(&self) -> Vec<serde_json::Value> {
        let listed = self.proxy.admin.get("/sessions").await;
        let mut listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
        let sessions = listed["sessions"].take();
        serde_json::from_value(sessions).unwrap()
    }

    async fn delete(&self, session: &str) -> Reply {
        self.proxy.h1.bare("DELETE", session).await
    }
}

impl Again {
    async fn answered(mut self, with: &str) -> Reply {
        self.node.write_all(with.as_bytes()).await.unwrap();
        self.answer.await
    }
}

fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.problem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_client_is_gone_holds_up_no_delete() {
    let setup = Setup::start(78).await;
    let again = setup.publish().await;
    let mut orphan = again.node;
    drop((again.answer, again.connection));
    let no_requests = "whipstitch_requests_in_flight";
    setup.proxy.until_metric(no_requests, 0.0).await;
    let deleted = async { setup.node.answer(0, ENDED).await.0 };
    let (reply, deleted) = tokio::join!(setup.delete(&setup.former), deleted);
    assert_eq!(reply.status, 200, "{deleted}");
    // What the node makes of the POST now is ended too.
    orphan.write_all(CREATED.as_bytes()).await.unwrap();
    let (deleted, _) = setup.node.answer(0, ENDED).await;
    assert!(deleted.starts_with("DELETE /live/whip/resource/s1 "));
    assert!(setup.sessions().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_delete_is_not_sent_while_a_newer_session_is_created() {
    let setup = Setup::start(71).await;
    let unknown = (404, "unknown-session".to_owned());
    let again = setup.publish().await;
    let refused = setup.delete(&setup.former).await;
    assert_eq!(outcome(&refused), (503, "slot-pending".to_owned()));
    assert_eq!(refused.header("retry-after"), "2");
    assert!(setup.node.unconnected());
    let created = again.answered(CREATED).await;
    assert_eq!(outcome(&setup.delete(&setup.former).await), unknown);
    assert!(setup.node.unconnected());
    let newer = path_of(created.header("location"));
    let (ended, (head, _)) = tokio::join!(setup.delete(&newer), setup.node.answer(0, ENDED));
    assert_eq!(ended.status, 200);
    assert!(head.starts_with("DELETE /live/whip/resource/s1 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_delete_is_sent_once_the_newer_session_was_refused() {
    let setup = Setup::start(72).await;
    let again = setup.publish().await;
    let refused = async {
        let waiting = "whipstitch_requests_in_flight";
        setup.proxy.until_metric(waiting, 2.0).await;
        assert!(setup.node.unconnected());
        assert_eq!(again.answered(TAKEN).await.status, 409);
        setup.node.answer(0, ENDED).await
    };
    let (ended, (head, _)) = tokio::join!(setup.delete(&setup.former), refused);
    assert_eq!(ended.status, 200, "{}", ended.text());
    assert!(head.starts_with("DELETE /live/whip/resource/s1 "), "{head}");
}

/// A page that closes sends its DELETE and hangs up.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_carried_to_its_end_although_its_client_hangs_up() {
    let setup = Setup::start(75).await;
    let mut connection = setup.proxy.h1.keep().await;
    let delete = Request::delete(&*setup.former).body("").unwrap();
    let answer = connection.begin(delete).await;
    let sent = async {
        let mut node = setup.node.accept_silently().await;
        (read_head(&mut node).await, node)
    };
    let (head, mut node) = tokio::select! {
        sent = sent => sent,
        reply = answer => panic!("answered by {}", reply.status),
    };
    assert!(head.starts_with("DELETE /live/whip/resource/s1 "), "{head}");
    drop(connection);
    let in_flight = "whipstitch_requests_in_flight";
    setup.proxy.until_metric(in_flight, 0.0).await;
    let ended = async {
        setup.proxy.until_metric(in_flight, 1.0).await;
        assert!(setup.node.unconnected(), "the POST waits for the DELETE");
        node.write_all(ENDED).await.unwrap();
    };
    let (again, ()) = tokio::join!(setup.publish(), ended);
    assert!(setup.sessions().await.is_empty(), "it is over");
    assert_eq!(again.answered(CREATED).await.status, 201);
}

/// One that waits for a POST is sent too.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_waits_is_sent_although_its_client_hangs_up() {
    let setup = Setup::start(76).await;
    let again = setup.publish().await;
    let mut connection = setup.proxy.h1.keep().await;
    let delete = Request::delete(&*setup.former).body("").unwrap();
    let answer = connection.begin(delete).await;
    let in_flight = "whipstitch_requests_in_flight";
    setup.proxy.until_metric(in_flight, 2.0).await;
    drop((answer, connection));
    setup.proxy.until_metric(in_flight, 1.0).await;
    let (reply, (head, _)) = tokio::join!(again.answered(TAKEN), setup.node.answer(0, ENDED));
    assert_eq!(reply.status, 409);
    assert!(head.starts_with("DELETE /live/whip/resource/s1 "), "{head}");
    let empty = async {
        // Polls the table of the same process, which sends no notification.
        while !setup.sessions().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let is_over = tokio::time::timeout(whipstitch_tests::deployment::SOON, empty).await;
    assert!(is_over.is_ok(), "it is over");
}

/// An operator's request does not end it either.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_terminates_the_listed_session_and_no_newer_one() {
    let setup = Setup::start(74).await;
    let listed = setup.sessions().await;
    let id = listed[0]["id"].as_str().unwrap();
    let end = Request::post(format!("/sessions/{id}/end"));
    let end = end.header("content-type", "application/json");
    let again = setup.publish().await;
    let accepted = setup.proxy.admin.send(end.body("{}").unwrap()).await;
    assert_eq!(accepted.status, 202);
    // Its DELETE would have reached the node by now.
    let sent = tokio::time::timeout(Duration::from_millis(750), setup.node.accept_silently()).await;
    assert!(sent.is_err(), "it was sent");
    let newer = path_of(again.answered(CREATED).await.header("location"));
    let (ended, _) = tokio::join!(setup.delete(&newer), setup.node.answer(0, ENDED));
    assert_eq!(ended.status, 200);
    assert!(setup.node.unconnected());
}
