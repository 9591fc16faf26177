//! What a client does through a server in front, and the answers that it must get.

use http::{Request, Uri};
use whipstitch_minicluster::{
    Node,
    peer::{Player, Publisher},
};
use whipstitch_tests::{Client, Deployment, Reply, deployment::SOON, http::path_of};

const FRAMES: u64 = 20;
const FRAGMENT: &str = "a=ice-ufrag:x\r\na=end-of-candidates\r\n";
/// Bytes of a token that a client may have to send in its query: most of the 8 KiB that nodes and
/// the manager take.
const LONG: usize = 7000;

/// The URLs of one generation of the Stream Manager.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Urls {
    One,
    Two,
}

impl Urls {
    /// The WHIP (`whip`) or WHEP (`whep`) endpoint of a stream.
    pub(crate) fn endpoint(self, kind: &str, stream: &str) -> String {
        match self {
            Self::One => format!("/live/{kind}/endpoint/{stream}"),
            Self::Two => format!("/as/v1/proxy/{kind}/live/{stream}"),
        }
    }
}

/// An entry point: the client, and the scheme and authority that it uses.
pub(crate) struct Visit<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) client: &'a Client,
    pub(crate) origin: String,
    pub(crate) urls: Urls,
}

impl Visit<'_> {
    /// Publishes and plays with media; trickles, and ends both by the URLs that were given. Each of
    /// these URLs has to lead back through the same entry point.
    pub(crate) async fn publishes_plays_and_ends(&self, stream: &str) {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let target = self.urls.endpoint("whip", stream);
        let options = self.client.bare("OPTIONS", &target).await;
        assert_eq!(options.status, 200, "{options:?}");
        let created = self.client.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{created:?}");
        publisher.answer(&created.text()).await.unwrap();
        publisher.wait_connected(SOON).await.unwrap();
        let publishing = self.session(&created);

        let player = Player::new().await.unwrap();
        let offer = player.offer().await.unwrap();
        let target = self.urls.endpoint("whep", stream) + "?requestId=one";
        let created = self.client.sdp("POST", &target, &offer).await;
        // A standard player gets the node's offer as a 406.
        let status = created.status.as_u16();
        assert!([201, 406].contains(&status), "{created:?}");
        let playing = self.session(&created);
        let answer = player.accept(&created.text()).await.unwrap();
        let answered = self.client.sdp("PATCH", &playing, &answer).await;
        assert_eq!(answered.status, 204, "{answered:?}");
        let counts = player.wait_for_frames(FRAMES, SOON).await.unwrap();
        assert!(counts.keyframes > 0, "{counts:?}");

        let fragment =
            Request::patch(&publishing).header("content-type", "application/trickle-ice-sdpfrag");
        let trickled = self.client.send(fragment.body(FRAGMENT).unwrap()).await;
        assert_eq!(trickled.status, 204, "{trickled:?}");
        assert_eq!(self.sessions(), 2);
        for session in [playing, publishing] {
            let ended = self.client.bare("DELETE", &session).await;
            assert_eq!(ended.status, 200, "{ended:?}");
        }
        publisher.wait_ended(SOON).await.unwrap();
        assert_eq!(self.sessions(), 0);
    }

    /// The path of the session's URL, which has to be one that the client can use: of its own
    /// scheme, host and port.
    fn session(&self, created: &Reply) -> String {
        let location = created.header("location");
        let uri: Uri = location.parse().unwrap();
        if uri.authority().is_some() {
            let way = format!("{}/", self.origin);
            assert!(location.starts_with(&way), "{location} is not at {way}");
        }
        path_of(location)
    }

    pub(crate) fn sessions(&self) -> usize {
        let nodes = self.deployment.cluster.nodes();
        nodes.iter().map(Node::sessions).sum()
    }

    /// A query with a long token arrives whole.
    pub(crate) async fn sends_a_long_token(&self, stream: &str) {
        let token = "t".repeat(LONG);
        let target = self.urls.endpoint("whip", stream) + "?token=" + &token;
        let offer = Publisher::new().await.unwrap().offer().await.unwrap();
        let created = self.client.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{created:?}");
        let seen = self.deployment.cluster.seen().requests();
        assert!(seen.iter().any(|one| one.target.contains(&token)));
        let session = self.session(&created);
        assert_eq!(self.client.bare("DELETE", &session).await.status, 200);
    }

    /// Errors of the proxy reach a page of another origin as they were answered.
    pub(crate) async fn reads_errors(&self) {
        let player = Player::new().await.unwrap();
        let offer = player.offer().await.unwrap();
        let target = self.urls.endpoint("whep", "missing");
        let refused = self.client.sdp("POST", &target, &offer).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (409, "not-live")
        );
        assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
        let target = self.urls.endpoint("whip", "a%2fb");
        let refused = self.client.bare("OPTIONS", &target).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-name")
        );
    }
}
