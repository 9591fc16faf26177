//! `ExportTraceServiceRequest` and what is in it, by the numbers of
//! `opentelemetry/proto/trace/v1/trace.proto` and its neighbours (OpenTelemetry protocol buffers
//! 1.9). Unknown values are left out, as proto3 has it.

use std::time::{Duration, SystemTime};

use whipstitch_proxy::trace::{Attribute, Context, Side, Span, Value};

use super::wire::{Field, Message, find};

/// The schema of the attribute names.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.38.0";
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: the bit below says whether the parent is another
/// process's.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// The flags of the trace: sampled, or it would not be here.
const SAMPLED: u32 = 1;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The request with these spans of this process.
pub(super) fn request(resource: &[Attribute], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| attributes(message, 1, resource));
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| {
                scope.text(1, "whipstitch");
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for one in spans {
                of_scope.message(2, |message| span(message, one));
            }
            of_scope.text(3, SCHEMA);
        });
        of_resource.text(3, SCHEMA);
    });
    request.into_bytes()
}

/// How many spans an `ExportTraceServiceResponse` says were refused.
pub(super) fn rejected(response: &[u8]) -> u64 {
    let Some(Field::Bytes(partial_success)) = find(response, 1) else {
        return 0;
    };
    match find(partial_success, 1) {
        Some(Field::Number(rejected)) => rejected,
        Some(Field::Bytes(_)) | None => 0,
    }
}

fn span(message: &mut Message, span: &Span) {
    context(message, span.context);
    if let Some(state) = span.state.as_ref().and_then(|state| state.to_str().ok()) {
        message.text(3, state);
    }
    let mut flags = SAMPLED | KNOWS_REMOTE;
    if let Some(parent) = span.parent {
        message.bytes(4, &parent.span.to_bytes());
        flags |= u32::from(parent.remote) * IS_REMOTE;
    }
    message.text(5, &span.name);
    message.number(
        6,
        match span.side {
            Side::Internal => 1,
            Side::Server => 2,
            Side::Client => 3,
        },
    );
    message.fixed_64(7, nanos(span.began));
    message.fixed_64(8, nanos(span.began + span.took));
    attributes(message, 9, &span.attributes);
    if let Some(link) = span.link {
        message.message(13, |message| context(message, link));
    }
    if span.failed {
        message.message(15, |status| status.number(3, ERROR));
    }
    message.fixed_32(16, flags);
}

/// The first fields of a span and of a link.
fn context(message: &mut Message, context: Context) {
    message.bytes(1, &context.trace.to_bytes());
    message.bytes(2, &context.span.to_bytes());
}

fn attributes(message: &mut Message, field: u8, attributes: &[Attribute]) {
    for (key, value) in attributes {
        message.message(field, |pair| {
            pair.text(1, key);
            pair.message(2, |any| match value {
                Value::Text(text) => any.text(1, text),
                Value::Number(number) => any.number(3, *number),
            });
        });
    }
}

/// Nanoseconds since 1970; 64 bits last five centuries.
fn nanos(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
