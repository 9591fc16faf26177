//! What Prometheus sees.

use whipstitch_tests::{Deployment, Proxy};

/// Most series that a proxy may have, `process_*` included.
const MOST: usize = 400;

async fn series(proxy: &Proxy) -> usize {
    let text = proxy.admin.get("/metrics").await.text();
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_series_is_bounded_and_does_not_grow_with_use() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let before = series(&proxy).await;
    assert!(before <= MOST, "{before}");
    for number in 0..50 {
        proxy
            .h1
            .bare(
                "OPTIONS",
                &format!("/live/room{number}/whip/endpoint/s{number}"),
            )
            .await;
        proxy
            .h1
            .bare("DELETE", &format!("/live/whep/resource/s{number}/x"))
            .await;
        proxy.plain.get(&format!("/{number}")).await;
    }
    assert_eq!(series(&proxy).await, before);
    let text = proxy.admin.get("/metrics").await.text();
    for name in deployment
        .cluster
        .nodes()
        .iter()
        .map(|node| node.ip().to_string())
        .chain(["room1".into()])
    {
        assert!(!text.contains(&name), "{name}");
    }
    let answered = r#"whipstitch_requests_total{class="2xx",subject="whip_endpoint"}"#;
    proxy.until_metric(answered, 50.0).await;
}
