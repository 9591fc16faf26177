//! W3C Trace Context: which trace a request belongs to, and what is propagated of it to nodes and
//! the Stream Manager.
//!
//! Without an exporter `traceparent` and `tracestate` pass unchanged, and the access line names the
//! trace. Otherwise nodes and the manager get a span of ours as their parent, and the spans of an
//! exchange are made once, at its end, from its record (`report::spans`); nothing is measured for
//! them earlier. This crate knows no exporter: [`Tracing`] comes with a [`SpanSink`].

mod context;
mod ids;
mod ratio;
mod span;
mod traceparent;
mod tracestate;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub(crate) use self::context::{TraceContext, TraceState};
pub use self::{
    ids::{SpanId, TraceId},
    ratio::{NotARatio, Ratio},
    span::{Attribute, Context, Parent, Side, Span, Value},
};

/// Whose `traceparent` is believed, its sampled flag included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parents {
    /// That of the trusted proxies, `proxy.trusted`.
    #[default]
    Forwarders,
    /// That of every client: strangers decide what is sampled.
    Anyone,
    /// None: every request begins a trace of its own.
    Nobody,
}

/// Takes spans. It is called on the data path, so it never waits and never fails: a span that does
/// not fit is lost.
pub trait SpanSink: Send + Sync {
    /// Takes one span that is over.
    fn take(&self, span: Span);
}

/// How requests are traced. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Tracing {
    /// Whose `traceparent` is believed.
    pub parents: Parents,
    /// The part of the traces that begin here which is sampled.
    pub sample: Ratio,
    /// Takes the spans.
    pub sink: Arc<dyn SpanSink>,
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing")
            .field("parents", &self.parents)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}
