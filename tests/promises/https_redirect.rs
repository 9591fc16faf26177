//! `proxy.https_redirect` and `proxy.hsts`: plain HTTP leads to `https`, and browsers remember it.

use http::Request;
use whipstitch::config::Config;
use whipstitch_tests::{Client, Deployment, Proxy, Reply, websocket};

const HSTS: &str = "strict-transport-security";

fn with(deployment: &Deployment, change: impl FnOnce(&mut Config)) -> Proxy {
    let mut config = deployment.config();
    config.proxy.https_redirect = true;
    config.proxy.hsts = Some("max-age=60; includeSubDomains".parse().unwrap());
    change(&mut config);
    deployment.proxy_with(config)
}

async fn ask(client: &Client, method: &str, target: &str, lines: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    client.send(request.body("").unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_led_to_https_and_signalling_is_refused() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |_| {});
    let ours = [("host", "Live.Example.com:8080")];
    for method in ["GET", "HEAD"] {
        let led = ask(&proxy.plain, method, "//evil.example/a%2Fb?c=d", &ours).await;
        assert_eq!(led.status, 308, "{method}");
        let location = led.header("location");
        assert_eq!(location, "https://live.example.com//evil.example/a%2Fb?c=d");
        assert_eq!(led.header("cache-control"), "no-store");
        assert_eq!(led.header(HSTS), "", "not over plain HTTP");
    }
    let endpoint = "/live/whip/endpoint/s1";
    for method in ["POST", "PATCH", "DELETE", "OPTIONS", "PUT"] {
        let refused = ask(&proxy.plain, method, endpoint, &ours).await;
        assert_eq!(refused.status, 403, "{method}");
        assert_eq!(refused.problem(), "https-required", "{method}");
        assert!(refused.text().contains("begin the URL with https://"));
    }
    let socket = "/streammanager/?id=publisher-1&host=10.0.0.7&app=live";
    let (head, _) = websocket::raw(&proxy.plain, socket, "").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let nothing = deployment.cluster.seen().requests();
    assert!(nothing.is_empty(), "{nothing:?}");
    // Over TLS all is as it was.
    let served = proxy.h2.bare("OPTIONS", endpoint).await;
    assert!(served.status.is_success(), "{served:?}");
    let counted = r#"whipstitch_problems_total{type="https-required"}"#;
    proxy.until_metric(counted, 6.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_and_health_checks_are_not_redirected() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |_| {});
    let token = "/.well-known/acme-challenge/token";
    let challenge = proxy.plain.get(token).await;
    assert_eq!(challenge.status, 404);
    assert_eq!(challenge.problem(), "acme-challenge");
    assert!(deployment.cluster.seen().requests().is_empty());
    let check = proxy.plain.get("/as/v1/admin/healthz").await;
    assert_ne!(check.status, 308);
    let passed = deployment.cluster.seen().requests();
    assert_eq!(passed.len(), 1, "it reaches the manager");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_host_that_is_served_is_redirected_and_public_url_names_its_port() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |config| {
        config.proxy.hosts = vec!["live.example.com".into(), "b.example.com".into()];
        config.proxy.public_url = Some("https://live.example.com:8443".into());
    });
    for (host, location) in [
        ("live.example.com", "https://live.example.com:8443/a"),
        ("LIVE.example.com.:80", "https://live.example.com:8443/a"),
        ("b.example.com", "https://b.example.com/a"),
    ] {
        let led = ask(&proxy.plain, "GET", "/a", &[("host", host)]).await;
        assert_eq!(led.header("location"), location, "{led:?}");
    }
    for (host, problem) in [
        ("evil.example", "host-not-served"),
        ("a b", "bad-host"),
        ("evil@live.example.com", "bad-host"),
    ] {
        let refused = ask(&proxy.plain, "GET", "/a", &[("host", host)]).await;
        assert_eq!(refused.problem(), problem, "{host}");
        assert_eq!(refused.header("location"), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_of_a_trusted_proxy_decides() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |config| {
        config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let hsts = "max-age=60; includeSubDomains";
    for (client, scheme, status, expected) in [
        // The manager answers `/` with its own 404.
        (&proxy.plain, Some("https"), 404, hsts),
        (&proxy.plain, Some("http"), 308, ""),
        // It may end TLS, and its clients must not be sent in a circle.
        (&proxy.plain, None, 404, ""),
        (&proxy.h1, Some("http"), 308, ""),
        (&proxy.h1, None, 404, hsts),
    ] {
        let said = scheme.map(|scheme| ("x-forwarded-proto", scheme));
        let answer = ask(client, "GET", "/", said.as_slice()).await;
        assert_eq!(answer.status, status, "{scheme:?}");
        assert_eq!(answer.header(HSTS), expected, "{scheme:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_claim_https_for_itself() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |_| {});
    let said = [("x-forwarded-proto", "https"), ("forwarded", "proto=https")];
    assert_eq!(ask(&proxy.plain, "GET", "/", &said).await.status, 308);
}

#[tokio::test(flavor = "multi_thread")]
async fn hsts_is_on_every_answer_over_tls_and_nothing_is_on_without_a_setting() {
    let deployment = Deployment::start().await;
    let proxy = with(&deployment, |_| {});
    let preflight = [
        ("access-control-request-method", "POST"),
        ("origin", "https://a.example"),
    ];
    for client in [&proxy.h1, &proxy.h2] {
        for (method, target, lines) in [
            ("GET", "/", &[][..]),
            ("POST", "/live/whep/endpoint/none", &[]),
            ("OPTIONS", "/live/whip/endpoint/s1", &preflight),
        ] {
            let answer = ask(client, method, target, lines).await;
            let value = answer.header(HSTS);
            assert_eq!(value, "max-age=60; includeSubDomains", "{method} {target}");
        }
    }
    let off = deployment.proxy();
    assert_eq!(off.plain.get("/").await.status, 404);
    assert_eq!(off.h1.get("/").await.header(HSTS), "");
}
