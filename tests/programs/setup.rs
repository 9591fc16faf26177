//! A cluster behind a proxy, and the effects that each program must have on it.

use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};
use whipstitch_minicluster::{Config, Node, Server, peer::Counts, peer::Player};
use whipstitch_tests::{Deployment, Proxy, http::path_of};

/// One program at a time: each encodes video in software.
static ONE: Mutex<()> = Mutex::const_new(());

/// Longest wait for a program, which may have to start and to load codecs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Polling interval for state in another process.
const LOOK: Duration = Duration::from_millis(50);
const FRAMES: u64 = 20;
/// The `requestId` that marks the watcher's requests.
const WATCHER: &str = "watcher";

/// The deployment that programs publish to.
pub(crate) struct Setup {
    pub(crate) deployment: Deployment,
    pub(crate) proxy: Proxy,
    _one: MutexGuard<'static, ()>,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// Exclusive use, for a test that has a setup of its own.
    pub(crate) async fn exclusive() -> MutexGuard<'static, ()> {
        ONE.lock().await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let one = Self::exclusive().await;
        let deployment = Deployment::with(config).await;
        Self {
            proxy: deployment.proxy(),
            deployment,
            _one: one,
        }
    }

    /// The WHIP endpoint of a stream over TLS.
    pub(crate) fn https(&self, stream: &str) -> String {
        let port = self.proxy.h2.addr().port();
        format!("https://localhost:{port}/live/whip/endpoint/{stream}")
    }

    /// The WHIP endpoint of a stream without TLS.
    pub(crate) fn http(&self, stream: &str) -> String {
        let port = self.proxy.plain.addr().port();
        format!("http://localhost:{port}/live/whip/endpoint/{stream}")
    }

    /// The WHEP endpoint of a stream over TLS.
    pub(crate) fn play(&self, stream: &str) -> String {
        self.https(stream).replace("/whip/", "/whep/")
    }

    /// Plays the stream through the proxy as soon as it is live, until enough frames have arrived.
    pub(crate) async fn watch(&self, stream: &str) -> Counts {
        let player = Player::new().await.unwrap();
        let offer = player.offer().await.unwrap();
        let target = format!("/live/whep/endpoint/{stream}?requestId={WATCHER}");
        let live = async {
            loop {
                let created = self.proxy.h2.sdp("POST", &target, &offer).await;
                if [201, 406].contains(&created.status.as_u16()) {
                    return created;
                }
                sleep(LOOK).await;
            }
        };
        let created = timeout(PATIENCE, live).await.expect("the stream is live");
        let session = path_of(created.header("location"));
        if created.status == 201 {
            player.answer(&created.text()).await.unwrap();
        } else {
            // Red5 nodes make the offer; the proxy sends it as a counter-offer to standard players.
            let answer = player.accept(&created.text()).await.unwrap();
            let patched = self.proxy.h2.sdp("PATCH", &session, &answer).await;
            assert_eq!(patched.status, 204);
        }
        let counts = player.wait_for_frames(FRAMES, PATIENCE).await.unwrap();
        assert!(counts.keyframes > 0, "{counts:?}");
        let left = self.proxy.h2.bare("DELETE", &session).await;
        assert_eq!(left.status, 200);
        counts
    }

    /// The headers of the publisher's requests of this method for a stream, as nodes received them.
    pub(crate) fn published(&self, method: &Method, stream: &str) -> Vec<HeaderMap> {
        self.requests(method, "/whip/", stream)
    }

    /// The same for its players, without the watcher's.
    pub(crate) fn played(&self, method: &Method, stream: &str) -> Vec<HeaderMap> {
        self.requests(method, "/whep/", stream)
    }

    fn requests(&self, method: &Method, kind: &str, stream: &str) -> Vec<HeaderMap> {
        let seen = self.deployment.cluster.seen().requests();
        let wanted = |target: &str| {
            target.contains(kind) && target.contains(stream) && !target.contains(WATCHER)
        };
        seen.into_iter()
            .filter(|request| request.server != Server::Manager)
            .filter(|request| request.method == *method && wanted(&request.target))
            .map(|request| request.headers)
            .collect()
    }

    pub(crate) fn sessions(&self) -> usize {
        let nodes = self.deployment.cluster.nodes();
        nodes.iter().map(Node::sessions).sum()
    }

    /// Checks that the publisher left by one DELETE, and that no session remains.
    pub(crate) async fn is_over(&self, stream: &str) {
        self.until_sessions(0).await;
        assert_eq!(self.published(&Method::DELETE, stream).len(), 1);
    }

    /// Checks that the only player left by one DELETE, and that only the publisher remains.
    pub(crate) async fn player_is_over(&self, stream: &str) {
        self.players_are_over(stream, 1).await;
    }

    /// Checks that this many players have left, each by one DELETE.
    pub(crate) async fn players_are_over(&self, stream: &str, players: usize) {
        self.until_sessions(1).await;
        assert_eq!(self.played(&Method::DELETE, stream).len(), players);
    }

    async fn until_sessions(&self, wanted: usize) {
        let over = async {
            while self.sessions() != wanted {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, over).await.expect("the session ends");
    }
}
