//! Traces: exported spans fit the trace headers of the trusted proxy and of the node, and no
//! collector delays a request.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Request;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::{net::TcpListener, time::timeout};
use whipstitch::config::Config;
use whipstitch_minicluster::{SeenRequest, Server, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment, Proxy, Reply,
    collector::{Collector, Span},
    deployment::SOON,
    http::path_of,
    websocket::raw,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

/// A proxy that exports to a collector; `change` may make it trust loopback.
fn exporting(deployment: &Deployment, url: String, change: impl FnOnce(&mut Config)) -> Proxy {
    let mut config = deployment.config();
    config.tracing.otlp = Some(url);
    change(&mut config);
    deployment.proxy_with(config)
}

fn trusting(config: &mut Config) {
    config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
}

/// A publisher's POST with trace headers of a proxy in front.
async fn publish(client: &Client, target: &str) -> Reply {
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let request = Request::post(target)
        .header("content-type", "application/sdp")
        .header("x-forwarded-for", "192.0.2.7")
        .header("traceparent", traceparent())
        .header("tracestate", "rojo=1,congo=2");
    client.send(request.body(offer).unwrap()).await
}

/// The last request that a node got.
fn last_request(deployment: &Deployment) -> SeenRequest {
    let requests = deployment.cluster.seen().requests();
    let mut of_nodes = requests
        .into_iter()
        .filter(|request| matches!(request.server, Server::Node(_)));
    of_nodes.next_back().unwrap()
}

fn header(request: &SeenRequest, name: &str) -> String {
    let value = request.headers.get(name);
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_continues_from_the_trusted_proxy_to_the_node() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), trusting);
    let target = "/live/whip/endpoint/s1?token=SECRET&requestId=SECRET";
    let created = publish(&proxy.plain, target).await;
    assert_eq!(created.status, 201);
    let request = last_request(&deployment);

    let spans = collector.spans(4).await;
    let spans: BTreeMap<&str, &Span> = spans.iter().map(|span| (&*span.name, span)).collect();
    let [server, lookup, call, connect] = [
        "POST /{scope}/whip/endpoint/{stream}",
        "lookup",
        "POST node",
        "connect",
    ]
    .map(|name| spans[name]);
    for (span, parent, kind) in [
        (server, PARENT, SpanKind::Server),
        (lookup, &server.span, SpanKind::Internal),
        (call, &server.span, SpanKind::Client),
        (connect, &call.span, SpanKind::Internal),
    ] {
        assert_eq!((&*span.trace, &*span.parent), (TRACE, parent), "{span:#?}");
        assert_eq!((span.kind, &*span.state), (kind, "rojo=1,congo=2"));
        assert!(!span.failed);
        assert!(span.links.is_empty());
        assert!(server.time.0 <= span.time.0);
        assert!(span.time.0 <= span.time.1);
        assert_eq!(span.resource["service.name"], "whipstitch");
    }
    let ours = format!("00-{TRACE}-{}-01", call.span);
    assert_eq!(header(&request, "traceparent"), ours);
    assert_eq!(header(&request, "tracestate"), "rojo=1,congo=2");
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/{scope}/whip/endpoint/{stream}"),
        ("http.response.status_code", "201"),
        ("url.scheme", "http"),
        ("server.address", "localhost"),
        ("client.address", "192.0.2.7"),
        ("whipstitch.stream", "live/s1"),
        ("whipstitch.reason", "node"),
        ("whipstitch.request_id", created.header("x-request-id")),
    ] {
        assert_eq!(server.attributes[key], value, "{key}");
    }
    let Server::Node(node) = request.server else {
        panic!()
    };
    let node = deployment.cluster.nodes()[node].ip().to_string();
    assert_eq!(call.attributes["server.address"], node);

    let session = path_of(created.header("location"));
    assert_eq!(proxy.plain.bare("DELETE", &session).await.status, 200);
    let deleted = collector
        .span("DELETE /{scope}/whip/resource/{stream}/{token}")
        .await;
    assert_ne!(deleted.trace, TRACE, "the client sent no trace");
    let exported = format!("{spans:?}{deleted:?}");
    let token = session.rsplit('/').next().unwrap();
    assert!(!exported.contains("SECRET"), "{exported}");
    assert!(!exported.contains(token), "{exported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_trace_is_no_parent_of_ours() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), |_| {});
    let created = publish(&proxy.h2, "/live/whip/endpoint/s1").await;
    assert_eq!(created.status, 201);
    let server = collector.span("POST /{scope}/whip/endpoint/{stream}").await;
    assert_ne!(server.trace, TRACE);
    assert_eq!((&*server.parent, &*server.state), ("", ""));
    assert_eq!(server.links, [TRACE]);
    let call = collector.span("POST node").await;
    let request = last_request(&deployment);
    let ours = format!("00-{}-{}-03", server.trace, call.span);
    assert_eq!(header(&request, "traceparent"), ours);
    assert_eq!(header(&request, "tracestate"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn unsampled_traces_are_not_exported() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), |config| {
        trusting(config);
        config.tracing.sample = 0.0.try_into().unwrap();
    });
    assert_eq!(proxy.plain.get("/unsampled").await.status, 404);
    // The trusted proxy's sampled flag has precedence over the ratio.
    publish(&proxy.plain, "/live/whip/endpoint/s1").await;
    proxy.drain().await;
    let spans = collector.spans(4).await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_belongs_to_the_trace_of_its_handshake() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), trusting);
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let line = format!("traceparent: {}\r\n", traceparent());
    let (head, socket) = raw(&proxy.plain, &target, &line).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let call = collector.span("GET node").await;
    let ours = format!("00-{TRACE}-{}-01", call.span);
    assert_eq!(header(&last_request(&deployment), "traceparent"), ours);
    let server = collector.span("GET /streammanager").await;
    assert_eq!((&*server.trace, &*server.parent), (TRACE, PARENT));
    drop(socket);
    let session = collector.span("websocket").await;
    assert_eq!((&*session.trace, &session.parent), (TRACE, &server.span));
    assert!(
        session.attributes.contains_key("whipstitch.ended_by"),
        "{session:#?}"
    );
    assert_eq!(session.attributes["server.address"], node.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_incoming_trace_headers_pass_unchanged() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    assert_eq!(
        publish(&proxy.h2, "/live/whip/endpoint/s1").await.status,
        201
    );
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let posted = last_request(&deployment);
    let lines = format!(
        "traceparent: {}\r\ntracestate: rojo=1,congo=2\r\n",
        traceparent()
    );
    let (head, _socket) = raw(&proxy.plain, &target, &lines).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let opened = last_request(&deployment);
    let page = Request::get("/page")
        .header("traceparent", traceparent())
        .header("tracestate", "rojo=1,congo=2");
    proxy.plain.send(page.body("").unwrap()).await;
    let passed = deployment
        .cluster
        .seen()
        .requests_to(Server::Manager)
        .pop()
        .unwrap();
    assert_eq!(passed.target, "/page");
    for request in [posted, opened, passed] {
        assert_eq!(
            header(&request, "traceparent"),
            traceparent(),
            "{}",
            request.target
        );
        assert_eq!(header(&request, "tracestate"), "rojo=1,congo=2");
    }
}

/// Requests that are answered at once; returns the longest time.
async fn many(proxy: &Proxy, count: usize) -> Duration {
    let mut kept = proxy.plain.keep().await;
    let mut longest = Duration::ZERO;
    for _ in 0..count {
        let preflight = Request::options("/live/whip/endpoint/s1")
            .header("origin", "https://page.example")
            .header("access-control-request-method", "POST");
        let began = Instant::now();
        assert!(
            kept.send(preflight.body("").unwrap())
                .await
                .status
                .is_success()
        );
        longest = longest.max(began.elapsed());
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_collector_delays_no_request() {
    let deployment = Deployment::start().await;
    // The kernel accepts connections, and no task reads from them.
    let hangs = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let url = format!("http://{}", hangs.local_addr().unwrap());
    let proxy = exporting(&deployment, url, |_| {});
    let longest = many(&proxy, 3000).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let dropped = proxy.metric("whipstitch_spans_dropped_total").await;
    // 2048 spans are queued, and a batch of at most 512 is in flight.
    assert!((440.0..=952.0).contains(&dropped), "{dropped}");
    assert!(proxy.metric("whipstitch_spans_exported_total").await.abs() < f64::EPSILON);
    let began = Instant::now();
    proxy.drain().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_comes_back_gets_the_queued_spans() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), |_| {});
    many(&proxy, 2).await;
    collector.spans(2).await;
    let addr = collector.addr();
    collector.stop().await;
    let closes = TcpListener::bind(addr).await.unwrap();
    many(&proxy, 3).await;
    // The first attempt fails.
    drop(timeout(SOON, closes.accept()).await.unwrap().unwrap());
    drop(closes);
    let collector = Collector::at(addr).await;
    collector.spans(3).await;
    proxy
        .until_metric("whipstitch_spans_exported_total", 5.0)
        .await;
    assert!(proxy.metric("whipstitch_spans_dropped_total").await.abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_before_the_end() {
    let (deployment, collector) = (Deployment::start().await, Collector::start().await);
    let proxy = exporting(&deployment, collector.url(), |_| {});
    many(&proxy, 5).await;
    let began = Instant::now();
    proxy.drain().await;
    // Not a second later, when they would have been sent anyway.
    let took = began.elapsed();
    assert!(took < Duration::from_millis(900), "{took:?}");
    collector.spans(5).await;
}
