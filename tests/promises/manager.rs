//! All other paths belong to the Stream Manager.

use http::Request;
use whipstitch_minicluster::{Config, Fault, Page, Server};
use whipstitch_tests::Deployment;

const PAGE: Page = Page {
    path: "/index.html",
    content_type: "text/html",
    body: b"<h1>the manager's own</h1>",
};

#[tokio::test(flavor = "multi_thread")]
async fn its_pages_and_its_errors_pass_as_they_are() {
    let deployment = Deployment::with(Config {
        pages: vec![PAGE],
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        let page = client.get("/index.html?a=%20b").await;
        assert_eq!((page.status.as_u16(), &page.body[..]), (200, PAGE.body));
        assert_eq!(page.header("content-type"), "text/html");
        let missing = client.get("/no/such/page").await;
        assert_eq!(missing.status, 404);
        assert_ne!(
            missing.header("content-type"),
            "application/problem+json",
            "the manager's own 404"
        );
    }
    let asked = deployment.cluster.seen().requests_to(Server::Manager);
    assert_eq!(asked[0].target, "/index.html?a=%20b");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_administration_is_shut_unless_configured() {
    let deployment = Deployment::start().await;
    let (shut, mut config) = (deployment.proxy(), deployment.config());
    config.proxy.admin_api = true;
    let open = deployment.proxy_with(config);
    let target = "/streammanager/api/4.0/admin/nodegroup?accessToken=minicluster";
    for disguise in [
        target,
        "/streammanager/api/4.0/%61dmin/nodegroup",
        "/streammanager//api/4.0/admin;a=b/nodegroup",
    ] {
        assert_eq!(
            shut.h1.get(disguise).await.problem(),
            "admin-api",
            "{disguise}"
        );
    }
    assert_eq!(deployment.cluster.seen().requests().len(), 0);
    assert_eq!(open.h1.get(target).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_gone_is_a_502() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.manager_answer = std::time::Duration::from_millis(300);
    config.limits.body_bytes = 10;
    let proxy = deployment.proxy_with(config);
    let large = proxy
        .h1
        .send(
            Request::post("/upload")
                .body("more than ten bytes")
                .unwrap(),
        )
        .await;
    assert_eq!(
        (large.status.as_u16(), &*large.problem()),
        (413, "body-too-large")
    );
    for (fault, status, problem) in [
        (Fault::Refuse, 502, "manager-unreachable"),
        (Fault::BlackHole, 504, "manager-timeout"),
    ] {
        deployment.cluster.manager().fail(fault.clone()).await;
        let reply = proxy.h1.get("/").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (status, problem),
            "{fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_host_names_are_served() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.hosts = vec!["live.example.com".into()];
    let proxy = deployment.proxy_with(config);
    let ask = |host: &str| {
        proxy
            .h1
            .send(Request::get("/").header("host", host).body("").unwrap())
    };
    assert_eq!(ask("localhost").await.problem(), "host-not-served");
    assert_eq!(
        ask("LIVE.example.com:8443").await.status,
        404,
        "the manager's own answer"
    );
}
