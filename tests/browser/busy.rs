//! A busy proxy: real publishers and players, WebSockets, clients that connect and leave, and some
//! errors.

use std::time::Duration;

use futures_util::{FutureExt, future::try_join_all};
use http::Request;
use tokio::time::sleep;
use whipstitch_minicluster::{
    Config as ClusterConfig, Fault, NodeConfig,
    peer::{Player, Publisher},
};
use whipstitch_tests::{
    Deployment, Proxy, Reply,
    deployment::{Certificate, SOON},
    http::path_of,
    websocket::{Dialogue, raw},
};

const STREAMS: [&str; 4] = [
    "live/keynote",
    "live/keynote-backup",
    "live/hall-2/panel",
    "live/backstage/camera-3",
];
/// Time between two rounds.
const MOMENT: Duration = Duration::from_millis(250);

/// Everything that runs until this is dropped.
pub(crate) struct Busy {
    pub(crate) deployment: Deployment,
    pub(crate) proxy: Proxy,
    dialogues: Vec<Dialogue>,
    publishers: Vec<Publisher>,
    players: Vec<Player>,
    offer: String,
}

impl Busy {
    pub(crate) async fn begin() -> Self {
        let nodes = [2, 3, 4].map(|last| NodeConfig::new([127, 0, 0, last].into()));
        let mut deployment = Deployment::with(ClusterConfig {
            nodes: nodes.into(),
            ..ClusterConfig::default()
        })
        .await;
        deployment.certificate = Certificate::lasting(&["media.example.com", "localhost"], 61);
        let mut config = deployment.config();
        // Clients have addresses of their own, as behind a load balancer.
        config.proxy.trusted = vec!["127.0.0.0/8".parse().expect("a network")];
        let proxy = deployment.proxy_with(config);
        let mut busy = Self {
            deployment,
            proxy,
            dialogues: Vec::new(),
            publishers: Vec::new(),
            players: Vec::new(),
            offer: String::new(),
        };
        busy.publish().await;
        busy.play().await;
        busy.talk().await;
        busy.goes_wrong().await;
        busy
    }

    /// A request of the client with this number.
    async fn send(&self, client: usize, method: &str, target: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("content-type", "application/sdp")
            .header("x-forwarded-for", address(client));
        let request = request.body(body.to_owned()).expect("a request");
        self.proxy.plain.send(request).await
    }

    async fn publish(&mut self) {
        for (client, stream) in STREAMS.iter().enumerate() {
            let publisher = Publisher::new().await.expect("a publisher");
            let offer = publisher.offer().await.expect("its offer");
            let created = self
                .send(client, "POST", &endpoint("whip", stream), &offer)
                .await;
            assert_eq!(created.status, 201, "{}", created.text());
            publisher.answer(&created.text()).await.expect("taken");
            publisher.wait_connected(SOON).await.expect("media");
            self.publishers.push(publisher);
        }
    }

    async fn play(&mut self) {
        for number in 0..4 {
            let client = 20 + number;
            let player = Player::new().await.expect("a player");
            self.offer = player.offer().await.expect("its offer");
            let stream = STREAMS[number % 2];
            let counter_offer = self
                .send(client, "POST", &endpoint("whep", stream), &self.offer)
                .await;
            assert_eq!(counter_offer.status, 406, "{}", counter_offer.text());
            let answer = player.accept(&counter_offer.text()).await.expect("taken");
            let session = path_of(counter_offer.header("location"));
            let patched = self.send(client, "PATCH", &session, &answer).await;
            assert_eq!(patched.status, 204, "{}", patched.text());
            player.wait_for_frames(5, SOON).await.expect("media");
            self.players.push(player);
        }
    }

    async fn talk(&mut self) {
        for number in 0..5 {
            let node = self.deployment.cluster.nodes()[number % 3].ip();
            let target =
                format!("/streammanager/?id=viewer-{number:04x}&host={node}&app=live%2Fhall-2");
            let more = format!("X-Forwarded-For: {}\r\n", address(40 + number));
            let (head, io) = raw(&self.proxy.h1, &target, &more).await;
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            self.dialogues.push(Dialogue::over(io).await);
        }
    }

    /// Two requests are refused, and a node fails for a moment.
    async fn goes_wrong(&self) {
        let early = self
            .send(60, "POST", "/live/whep/endpoint/after-party", "v=0\r\n")
            .await;
        assert_eq!(early.problem(), "not-live");
        let metadata = "/streammanager/?id=x&host=169.254.169.254&app=live";
        let more = format!("X-Forwarded-For: {}\r\n", address(61));
        let (refused, _) = raw(&self.proxy.h1, metadata, &more).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        let target = endpoint("whep", STREAMS[2]);
        let counter_offer = self.send(62, "POST", &target, &self.offer).await;
        let session = path_of(counter_offer.header("location"));
        for node in self.deployment.cluster.nodes() {
            node.fail(Fault::Status(503, "no".to_owned())).await;
        }
        assert_eq!(
            self.send(62, "PATCH", &session, "v=0\r\n").await.status,
            503
        );
        let lost = self
            .send(63, "DELETE", "/live/whep/resource/keynote/forged", "")
            .await;
        assert_eq!(lost.problem(), "unknown-session");
        for node in self.deployment.cluster.nodes() {
            node.heal().await;
        }
        assert_eq!(self.send(62, "DELETE", &session, "").await.status, 200);
    }

    /// Clients connect and leave in varying number while this is polled, and the manager's latency
    /// varies.
    pub(crate) async fn run(&mut self) {
        for moment in 0_usize.. {
            let wave = [1, 2, 4, 7, 9, 8, 5, 3][moment / 12 % 8];
            if moment % 12 == 0 {
                let late = Duration::from_millis(3 * wave as u64);
                let manager = self.deployment.cluster.manager();
                manager.fail(Fault::Delay(late)).await;
            }
            for dialogue in self.dialogues.iter_mut().take(wave) {
                let text = "x".repeat(900 * wave);
                dialogue.send(serde_json::json!({"chat": text})).await;
                // A client that reads nothing is dropped after 30 s.
                while dialogue.next().now_or_never().is_some() {}
            }
            let this = &*self;
            let visits = (0..wave).map(|number| this.visit(100 + number, moment));
            try_join_all(visits).await.expect("visits go well");
            sleep(MOMENT).await;
        }
    }

    /// A client plays a stream, and requests another page.
    async fn visit(&self, client: usize, moment: usize) -> Result<(), String> {
        let target = endpoint("whep", STREAMS[(client + moment) % STREAMS.len()]);
        let target = format!("{target}?requestId=subscriber-{client:x}{moment:x}");
        let came = self.send(client, "POST", &target, &self.offer).await;
        let session = path_of(came.header("location"));
        sleep(MOMENT).await;
        let went = self.send(client, "DELETE", &session, "").await;
        match (came.status.as_u16(), went.status.as_u16()) {
            (406, 200) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

fn endpoint(protocol: &str, stream: &str) -> String {
    let (scope, name) = stream.rsplit_once('/').expect("a scope");
    format!("/{scope}/{protocol}/endpoint/{name}")
}

/// An address of a documentation network (RFC 5737).
fn address(client: usize) -> String {
    format!("203.0.113.{}", client + 1)
}
