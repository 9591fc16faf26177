//! Endpoints without the word `endpoint`, and `host=` on every request to an endpoint.

use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{
    Deployment,
    deployment::SOON,
    sdk::{Release, Sdk},
};

/// A page that cannot read `Location` continues at the URL that it has (red5pro-webrtc-sdk 15.0.0:
/// there is no `/endpoint/` in it for which to put `/resource/`).
#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_continue_at_the_short_url() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut sdk = Sdk::new(&proxy.h1, Release::V15, "/live/whip/s1", "");
    assert_eq!(sdk.options().await.status, 200);
    let publisher = Publisher::new().await.unwrap();
    let created = sdk.post(&publisher.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();
    sdk.resource = Some(sdk.located(""));
    assert!(
        sdk.session_target().starts_with("/live/whip/s1?"),
        "{}",
        sdk.session_target()
    );
    assert!(sdk.trickle().await.status.is_success());
    publisher.wait_connected(SOON).await.unwrap();
    assert_eq!(sdk.delete().await.status, 200);
    let again = sdk.delete().await;
    assert_eq!(
        (again.status.as_u16(), &*again.problem()),
        (404, "unknown-session")
    );

    // A stranger's session is not reached by its name.
    let mut sdk = Sdk::new(&proxy.h1, Release::V15, "/live/whip/s1", "");
    let publisher = Publisher::new().await.unwrap();
    assert_eq!(
        sdk.post(&publisher.offer().await.unwrap()).await.status,
        201
    );
    let other = http::Request::delete("/live/whip/s1").header("user-agent", "other");
    let other = proxy.h1.send(other.body("").unwrap()).await;
    assert_eq!(other.problem(), "unknown-session");
    assert_eq!(sdk.delete().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_options_goes_to_the_node_that_it_names() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let node = &deployment.cluster.nodes()[1];
    for target in ["/live/whip/endpoint/s1", "/live/whip/s1"] {
        deployment.cluster.seen().clear();
        let asked = format!("{target}?a=b&host={}&signal=true", node.ip());
        assert_eq!(proxy.h1.bare("OPTIONS", &asked).await.status, 200);
        let seen = deployment.cluster.seen().requests();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].server, Server::Node(1));
        assert_eq!(seen[0].target, "/live/whip/endpoint/s1?a=b&signal=true");
        for (host, status) in [("undefined", 400), ("169.254.169.254", 403)] {
            let asked = format!("{target}?host={host}");
            assert_eq!(
                proxy.h1.bare("OPTIONS", &asked).await.status,
                status,
                "{host}"
            );
        }
    }
    // The `POST` after it finds the same node, without a `host=` of its own.
    let mut sdk = Sdk::publisher(&proxy.h1, Release::V11, "s2", "");
    let asked = format!("/live/whip/endpoint/s2?signal=true&host={}", node.ip());
    proxy.h1.bare("OPTIONS", &asked).await;
    deployment.cluster.seen().clear();
    let publisher = Publisher::new().await.unwrap();
    sdk.post(&publisher.offer().await.unwrap()).await;
    let seen = deployment.cluster.seen().requests();
    assert_eq!(seen.last().unwrap().server, Server::Node(1), "{seen:?}");
}
