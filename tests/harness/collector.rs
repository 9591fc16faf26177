//! A collector of spans: takes OTLP over HTTP, reads it with the decoder of OpenTelemetry's own
//! crate, and keeps every span that it received.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{self as otlp, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{deployment::SOON, raw_node::read_head};

/// It listens until it is dropped.
pub struct Collector {
    addr: SocketAddr,
    received: watch::Receiver<Vec<Span>>,
    listening: AbortOnDropHandle<()>,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace, in digits.
    pub trace: String,
    /// Which span, in digits.
    pub span: String,
    /// Which span it is part of, in digits; empty if it begins the trace.
    pub parent: String,
    /// The traces that it is linked to, in digits.
    pub links: Vec<String>,
    /// `tracestate`.
    pub state: String,
    /// Its name.
    pub name: String,
    /// Its kind: server, client, internal.
    pub kind: SpanKind,
    /// Whether its status is an error.
    pub failed: bool,
    /// Start and end, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The attributes of its resource, the process.
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    /// Listens on a free port.
    pub async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens there.
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    pub async fn at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let (sender, received) = watch::channel(Vec::new());
        Self {
            addr: listener.local_addr().unwrap(),
            received,
            listening: AbortOnDropHandle::new(tokio::spawn(listen(listener, Arc::new(sender)))),
        }
    }

    /// Stops it; returns when every connection is closed.
    pub async fn stop(self) {
        self.listening.abort();
        let _ = self.listening.await;
    }

    /// Where.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value of `tracing.otlp`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Waits until this many spans have arrived; returns all of them.
    pub async fn spans(&self, at_least: usize) -> Vec<Span> {
        let mut received = self.received.clone();
        let enough = received.wait_for(|received| received.len() >= at_least);
        let enough = timeout(SOON, enough).await;
        if let Ok(received) = enough {
            return received.unwrap().clone();
        }
        panic!(
            "not {at_least} spans in time: {:#?}",
            self.received.borrow()
        );
    }

    /// Waits until a span of this name has arrived; returns the first.
    pub async fn span(&self, name: &str) -> Span {
        let mut received = self.received.clone();
        let there = |received: &Vec<Span>| received.iter().any(|span| span.name == name);
        let there = timeout(SOON, received.wait_for(there)).await;
        let Ok(received) = there else {
            panic!("no span {name} in time: {:#?}", self.received.borrow());
        };
        let received = received.unwrap();
        received
            .iter()
            .find(|span| span.name == name)
            .unwrap()
            .clone()
    }
}

/// One connection after the other: an exporter has one.
async fn listen(listener: TcpListener, sender: Arc<watch::Sender<Vec<Span>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        serve(socket, &sender).await;
    }
}

/// Until the connection ends.
async fn serve(mut socket: TcpStream, sender: &watch::Sender<Vec<Span>>) {
    while let Ok(1..) = socket.peek(&mut [0]).await {
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        let request = ExportTraceServiceRequest::decode(&*body).unwrap();
        sender.send_modify(|received| received.extend(read(request)));
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
    }
}

fn read(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut received = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
        let spans = of_resource
            .scope_spans
            .iter()
            .flat_map(|scope| &scope.spans);
        received.extend(spans.map(|span| read_span(span, &resource)));
    }
    received
}

fn read_span(span: &otlp::Span, resource: &BTreeMap<String, String>) -> Span {
    Span {
        trace: digits(&span.trace_id),
        span: digits(&span.span_id),
        parent: digits(&span.parent_span_id),
        links: span
            .links
            .iter()
            .map(|link| digits(&link.trace_id))
            .collect(),
        state: span.trace_state.clone(),
        name: span.name.clone(),
        kind: span.kind(),
        failed: span
            .status
            .as_ref()
            .is_some_and(|status| status.code() == StatusCode::Error),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
        attributes: attributes(&span.attributes),
        resource: resource.clone(),
    }
}

fn digits(bytes: &[u8]) -> String {
    let each: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    each.concat()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    };
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair).unwrap()))
        .collect()
}
