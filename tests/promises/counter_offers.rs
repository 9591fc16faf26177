//! A player that does not understand a counter-offer gets an error, and its session is deleted.

use http::{Method, Request, header::USER_AGENT};
use tokio::io::AsyncWriteExt;
use whipstitch::{config::Config, shutdown::Drained};
use whipstitch_minicluster::{Node, Server, peer::Player, peer::Publisher};
use whipstitch_tests::{
    Deployment, Proxy, Reply,
    deployment::SOON,
    http::path_of,
    kept::Kept,
    raw_node::{RawNode, read_head},
};

const STREAM: &str = "/live/whep/endpoint/s1";

/// A stream with sound and picture, and an offer of both and of picture only.
struct Setup {
    deployment: Deployment,
    proxy: Proxy,
    both: String,
    video: String,
    player: Player,
    _publisher: Publisher,
}

impl Setup {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let deployment = Deployment::start().await;
        let mut config = deployment.config();
        change(&mut config);
        let proxy = deployment.proxy_with(config);
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let target = STREAM.replace("whep", "whip");
        let created = proxy.h1.sdp("POST", &target, &offer).await;
        publisher.answer(&created.text()).await.unwrap();
        let player = Player::new().await.unwrap();
        let both = player.offer().await.unwrap();
        let video = both.replace("m=audio 9 ", "m=audio 0 ");
        assert_ne!(both, video);
        Self {
            deployment,
            proxy,
            both,
            video,
            player,
            _publisher: publisher,
        }
    }

    /// Waits until the nodes have this many players' sessions, and checks how many were created.
    async fn until_players(&self, players: usize, asked: usize) {
        let nodes = self.deployment.cluster.nodes();
        let sessions = || nodes.iter().map(Node::sessions).sum::<usize>();
        let reached = async {
            // Polls another part of the same process, which sends no notification.
            while sessions() != players + 1 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(whipstitch_tests::deployment::SOON, reached).await;
        assert!(reached.is_ok(), "{} sessions", sessions());
        let seen = self.deployment.cluster.seen().requests();
        let posts = seen.iter().filter(|seen| {
            seen.method == Method::POST
                && seen.server != Server::Manager
                && seen.target.contains("/whep/")
        });
        assert_eq!(posts.count(), asked);
    }
}

fn request(agent: &str, offer: &str) -> Request<String> {
    let request = Request::post(STREAM)
        .header("content-type", "application/sdp")
        .header(USER_AGENT, agent);
    request.body(offer.to_owned()).unwrap()
}

async fn post(connection: &mut Kept, agent: &str, offer: &str) -> Reply {
    connection.send(request(agent, offer)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_offer_instead_of_an_answer_is_refused_and_the_session_ends() {
    let setup = Setup::start().await;
    for (round, client) in [&setup.proxy.h2, &setup.proxy.h1].into_iter().enumerate() {
        let mut connection = client.keep().await;
        assert_eq!(post(&mut connection, "page", &setup.both).await.status, 406);
        let refused = post(&mut connection, "page", &setup.video).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "counter-offer")
        );
        setup.until_players(round, 2 * round + 1).await;
        // Without an offer the node makes one.
        let created = post(&mut connection, "page", "").await;
        assert_eq!(created.status, 201);
        setup.until_players(round + 1, 2 * round + 2).await;
    }
    let deleted = r#"whipstitch_sessions_abandoned_total{outcome="deleted"}"#;
    setup.proxy.until_metric(deleted, 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_may_belong_to_another_client_is_left_alone() {
    let setup = Setup::start().await;
    let (both, video) = (&*setup.both, &*setup.video);
    let mut first = setup.proxy.h2.keep().await;
    let counter_offer = post(&mut first, "page", both).await;
    assert_eq!(counter_offer.status, 406);
    // Another browser behind the same address, another one behind the same connection, another
    // player of the page.
    let mut second = setup.proxy.h2.keep().await;
    assert_eq!(post(&mut second, "page", video).await.status, 406);
    assert_eq!(post(&mut first, "other", video).await.status, 406);
    assert_eq!(post(&mut first, "page", both).await.status, 406);
    setup.until_players(4, 4).await;

    // A player that has answered may send a smaller offer later.
    let mut third = setup.proxy.h2.keep().await;
    let counter_offer = post(&mut third, "answers", both).await;
    let answer = setup.player.accept(&counter_offer.text()).await.unwrap();
    let session = path_of(counter_offer.header("location"));
    let patched = setup.proxy.h2.sdp("PATCH", &session, &answer).await;
    assert_eq!(patched.status, 204);
    assert_eq!(post(&mut third, "answers", video).await.status, 406);
    setup.until_players(6, 6).await;
}

/// Each of its requests comes over a connection of its own, so its forwarded headers identify the
/// client; that is not enough to terminate a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxys_forwarded_headers_distinguish_clients() {
    for (is_trusted, status) in [(true, 400), (false, 406)] {
        let setup = Setup::with(|config| {
            if is_trusted {
                config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
            }
        })
        .await;
        for (from, offer, status) in [
            ("192.0.2.1", &setup.both, 406),
            ("192.0.2.2", &setup.video, 406),
            ("192.0.2.1", &setup.video, status),
        ] {
            let mut request = request("page", offer);
            let from = from.parse().unwrap();
            request.headers_mut().insert("x-forwarded-for", from);
            assert_eq!(setup.proxy.plain.send(request).await.status, status);
        }
        let sessions = if is_trusted { 2 } else { 3 };
        // The reaper task has no session left to delete: each would be counted.
        setup.until_players(sessions, sessions).await;
        assert_eq!(setup.proxy.drain().await, Drained::Whole);
        let nodes = setup.deployment.cluster.nodes();
        assert_eq!(
            nodes.iter().map(Node::sessions).sum::<usize>(),
            sessions + 1
        );
    }
}

/// The node is slow to accept the answer, but the player has sent it.
#[tokio::test(flavor = "multi_thread")]
async fn a_player_whose_answer_is_pending_may_offer_less() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(73).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let sdp = "v=0\r\nm=audio 9 x 111\r\nm=video 9 x 96\r\na=setup:actpass\r\n";
    let created = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\
         Location: /live/whep/resource/s1\r\nConnection: close\r\n\r\n{sdp}",
        sdp.len()
    );
    let mut connection = proxy.h2.keep().await;
    let mut ask = async |offer: &str| {
        let mut request = request("page", offer);
        let target = format!("{STREAM}?host={}", node.addr().ip());
        *request.uri_mut() = target.parse().unwrap();
        let answer = node.answer(offer.len(), created.as_bytes());
        let (reply, _) = tokio::join!(connection.send(request), answer);
        reply
    };
    let counter_offer = ask(sdp).await;
    assert_eq!(counter_offer.status, 406);
    let session = path_of(counter_offer.header("location"));
    let mut other = proxy.h1.keep().await;
    let answer = Request::patch(session).header("content-type", "application/sdp");
    let patched = other.begin(answer.body("v=0\r\n").unwrap()).await;
    let patch = async {
        let mut socket = node.accept_silently().await;
        assert!(read_head(&mut socket).await.starts_with("PATCH "));
        socket
    };
    let patch = async { tokio::time::timeout(SOON, patch).await.expect("a PATCH") };
    let (begun, pending) = (tokio::time::timeout(SOON, patched), patch);
    let less = async {
        let mut socket = pending.await;
        let less = ask(&sdp.replace("m=audio 9 ", "m=audio 0 ")).await;
        assert_eq!(less.status, 406, "{}", less.text());
        let done = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        socket.write_all(done).await.unwrap();
        socket
    };
    let (patched, _socket) = tokio::join!(begun, less);
    assert_eq!(patched.expect("an answer in time").status, 204);
}
