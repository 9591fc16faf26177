//! red5pro-whep-player on SDK 15: on any failure it retries after two seconds, for ever.

use whipstitch_minicluster::{Action, peer::Publisher};
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Deployment, Proxy,
    deployment::SOON,
    sdk::{Release, Sdk},
};

/// Players of the page.
const PLAYERS: usize = 100;

async fn scene() -> (Deployment, Proxy) {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.api = Api::V2;
    let proxy = deployment.proxy_with(config);
    (deployment, proxy)
}

fn sessions(deployment: &Deployment) -> usize {
    let nodes = deployment.cluster.nodes().iter();
    nodes.map(whipstitch_minicluster::Node::sessions).sum()
}

async fn publish(proxy: &Proxy) -> (Sdk, Publisher) {
    let path = "/as/v1/proxy/whip/live/show";
    let mut sdk = Sdk::new(&proxy.h2, Release::V15, path, "nodeGroup=default");
    assert_eq!(sdk.options().await.status, 200);
    let peer = Publisher::new().await.unwrap();
    let created = sdk.post(&peer.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    peer.answer(&created.text()).await.unwrap();
    peer.wait_connected(SOON).await.unwrap();
    (sdk, peer)
}

/// One attempt of the player page: the statuses of `OPTIONS` and, if it continues after that
/// status, of `POST`.
async fn attempt(proxy: &Proxy, id: &str) -> (u16, Option<u16>, Sdk) {
    let path = format!("/as/v1/proxy/whep/live/show?requestId={id}");
    let target = format!("{path}&signal=true&nodeGroup=default");
    let options = proxy.h1.bare("OPTIONS", &target).await;
    let mut sdk = Sdk::new(&proxy.h1, Release::V15, &path, "nodeGroup=default");
    if !matches!(options.status.as_u16(), 200 | 204) {
        assert_eq!(options.header("access-control-allow-origin"), "*");
        return (options.status.as_u16(), None, sdk);
    }
    let posted = sdk.post("").await;
    (options.status.as_u16(), Some(posted.status.as_u16()), sdk)
}

#[tokio::test(flavor = "multi_thread")]
async fn players_that_retry_for_ever_cost_few_lookups_and_play_as_soon_as_it_is_live() {
    let (deployment, proxy) = scene().await;
    let ids: Vec<String> = (0..PLAYERS)
        .map(|number| format!("subscriber-{number:x}"))
        .collect();
    let rounds = 3;
    for _ in 0..rounds {
        let attempts = ids.iter().map(|id| attempt(&proxy, id));
        for (options, post, _) in futures_util::future::join_all(attempts).await {
            assert!(options >= 400 || post.is_some_and(|status| status >= 400));
        }
    }
    let lookups = deployment
        .cluster
        .seen()
        .lookups(Action::Subscribe, "live", "show");
    assert!(lookups <= rounds * 2, "{lookups} lookups of 300 attempts");
    assert_eq!(sessions(&deployment), 0);

    // Live: the very next attempt of each plays, in spite of cached negative answers.
    let (publisher, _peer) = publish(&proxy).await;
    let attempts = ids.iter().map(|id| attempt(&proxy, id));
    let playing = futures_util::future::join_all(attempts).await;
    for (options, post, _) in &playing {
        assert_eq!((*options, *post), (200, Some(201)));
    }
    assert_eq!(sessions(&deployment), PLAYERS + 1);
    // The publisher leaves, and all players end; they retry, and each gets its session when it
    // returns.
    assert_eq!(publisher.delete().await.status, 200);
    let (gone, post, _) = attempt(&proxy, "subscriber-0").await;
    assert!(gone >= 400 || post.is_some_and(|status| status >= 400));
    let (publisher, _peer) = publish(&proxy).await;
    let attempts = ids.iter().map(|id| attempt(&proxy, id));
    let playing = futures_util::future::join_all(attempts).await;
    for (options, post, sdk) in playing {
        assert_eq!((options, post), (200, Some(201)));
        assert!(sdk.delete().await.status.is_success());
    }
    assert_eq!(publisher.delete().await.status, 200);
    assert_eq!(sessions(&deployment), 0);
}
