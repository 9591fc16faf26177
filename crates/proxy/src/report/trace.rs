//! W3C Trace Context: which trace a request belongs to, what nodes and the Stream Manager hear of
//! it, and the spans that are told of it.
//!
//! Nobody told to: `traceparent` and `tracestate` pass as they came, and the access line names the
//! trace. Otherwise nodes and the manager hear of a span of ours, and the spans of an exchange are
//! made once, when it is over, from its record; nothing is measured for them on the way. This crate
//! knows no exporter: [`Tracing`] is given to it with a [`SpanSink`].

mod begun;
mod ids;
mod ratio;
mod span;
mod spans;
mod traceparent;
mod tracestate;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    begun::Traced,
    spans::{Exchanged, Life, node},
};
pub use self::{
    ids::{SpanId, TraceId},
    ratio::{NotARatio, Ratio},
    span::{Attribute, Context, Parent, Side, Span, Value},
};

/// Whose `traceparent` is believed, its sampled flag included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parents {
    /// That of the forwarders of `proxy.trusted`.
    #[default]
    Forwarders,
    /// Everybody's: strangers decide what is told.
    Anyone,
    /// Nobody's: every request begins a trace of its own.
    Nobody,
}

/// Takes spans. It is called on the data path, so it never waits and never fails: what there is no
/// room for is lost.
pub trait SpanSink: Send + Sync {
    /// Takes one span that is over.
    fn take(&self, span: Span);
}

/// How requests are traced. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Tracing {
    /// Whose `traceparent` is believed.
    pub parents: Parents,
    /// How many of the traces that begin here are told.
    pub sample: Ratio,
    /// Who is told.
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
