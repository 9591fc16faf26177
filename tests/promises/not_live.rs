//! What a player learns of a stream that is not live, and of a URL that it does not know yet.

use whipstitch::config::Config;
use whipstitch_minicluster::{Fault, Lie, Server};
use whipstitch_tests::Deployment;

fn with_status(deployment: &Deployment, status: u16) -> Config {
    let mut config = deployment.config();
    config.proxy.not_live_status = status.try_into().unwrap();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_asked_to_retry_with_the_status_that_it_expects() {
    let deployment = Deployment::start().await;
    let node = &deployment.cluster.nodes()[0];
    for status in [409, 404] {
        let proxy = deployment.proxy_with(with_status(&deployment, status));
        for target in [
            "/live/whep/endpoint/missing",
            "/live/whep/endpoint/missing?requestId=subscriber-1&signal=true",
            "/live/whep/missing",
        ] {
            let unknown = proxy.h1.sdp("POST", target, "v=0").await;
            assert_eq!(unknown.status, status, "{target}");
            assert_eq!(unknown.problem(), "not-live");
            assert_eq!(unknown.header("retry-after"), "2");
            let exposed = unknown.header("access-control-expose-headers");
            assert!(exposed.contains("Retry-After"));
        }

        // The node answers itself where the manager knows more than the node.
        let manager = deployment.cluster.manager();
        manager.lie(Lie::ServerAddress(node.ip().to_string()));
        node.fail(Fault::Status(409, "Stream is not available".into()))
            .await;
        let proxy = deployment.proxy_with(with_status(&deployment, status));
        let played = proxy.h1.sdp("POST", "/live/whep/endpoint/s1", "v=0").await;
        assert_eq!(
            (played.status.as_u16(), played.header("retry-after")),
            (status, "2")
        );
        assert_eq!(played.text(), "Stream is not available");
        let published = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
        assert_eq!(
            published.status, 409,
            "a name that is taken is another matter"
        );
        assert_eq!(published.header("retry-after"), "");
        manager.heal().await;
        node.heal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_recognises_an_endpoint_by_a_head() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for client in [&proxy.h1, &proxy.h2] {
        for target in ["/live/whep/endpoint/s1", "/live/room/whep/s1/?a=b"] {
            let head = client.bare("HEAD", target).await;
            let media = head.header("content-type");
            assert_eq!(
                (head.status.as_u16(), media),
                (200, "application/sdp"),
                "{target}"
            );
            assert_eq!(head.header("accept-post"), "application/sdp");
        }
        let head = client.bare("HEAD", "/live/whip/endpoint/s1").await;
        let takes = head.header("accept-post");
        assert_eq!((head.status.as_u16(), takes), (204, "application/sdp"));
    }
    assert_eq!(
        deployment.cluster.seen().requests().len(),
        0,
        "no server was asked"
    );
    // Any other page of that name is the manager's, and no publisher asks so whether there is an
    // endpoint.
    proxy.h1.get("/live/whep/s1").await;
    proxy.h1.bare("HEAD", "/live/whip/s1").await;
    assert_eq!(
        deployment.cluster.seen().requests_to(Server::Manager).len(),
        2
    );
}
