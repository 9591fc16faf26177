use std::time::Duration;

use http::HeaderValue;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{KeyValue, any_value},
    trace::v1::{Span as Theirs, SpanFlags, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use whipstitch_proxy::trace::{Parent, SpanId, TraceId};

use super::*;

fn a_span() -> Span {
    Span {
        context: a_context(),
        parent: None,
        link: None,
        state: None,
        side: Side::Internal,
        name: "lookup".into(),
        began: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
        took: Duration::from_micros(1500),
        attributes: Vec::new(),
        failed: false,
    }
}

fn a_context() -> Context {
    Context {
        trace: TraceId::random(),
        span: SpanId::random(),
    }
}

/// What a decoder that others wrote reads.
fn decoded(spans: &[Span]) -> (Vec<Theirs>, Vec<KeyValue>) {
    let resource = [("service.name", Value::from("whipstitch"))];
    let bytes = request(&resource, spans);
    let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    let [of_resource] = &*request.resource_spans else {
        panic!("one resource")
    };
    let [of_scope] = &*of_resource.scope_spans else {
        panic!("one scope")
    };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "whipstitch");
    assert_eq!(
        (&*of_scope.schema_url, &*of_resource.schema_url),
        (SCHEMA, SCHEMA)
    );
    let resource = of_resource.resource.clone().unwrap();
    (of_scope.spans.clone(), resource.attributes)
}

fn value(attribute: &KeyValue) -> any_value::Value {
    attribute.value.clone().unwrap().value.unwrap()
}

#[test]
fn a_decoder_of_others_reads_all_that_a_span_says() {
    let link = a_context();
    let parent = SpanId::random();
    let full = Span {
        parent: Some(Parent {
            span: parent,
            remote: true,
        }),
        link: Some(link),
        state: Some(HeaderValue::from_static("rojo=1,congo=2")),
        side: Side::Server,
        name: "POST /{scope}/whip/endpoint/{stream}".into(),
        attributes: vec![
            ("http.request.method", "POST".into()),
            ("http.response.status_code", 502_u16.into()),
            ("whipstitch.stream", "live/r\u{e4}um".to_owned().into()),
            ("http.response.body.size", u64::from(u32::MAX).into()),
        ],
        failed: true,
        ..a_span()
    };
    let plain = a_span();
    let (spans, resource) = decoded(&[full.clone(), plain.clone()]);
    assert_eq!(resource[0].key, "service.name");
    assert_eq!(
        value(&resource[0]),
        any_value::Value::StringValue("whipstitch".into())
    );

    let read = &spans[0];
    assert_eq!(read.trace_id, full.context.trace.to_bytes());
    assert_eq!(read.span_id, full.context.span.to_bytes());
    assert_eq!(read.parent_span_id, parent.to_bytes());
    assert_eq!(read.trace_state, "rojo=1,congo=2");
    assert_eq!(read.name, full.name);
    assert_eq!(read.kind(), SpanKind::Server);
    assert_eq!(read.start_time_unix_nano, 1_700_000_000_123_456_789);
    assert_eq!(
        read.end_time_unix_nano - read.start_time_unix_nano,
        1_500_000
    );
    assert_eq!(read.status.as_ref().unwrap().code(), StatusCode::Error);
    let remote = SpanFlags::ContextHasIsRemoteMask as u32 | SpanFlags::ContextIsRemoteMask as u32;
    assert_eq!(read.flags, remote | 1);
    assert_eq!(read.links[0].trace_id, link.trace.to_bytes());
    assert_eq!(read.links[0].span_id, link.span.to_bytes());
    let said: Vec<_> = read
        .attributes
        .iter()
        .map(|pair| (&*pair.key, value(pair)))
        .collect();
    assert_eq!(
        said,
        [
            (
                "http.request.method",
                any_value::Value::StringValue("POST".into())
            ),
            ("http.response.status_code", any_value::Value::IntValue(502)),
            (
                "whipstitch.stream",
                any_value::Value::StringValue("live/r\u{e4}um".into())
            ),
            (
                "http.response.body.size",
                any_value::Value::IntValue(u32::MAX.into())
            ),
        ]
    );

    let read = &spans[1];
    assert_eq!(read.kind(), SpanKind::Internal);
    assert!(read.parent_span_id.is_empty() && read.links.is_empty() && read.status.is_none());
    assert_eq!(read.flags, SpanFlags::ContextHasIsRemoteMask as u32 | 1);
}

#[test]
fn what_a_collector_refuses_is_read() {
    let answer = |partial_success| ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let partial = |rejected_spans| {
        answer(Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too many".into(),
        }))
    };
    assert_eq!(rejected(&partial(300)), 300);
    assert_eq!(rejected(&partial(0)), 0);
    assert_eq!(rejected(&answer(None)), 0);
    assert_eq!(rejected(b"{}"), 0);
}
