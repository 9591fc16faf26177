//! The client gets a reason for what the HTTP parser refuses, and the operator sees it; one limit
//! holds for both versions of HTTP.

use http::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_tests::{Client, Deployment, Proxy, deployment::SOON};

/// Everything that comes back for these bytes.
async fn everything(client: &Client, bytes: &[u8]) -> String {
    let (mut io, _) = client.connect().await;
    // A client that sends more than the proxy reads can still read the answer.
    let _ = io.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, io.read_to_end(&mut answer)).await;
    let shown = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes)).into_owned();
    let so_far = String::from_utf8_lossy(&answer).into_owned();
    let read = read.unwrap_or_else(|_| panic!("{shown} is waited for; so far {so_far}"));
    read.unwrap_or_else(|error| panic!("{shown}: {error}; so far {so_far}"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status, the slug and the detail of a whole problem over HTTP/1.1, which a page of any origin
/// can read.
fn problem(answer: &str) -> (u16, String, String) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer}"));
    for field in [
        "content-type: application/problem+json",
        "access-control-allow-origin: *",
        "x-request-id: ",
        "connection: close",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
    let problem: Value = serde_json::from_str(body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(problem["status"], status);
    let text = |key: &str| problem[key].as_str().unwrap().to_owned();
    let slug = text("type").replace("urn:whipstitch:problem:", "");
    (status, slug, text("detail"))
}

async fn refused(proxy: &Proxy, reason: &str) -> f64 {
    proxy
        .metric(&format!(
            "whipstitch_requests_refused_total{{reason=\"{reason}\"}}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn parser_refusals_are_answered_with_a_reason_and_counted() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let long = "a".repeat(70_000);
    let many = "X-Many: a\r\n".repeat(101);
    let cases: Vec<(String, u16, &str, &str)> = vec![
        ("NONSENSE\r\n\r\n".into(), 400, "bad-message", "malformed"),
        ("GET /\r\n\r\n".into(), 400, "bad-message", "malformed"),
        (
            "GET / HTTP/9.9\r\nHost: a\r\n\r\n".into(),
            400,
            "bad-message",
            "malformed",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".into(),
            400,
            "bad-message",
            "malformed",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".into(),
            400,
            "bad-message",
            "malformed",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n".into(),
            400,
            "bad-message",
            "proxy_protocol",
        ),
        (
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".into(),
            400,
            "bad-message",
            "tls_to_plain",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: {long}\r\n\r\n"),
            431,
            "header-too-large",
            "header_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{many}\r\n"),
            431,
            "header-too-large",
            "header_too_large",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            414,
            "uri-too-long",
            "target_too_long",
        ),
        (
            format!(
                "GET /?{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "a".repeat(40_000)
            ),
            414,
            "uri-too-long",
            "target_too_long",
        ),
    ];
    for (request, status, slug, reason) in cases {
        for client in [&proxy.plain, &proxy.h1] {
            let shown = &request[..request.len().min(60)];
            let before = refused(&proxy, reason).await;
            let answer = everything(client, request.as_bytes()).await;
            let (got, named, detail) = if slug == "uri-too-long" && request.len() < 50_000 {
                // This one was read, and hyper writes its answer.
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                assert!(head.contains("access-control-allow-origin: *"), "{head}");
                let problem: Value = serde_json::from_str(body).unwrap();
                (
                    head.split(' ').nth(1).unwrap().parse().unwrap(),
                    slug.to_owned(),
                    problem["detail"].to_string(),
                )
            } else {
                problem(&answer)
            };
            assert_eq!((got, &*named), (status, slug), "{shown}: {answer}");
            assert!(!detail.is_empty());
            let after = refused(&proxy, reason).await;
            assert!(
                (after - before - 1.0).abs() < 0.5,
                "{shown}: {before} {after}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_before_a_broken_request_arrive_whole() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let both = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\nNONSENSE\r\n\r\n";
    let answer = everything(&proxy.plain, both.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.matches("HTTP/1.1 ").count() == 2, "{answer}");
    assert!(
        answer.contains("urn:whipstitch:problem:bad-message"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_header_limit_holds_for_both_versions_of_http() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let with = |length: usize| {
        let request = Request::get("/live/whip/endpoint/s1").header("x-long", "a".repeat(length));
        request.body("").unwrap()
    };
    for client in [&proxy.h1, &proxy.h2] {
        for fits in [1_000, 17_000, 60_000] {
            assert_eq!(
                client.send(with(fits)).await.status,
                204,
                "{fits}: described by the proxy"
            );
        }
        let target = format!("/?{}", "a".repeat(40_000));
        let long = client.get(&target).await;
        assert_eq!(
            (long.status.as_u16(), &*long.problem()),
            (414, "uri-too-long")
        );
    }
    let before = refused(&proxy, "header_too_large").await;
    let large = proxy.h2.send(with(70_000)).await;
    assert_eq!(
        (large.status.as_u16(), &*large.problem()),
        (431, "header-too-large")
    );
    let mut many = Request::get("/page");
    for field in 0..101 {
        many = many.header(format!("x-{field}"), "a");
    }
    let many = proxy.h2.send(many.body("").unwrap()).await;
    assert_eq!(
        (many.status.as_u16(), &*many.problem()),
        (431, "header-too-large")
    );
    assert!((refused(&proxy, "header_too_large").await - before - 2.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_does_not_end_is_a_408_and_counted() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.connections.header_timeout = std::time::Duration::from_millis(200);
    let proxy = deployment.proxy_with(config);
    for client in [&proxy.plain, &proxy.h1] {
        let (status, slug, _) =
            problem(&everything(client, b"GET / HTTP/1.1\r\nHost: a\r\n").await);
        assert_eq!((status, &*slug), (408, "header-too-slow"));
        assert_eq!(
            everything(client, b"").await,
            "",
            "a silent client gets no answer"
        );
    }
    assert!((refused(&proxy, "header_too_slow").await - 2.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_at_the_wrong_port_is_named_and_a_failed_handshake_counted_by_its_kind() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let raw = Client::plain(proxy.h1.addr());
    let (status, slug, detail) =
        problem(&everything(&raw, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await);
    assert_eq!((status, &*slug), (400, "bad-message"));
    assert!(detail.contains("use https"), "{detail}");
    let (_, _, detail) = problem(&everything(&raw, b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n").await);
    assert!(detail.contains("PROXY protocol"), "{detail}");
    let failures = async |reason: &str| {
        proxy
            .metric(&format!(
                "whipstitch_tls_handshake_failures_total{{reason=\"{reason}\"}}"
            ))
            .await
    };
    assert!((failures("plain_http").await - 2.0).abs() < 0.5);

    everything(&raw, b"\x16\x03\x01\x00\x05hello").await;
    assert!((failures("broken").await - 1.0).abs() < 0.5);
    // A client that does not trust the certificate sends an alert.
    let stranger = whipstitch_tests::deployment::Certificate::make();
    let tcp = tokio::net::TcpStream::connect(proxy.h1.addr())
        .await
        .unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(stranger.client(&[b"http/1.1"]));
    assert!(connector.connect(name, tcp).await.is_err());
    let told = async {
        while failures("unknown_ca").await + failures("alert").await < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, told)
        .await
        .expect("counted in time");
    assert_eq!(proxy.h1.get("/page").await.status, 404);
}
