use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, header::HOST, uri::Authority};
use whipstitch_signaling::StreamKey;

use super::*;
use crate::{
    Peer,
    request::{
        trace::{Parents, Ratio, Tracing, Value},
        trusted_proxies::TrustedProxies,
    },
    words::problem::Kind,
};

#[derive(Default)]
struct Kept(Mutex<Vec<Span>>);

impl SpanSink for Kept {
    fn take(&self, span: Span) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
    }
}

/// An exchange in a trace of a trusted proxy, and its spans.
fn begin() -> (Exchange, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let tracing = Tracing {
        parents: Parents::Forwarders,
        sample: Ratio::ALL,
        sink: kept.clone(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("tracestate", "rojo=1"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-request-id", "abc"),
        (HOST.as_str(), "live.example:8443"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let peer = Peer::new("10.0.0.1:1000".parse().unwrap(), true);
    let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
    let exchange = Exchange::through(&headers, Some(peer), &proxies, Some(&tracing));
    let host = Authority::from_static("live.example:8443");
    exchange.record().trace.propagate(&mut headers, &host);
    (exchange, kept)
}

fn tell(exchange: &Exchange, method: &Method, path: &str, status: Option<StatusCode>) {
    let told = Exchanged {
        exchange,
        method,
        path,
        public_path: "",
        version: Version::HTTP_2,
        status,
        reason: "node",
        sent: 7,
    };
    told.send();
}

fn by_name(kept: &Kept) -> BTreeMap<String, Span> {
    let spans = kept.0.lock().unwrap();
    let named = spans
        .iter()
        .map(|span| (span.name.to_string(), span.clone()));
    named.collect()
}

fn said(span: &Span) -> Vec<String> {
    let pair = |(key, value): &Attribute| match value {
        Value::Text(text) => format!("{key}={text}"),
        Value::Number(number) => format!("{key}={number}"),
    };
    span.attributes.iter().map(pair).collect()
}

const SECOND: Duration = Duration::from_secs(1);
const NODE: &str = "10.9.0.1:5080";

/// A lookup of one second, a connection of two, an answer of three.
async fn goes_to_a_node(exchange: &Exchange) {
    let phases = exchange.phases();
    let began = Instant::now();
    tokio::time::sleep(SECOND).await;
    phases.lookup(Phase::since(began));
    exchange.goes_to(NODE.parse::<SocketAddr>().unwrap());
    let began = Instant::now();
    tokio::time::sleep(2 * SECOND).await;
    phases.connect(Phase::since(began));
    let began = Instant::now();
    tokio::time::sleep(3 * SECOND).await;
    phases.first_byte(Phase::since(began));
}

#[tokio::test(start_paused = true)]
async fn an_exchange_tells_where_its_time_went() {
    let (exchange, kept) = begin();
    let key = StreamKey::new("live", "s1").unwrap();
    exchange.is_about(Subject::WhipEndpoint, Some(&key));
    goes_to_a_node(&exchange).await;
    tokio::time::sleep(SECOND).await;
    let path = "/live/whip/endpoint/s1";
    tell(&exchange, &Method::POST, path, Some(StatusCode::CREATED));

    let spans = by_name(&kept);
    let [call, connect, server, lookup] = [
        "POST node",
        "connect",
        "POST /{scope}/whip/endpoint/{stream}",
        "lookup",
    ]
    .map(|name| &spans[name]);
    assert_eq!(spans.len(), 4);
    for span in spans.values() {
        assert_eq!(
            span.context.trace.to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert_eq!(span.state.as_ref().unwrap(), "rojo=1");
        assert!(!span.failed);
    }
    let theirs = server.parent.unwrap();
    assert!(theirs.remote && theirs.span.to_string() == "00f067aa0ba902b7");
    for (part, whole) in [(lookup, server), (call, server), (connect, call)] {
        assert_eq!(
            part.parent,
            Some(Parent::here(whole.context.span)),
            "{}",
            part.name
        );
    }
    let ours = exchange.record().trace.sampled().unwrap();
    assert_eq!(
        call.context.span, ours.client,
        "the parent that the node gets"
    );
    let sides = [server, call, lookup, connect].map(|span| span.side);
    assert_eq!(
        sides,
        [Side::Server, Side::Client, Side::Internal, Side::Internal]
    );
    let times = [server, lookup, call, connect].map(|span| {
        let offset = span.began.duration_since(server.began).unwrap();
        (offset.as_secs(), span.took.as_secs())
    });
    assert_eq!(times, [(0, 7), (0, 1), (1, 5), (1, 2)]);
    insta::assert_snapshot!(said(server).join("\n"), @r"
    http.request.method=POST
    url.scheme=https
    http.route=/{scope}/whip/endpoint/{stream}
    http.response.status_code=201
    network.protocol.version=2
    server.address=live.example
    server.port=8443
    client.address=192.0.2.7
    network.peer.address=10.0.0.1
    http.request.body.size=0
    http.response.body.size=7
    whipstitch.request_id=abc
    whipstitch.about=whip_endpoint
    whipstitch.reason=node
    whipstitch.stream=live/s1
    ");
    insta::assert_snapshot!(said(call).join("\n"), @r"
    http.request.method=POST
    server.address=10.9.0.1
    server.port=5080
    ");
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_said_and_no_name_is_a_clients() {
    let (exchange, kept) = begin();
    exchange.is_about(Subject::WhepSession, None);
    goes_to_a_node(&exchange).await;
    exchange.goes_to(NODE.parse().unwrap());
    exchange.failed(Kind::NodeUnreachable);
    let path = "/live/whep/resource/s1/SECRET";
    let method = Method::from_bytes(b"EVIL-SECRET").unwrap();
    tell(&exchange, &method, path, Some(StatusCode::BAD_GATEWAY));
    let spans = by_name(&kept);
    let server = &spans["HTTP /{scope}/whep/resource/{stream}/{token}"];
    let call = &spans["HTTP node"];
    assert!(server.failed && call.failed);
    for span in [server, call] {
        let said = said(span);
        assert!(
            said.contains(&"error.type=node-unreachable".to_owned()),
            "{said:?}"
        );
        assert!(
            said.contains(&"http.request.method=_OTHER".to_owned()),
            "{said:?}"
        );
    }
    assert!(said(call).contains(&"http.request.resend_count=1".to_owned()));
    assert!(!format!("{spans:?}").contains("SECRET"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_told_of_too() {
    let (exchange, kept) = begin();
    exchange.is_about(Subject::WhipEndpoint, None);
    exchange.goes_to(NODE.parse().unwrap());
    tell(&exchange, &Method::POST, "/as/v1/proxy/whip/live/s1", None);
    let spans = by_name(&kept);
    let server = &spans["POST /as/v1/proxy/whip/{scope}/{stream}"];
    assert!(said(server).contains(&"error.type=client-left".to_owned()));
    assert!(spans.contains_key("POST node"), "it heard of it");
    assert!(!server.failed);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_one_span_however_long() {
    let (exchange, kept) = begin();
    let life = Life::of(&exchange).unwrap();
    life.tell(
        Ended::Client,
        3600 * SECOND,
        vec![("whipstitch.ended_by", "client".into())],
    );
    let spans = by_name(&kept);
    let (socket, ours) = (
        &spans["websocket"],
        exchange.record().trace.sampled().unwrap(),
    );
    assert_eq!(socket.parent, Some(Parent::here(ours.server)));
    assert_eq!(socket.took, 3600 * SECOND);
    assert!(!socket.failed);
}
