//! Pages of other origins.

use http::Request;
use whipstitch_tests::Deployment;

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_costs_no_lookup() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for method in ["OPTIONS", "POST", "PATCH", "DELETE"] {
        let preflight = Request::options("/live/whip/endpoint/s1?signal=true")
            .header("origin", "https://page.example")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "content-type");
        for client in [&proxy.h1, &proxy.h2] {
            let reply = client.send(clone(&preflight).body("").unwrap()).await;
            assert_eq!(
                (
                    reply.status.as_u16(),
                    reply.header("access-control-allow-origin")
                ),
                (204, "*")
            );
            assert!(
                reply
                    .header("access-control-allow-methods")
                    .contains(method)
            );
            assert!(
                reply
                    .header("access-control-allow-headers")
                    .contains("Content-Type")
            );
        }
    }
    assert_eq!(deployment.cluster.seen().requests().len(), 0);
}

fn clone(builder: &http::request::Builder) -> http::request::Builder {
    let mut cloned = Request::builder()
        .method(builder.method_ref().unwrap().clone())
        .uri(builder.uri_ref().unwrap().clone());
    *cloned.headers_mut().unwrap() = builder.headers_ref().unwrap().clone();
    cloned
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_can_be_read_by_a_page_and_has_the_headers_once() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for reply in [
        proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await,
        proxy
            .h1
            .sdp("POST", "/live/whip/endpoint/s1", "not SDP")
            .await,
        proxy
            .h1
            .sdp("POST", "/live/whip/endpoint/a%00", "v=0")
            .await,
        proxy
            .h1
            .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
            .await,
        proxy.h1.get("/nothing/here").await,
    ] {
        let origins: Vec<_> = reply
            .headers
            .get_all("access-control-allow-origin")
            .iter()
            .collect();
        assert_eq!(origins, ["*"], "{reply:?}");
        for exposed in [
            "Location",
            "Link",
            "ETag",
            "Session-Host",
            "Retry-After",
            "X-Request-Id",
        ] {
            assert!(
                reply
                    .header("access-control-expose-headers")
                    .contains(exposed),
                "{reply:?}"
            );
        }
        assert!(
            !reply
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
}
