//! What a page of another origin may send and read: what it asks for, since credentials are never
//! allowed; or a list.

use std::fs;

use http::Request;
use whipstitch_tests::{Client, Deployment, Reply, raw_node::RawNode, websocket::raw};

const ENDPOINT: &str = "/live/whip/endpoint/s1";
const EVENT: &str = "/streammanager/api/4.0/event/live/s1";

async fn preflight(client: &Client, target: &str, lines: &[(&str, &str)]) -> Reply {
    let mut request = Request::options(target);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    client.send(request.body("").unwrap()).await
}

/// The members of a list in this field, in small letters.
fn listed(reply: &Reply, name: &str) -> Vec<String> {
    let fields = reply.headers.get_all(name).iter();
    let members = fields.flat_map(|field| field.to_str().unwrap().split(','));
    members
        .map(|member| member.trim().to_ascii_lowercase())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_preflight_asks_for_is_allowed_per_route() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let asked = "authorization,baggage,content-type,sentry-trace,tracestate,x-page";
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        for (target, method, served) in [
            (ENDPOINT, "POST", true),
            (ENDPOINT, "PUT", false),
            ("/live/whip/resource/s1/token", "PATCH", true),
            ("/live/whep/endpoint/%73%31", "DELETE", true),
            (EVENT, "PUT", true),
            (EVENT, "DELETE", true),
            ("/index.html", "GET", true),
        ] {
            let reply = preflight(
                client,
                target,
                &[
                    ("origin", "https://page.example"),
                    ("access-control-request-method", method),
                    ("access-control-request-headers", asked),
                    ("access-control-request-local-network", "true"),
                ],
            )
            .await;
            assert_eq!(reply.status, 204);
            let methods = listed(&reply, "access-control-allow-methods");
            let is_listed = methods.contains(&method.to_ascii_lowercase());
            assert_eq!(is_listed, served, "{target} {method}");
            let headers = listed(&reply, "access-control-allow-headers");
            for name in asked.split(',') {
                assert!(headers.iter().any(|known| known == name), "{name}");
            }
            assert_eq!(listed(&reply, "access-control-allow-origin"), ["*"]);
            assert_eq!(reply.header("access-control-allow-local-network"), "true");
            assert_eq!(reply.header("vary"), "");
        }
        // Invalid names and hop-by-hop headers are not allowed, nor more than a page needs.
        let many: Vec<String> = (0..500).map(|at| format!("x-{at}")).collect();
        let many = format!("a b,x-forwarded-host,connection,te,{}", many.join(","));
        let reply = preflight(
            client,
            ENDPOINT,
            &[
                ("origin", "https://page.example"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", &many),
            ],
        )
        .await;
        let headers = listed(&reply, "access-control-allow-headers");
        assert!(headers.len() < 100);
        assert!(headers.contains(&"x-0".to_owned()));
        for name in ["a b", "x-forwarded-host", "connection", "te"] {
            assert!(!headers.contains(&name.to_owned()), "{name}");
        }
    }
    assert_eq!(deployment.cluster.seen().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manager_lets_a_page_read_it_may_read_besides() {
    let deployment = Deployment::start().await;
    let manager = RawNode::start(51).await;
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    let proxy = deployment.proxy_with(config);
    let answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /next\r\nVary: Accept\r\n\
        Access-Control-Allow-Origin: https://page.example\r\nAccess-Control-Allow-Credentials: true\r\n\
        Access-Control-Expose-Headers: X-Total-Count, Location\r\nAccess-Control-Expose-Headers: X-Page\r\n\
        Set-Cookie: a=b\r\n\r\n";
    let get = Request::get("/page").header("origin", "https://page.example");
    let get = proxy.h2.send(get.body("").unwrap());
    let (reply, _) = tokio::join!(get, manager.answer(0, answer));
    assert_eq!(reply.status, 302);
    let exposed = listed(&reply, "access-control-expose-headers");
    for name in ["x-total-count", "x-page", "location", "x-request-id"] {
        let count = exposed.iter().filter(|known| *known == name).count();
        assert_eq!(count, 1, "{name}: {exposed:?}");
    }
    // Credentials are never allowed: the preflight that they need ends here.
    assert_eq!(listed(&reply, "access-control-allow-origin"), ["*"]);
    assert!(
        !reply
            .headers
            .contains_key("access-control-allow-credentials")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_list_only_pages_of_it_are_let_in_and_caches_know() {
    let deployment = Deployment::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    let mut config = deployment.config();
    config.proxy.server_timing = true;
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let proxy = deployment.proxy_from(&file);
    let asks = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "baggage"),
        ]
    };
    let other = preflight(&proxy.h1, ENDPOINT, &asks("https://other.example")).await;
    assert_eq!(other.status, 204);

    config.proxy.cors_origins = ["https://App.example:443", "null"]
        .iter()
        .map(|origin| origin.parse().unwrap())
        .collect();
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let reload = Request::post("/reload").header("content-type", "application/json");
    let reload = proxy.admin.send(reload.body("{}").unwrap()).await;
    assert!(reload.text().contains("cors_origins"), "{}", reload.text());

    for origin in ["https://app.example", "https://APP.example:443", "null"] {
        let reply = preflight(&proxy.h2, ENDPOINT, &asks(origin)).await;
        assert_eq!(reply.status, 204, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), origin);
        assert_eq!(listed(&reply, "vary"), ["origin"]);
        // An error can be read too.
        let get = Request::get("/live/whip/endpoint/a%00").header("origin", origin);
        let reply = proxy.h1.send(get.body("").unwrap()).await;
        assert_eq!(reply.status, 400);
        let origins: Vec<_> = reply
            .headers
            .get_all("access-control-allow-origin")
            .iter()
            .collect();
        assert_eq!(origins, [origin]);
        assert!(listed(&reply, "vary").contains(&"origin".to_owned()));
        assert_eq!(reply.header("timing-allow-origin"), origin);
    }
    for origin in [
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil",
        "https://other.example",
    ] {
        let refused = preflight(&proxy.h2, ENDPOINT, &asks(origin)).await;
        assert_eq!(refused.status, 403, "{origin}");
        assert!(
            refused
                .text()
                .contains("urn:whipstitch:problem:origin-not-allowed")
        );
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
        assert_eq!(listed(&refused, "vary"), ["origin"]);
        let get = Request::get(ENDPOINT).header("origin", origin);
        let reply = proxy.h1.send(get.body("").unwrap()).await;
        assert_eq!(reply.status, 204);
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
        assert!(!reply.headers.contains_key("timing-allow-origin"));
    }
    proxy
        .until_metric(
            "whipstitch_problems_total{type=\"origin-not-allowed\"}",
            4.0,
        )
        .await;
    // A client without an Origin is served as before.
    let bare = proxy.h1.get(ENDPOINT).await;
    assert_eq!(bare.status, 204);
    assert!(!bare.headers.contains_key("access-control-allow-origin"));
}

/// A browser sends no preflight before a WebSocket: only the server can refuse.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_opens_no_websocket() {
    let deployment = Deployment::start().await;
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=s1&host={node}&app=live");
    let open = async |client: &Client, origin: &str| {
        let origin = format!("Origin: {origin}\r\n");
        raw(client, &target, &origin).await.0
    };
    let any = deployment.proxy();
    let answer = open(&any.h1, "https://evil.example").await;
    assert!(
        answer.starts_with("HTTP/1.1 101"),
        "off by default: {answer}"
    );

    let mut config = deployment.config();
    config.proxy.allowed_origins = vec!["https://app.example".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let asked = deployment.cluster.seen().all_lookups();
    for origin in [
        "https://evil.example",
        "http://app.example",
        "null",
        "*",
        "",
    ] {
        let answer = open(&proxy.h1, origin).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{origin}: {answer}");
    }
    assert_eq!(
        deployment.cluster.seen().all_lookups(),
        asked,
        "the manager was not asked"
    );
    for origin in ["https://app.example", "http://localhost"] {
        let answer = open(&proxy.h1, origin).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{origin}: {answer}");
    }
    // One list for both: a preflight is judged by it too.
    let asks = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ]
    };
    let page = preflight(&proxy.h1, ENDPOINT, &asks("https://app.example")).await;
    assert_eq!(
        page.header("access-control-allow-origin"),
        "https://app.example"
    );
    let other = preflight(&proxy.h1, ENDPOINT, &asks("https://evil.example")).await;
    assert_eq!(other.status, 403);
}
