//! `host=` with something else than a handle.

use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{Deployment, http::path_of};

use super::asked;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_no_handle_passes_the_gate_or_is_refused_with_a_reason() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.nodes.allow = vec![deployment.cluster.nodes()[1].ip().into()];
    let proxy = deployment.proxy_with(config);
    let endpoint = "/live/whip/endpoint/s1";
    for (host, status, slug) in [
        ("host=", 400, "bad-query"),
        ("host", 400, "bad-query"),
        ("host=undefined", 400, "bad-query"),
        ("host=null", 400, "bad-query"),
        ("host=%zz", 400, "bad-query"),
        ("host=127.0.0.3&host=127.0.0.3", 400, "bad-query"),
        ("host=127.0.0.3:80", 400, "bad-query"),
        ("host=u@127.0.0.3", 400, "bad-query"),
        ("host=169.254.169.254", 403, "node-not-allowed"),
        ("host=127.0.0.1", 403, "node-not-allowed"),
        ("host=8.8.8.8", 403, "node-not-allowed"),
    ] {
        let at_endpoint = format!("{endpoint}?{host}");
        let at_session = format!("/live/whip/resource/s1?{host}");
        for (method, target) in [("POST", &at_endpoint), ("DELETE", &at_session)] {
            let refused = proxy.h1.sdp(method, target, "v=0").await;
            let result = (refused.status.as_u16(), refused.problem());
            assert_eq!(result, (status, slug.to_owned()), "{method} {host}");
        }
    }
    assert!(asked(&deployment).is_empty());

    let peer = Publisher::new().await.unwrap();
    let target = format!("{endpoint}?a=b&host=127.0.0.3&token=x");
    let created = proxy
        .h1
        .sdp("POST", &target, &peer.offer().await.unwrap())
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    let seen = asked(&deployment);
    assert_eq!(seen[0].server, Server::Node(1));
    assert_eq!(seen[0].target, format!("{endpoint}?a=b&token=x"));
    // With a token the token decides, whatever else the request says.
    let session = format!("{}?host=undefined", path_of(created.header("location")));
    assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);
}
