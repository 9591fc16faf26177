//! A span, for the exporter.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::HeaderValue;

use super::{SpanId, TraceId};

/// A part of a trace that is over. It holds no value of a query, no token, and no path but the
/// Stream Manager's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Where it belongs, and which one it is.
    pub context: Context,
    /// Which one it is part of; none if it begins the trace.
    pub parent: Option<Parent>,
    /// A trace that it does not belong to, and that a client said it does.
    pub link: Option<Context>,
    /// `tracestate`, for a trace that others began.
    pub state: Option<HeaderValue>,
    /// Whose work it is.
    pub side: Side,
    /// One of few: it can be counted by.
    pub name: Cow<'static, str>,
    /// When it began.
    pub began: SystemTime,
    /// How long it was.
    pub took: Duration,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Whether it went wrong, by our fault, a node's, or the Stream Manager's.
    pub failed: bool,
}

/// A span and its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

/// The span that another is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Which one, in the same trace.
    pub span: SpanId,
    /// Whether it is another process's.
    pub remote: bool,
}

/// Whose work a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A request that came here.
    Server,
    /// A request that was made elsewhere.
    Client,
    /// Neither.
    Internal,
}

/// Something that is known of a span, under the name that OpenTelemetry's semantic conventions have
/// for it, or `whipstitch.*`.
pub type Attribute = (&'static str, Value);

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Words.
    Text(Cow<'static, str>),
    /// A number.
    Number(u64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}
