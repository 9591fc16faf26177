//! Spans, read by an independent decoder: Google's protobuf, with the messages of OpenTelemetry's
//! own Python package.

use std::collections::BTreeMap;

use http::Request;
use serde_json::Value;
use tokio::{process::Command, time::timeout};
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::Deployment;

use crate::{process::Process, programs, setup::PATIENCE};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/programs/scripts/otlp_receiver.py"
);
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The same ids as JSON has them, in base64.
const TRACE: &str = "S/kvNXezTaajzpKdDg5HNg==";
const PARENT: &str = "APBnqgupArc=";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_others_reads_every_span() {
    let deployment = Deployment::start().await;
    let mut python = Command::new("python3");
    python.arg(SCRIPT);
    python.env("PYTHONPATH", programs().join("python"));
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut collector = Process::run(&deployment, &mut python);
    let line = timeout(PATIENCE, collector.line()).await.unwrap();
    let port = line.strip_prefix("listening ").unwrap();

    let mut config = deployment.config();
    config.tracing.otlp = Some(format!("http://127.0.0.1:{port}"));
    config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let request = Request::post("/live/whip/endpoint/s1")
        .header("content-type", "application/sdp")
        .header("traceparent", TRACEPARENT)
        .header("tracestate", "rojo=1");
    let created = proxy.h2.send(request.body(offer).unwrap()).await;
    assert_eq!(created.status, 201);

    let mut spans = BTreeMap::new();
    while spans.len() < 4 {
        let line = timeout(PATIENCE, collector.line()).await.unwrap();
        let span: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&span["traceId"], &span["traceState"]),
            (&TRACE.into(), &"rojo=1".into())
        );
        spans.insert(span["name"].as_str().unwrap().to_owned(), span);
    }
    let server = &spans["POST /{scope}/whip/endpoint/{stream}"];
    let call = &spans["POST node"];
    for (span, kind, parent) in [
        (server, "SPAN_KIND_SERVER", &Value::from(PARENT)),
        (call, "SPAN_KIND_CLIENT", &server["spanId"]),
        (&spans["lookup"], "SPAN_KIND_INTERNAL", &server["spanId"]),
        (&spans["connect"], "SPAN_KIND_INTERNAL", &call["spanId"]),
    ] {
        assert_eq!(
            (&span["kind"], &span["parentSpanId"]),
            (&kind.into(), parent),
            "{span:#}"
        );
        let nanos = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"));
    }
    let attributes = server["attributes"].as_array().unwrap();
    let status = attributes
        .iter()
        .find(|pair| pair["key"] == "http.response.status_code")
        .unwrap();
    assert_eq!(status["value"]["intValue"], "201");
    collector.stop().await;
}
