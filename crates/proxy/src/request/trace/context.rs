//! The trace of an exchange, decided as soon as the header of the request is there.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, uri::Authority};

use super::{
    Context, Parents, SpanId, SpanSink, TraceId, Tracing,
    traceparent::{TRACEPARENT, Traceparent},
    tracestate::{self, TRACESTATE},
};

/// The trace of an exchange. Needs no allocation unless there are spans of ours.
#[derive(Clone, Default)]
pub(crate) enum TraceState {
    /// There is none.
    #[default]
    None,
    /// The client's trace, which passes unchanged.
    PassThrough(TraceId),
    /// One that has spans of ours.
    Own(Arc<TraceContext>),
}

/// The spans of an exchange, before they are made.
pub(crate) struct TraceContext {
    pub(crate) trace: TraceId,
    /// Its span as a server.
    pub(crate) server: SpanId,
    /// Its span as a client of a node or the Stream Manager: their parent.
    pub(crate) client: SpanId,
    /// The client's span, if the client is believed.
    pub(crate) parent: Option<SpanId>,
    /// The trace that a client named which is not believed.
    pub(crate) link: Option<Context>,
    pub(crate) state: Option<HeaderValue>,
    sampled: bool,
    random: bool,
    /// The host that was asked for.
    pub(crate) host: OnceLock<Authority>,
    pub(crate) sink: Arc<dyn SpanSink>,
}

impl TraceState {
    /// The trace of a request with this header, which comes from a trusted proxy or from a
    /// stranger.
    pub(crate) fn begin(headers: &HeaderMap, trusted: bool, tracing: Option<&Tracing>) -> Self {
        let told = Traceparent::of(headers);
        let Some(tracing) = tracing else {
            return told.map_or(Self::None, |told| Self::PassThrough(told.trace));
        };
        let believed = match tracing.parents {
            Parents::Forwarders => trusted,
            Parents::Anyone => true,
            Parents::Nobody => false,
        };
        match told.filter(|_| believed) {
            // The parent is not sampled, so neither are we.
            Some(parent) if !parent.sampled => Self::PassThrough(parent.trace),
            Some(parent) => Self::Own(Arc::new(TraceContext::of(parent, headers, tracing))),
            None => Self::Own(Arc::new(TraceContext::new(told, tracing))),
        }
    }

    /// For the log.
    pub(crate) fn id(&self) -> Option<TraceId> {
        match self {
            Self::None => None,
            Self::PassThrough(trace) => Some(*trace),
            Self::Own(ours) => Some(ours.trace),
        }
    }

    /// Its spans, if they are sampled.
    pub(crate) fn sampled(&self) -> Option<&Arc<TraceContext>> {
        match self {
            Self::Own(ours) if ours.sampled => Some(ours),
            Self::None | Self::PassThrough(_) | Self::Own(_) => None,
        }
    }

    /// Records the host that was asked for, and writes the headers for the node or the manager.
    pub(crate) fn propagate(&self, headers: &mut HeaderMap, host: &Authority) {
        let Self::Own(ours) = self else { return };
        let _ = ours.host.set(host.clone());
        headers.insert(TRACEPARENT, ours.traceparent().to_header());
        match &ours.state {
            Some(state) => drop(headers.insert(TRACESTATE, state.clone())),
            None => drop(headers.remove(TRACESTATE)),
        }
    }
}

impl TraceContext {
    /// Continues the trace of a parent that is believed.
    fn of(parent: Traceparent, headers: &HeaderMap, tracing: &Tracing) -> Self {
        Self {
            parent: Some(parent.parent),
            random: parent.random,
            state: tracestate::of(headers),
            ..Self::begin(parent.trace, true, tracing)
        }
    }

    /// A trace of its own, linked to the one that the client named.
    fn new(told: Option<Traceparent>, tracing: &Tracing) -> Self {
        let trace = TraceId::random();
        Self {
            link: told.map(|told| Context {
                trace: told.trace,
                span: told.parent,
            }),
            ..Self::begin(trace, tracing.sample.has(trace), tracing)
        }
    }

    fn begin(trace: TraceId, sampled: bool, tracing: &Tracing) -> Self {
        Self {
            trace,
            server: SpanId::random(),
            client: SpanId::random(),
            parent: None,
            link: None,
            state: None,
            sampled,
            random: true,
            host: OnceLock::new(),
            sink: tracing.sink.clone(),
        }
    }

    fn traceparent(&self) -> Traceparent {
        Traceparent {
            trace: self.trace,
            parent: self.client,
            sampled: self.sampled,
            random: self.random,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::trace::{Ratio, Span};

    const THEIRS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    struct Discard;

    impl SpanSink for Discard {
        fn take(&self, _: Span) {}
    }

    fn tracing(parents: Parents, sample: f64) -> Tracing {
        Tracing {
            parents,
            sample: Ratio::try_from(sample).unwrap(),
            sink: Arc::new(Discard),
        }
    }

    fn headers(traceparent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        headers
    }

    /// The headers that a node gets: `traceparent` and `tracestate`.
    fn propagated(traced: &TraceState, mut headers: HeaderMap) -> (String, Option<String>) {
        traced.propagate(&mut headers, &Authority::from_static("live.example"));
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (
            text(&headers[TRACEPARENT]),
            headers.get(TRACESTATE).map(text),
        )
    }

    #[test]
    fn without_an_exporter_all_passes_as_it_came() {
        assert!(matches!(
            TraceState::begin(&HeaderMap::new(), true, None),
            TraceState::None
        ));
        let traced = TraceState::begin(&headers(THEIRS), false, None);
        assert_eq!(traced.id().unwrap().to_string(), TRACE);
        assert!(traced.sampled().is_none());
        let (parent, state) = propagated(&traced, headers(THEIRS));
        assert_eq!((&*parent, state.as_deref()), (THEIRS, Some("a=1")));
        let odd = TraceState::begin(&headers("odd"), false, None);
        assert_eq!(odd.id(), None);
        assert_eq!(propagated(&odd, headers("odd")).0, "odd");
    }

    #[test]
    fn only_those_who_are_believed_are_parents() {
        for (parents, trusted, believed) in [
            (Parents::Forwarders, true, true),
            (Parents::Forwarders, false, false),
            (Parents::Anyone, false, true),
            (Parents::Nobody, true, false),
        ] {
            let traced = TraceState::begin(&headers(THEIRS), trusted, Some(&tracing(parents, 1.0)));
            let ours = traced.sampled().unwrap();
            assert_eq!(ours.trace.to_string() == TRACE, believed, "{parents:?}");
            assert_eq!(ours.parent.is_some(), believed);
            assert_eq!(ours.link.is_some(), !believed);
            let (parent, state) = propagated(&traced, headers(THEIRS));
            let flags = if believed { "01" } else { "03" };
            let expected = format!("00-{}-{}-{flags}", ours.trace, ours.client);
            assert_eq!(parent, expected);
            assert_eq!(state.as_deref(), believed.then_some("a=1"));
        }
    }

    #[test]
    fn a_believed_parent_decides_and_a_stranger_does_not() {
        let silent = THEIRS.replace("-01", "-00");
        let forwarders = |sample| tracing(Parents::Forwarders, sample);
        let traced = TraceState::begin(&headers(&silent), true, Some(&forwarders(1.0)));
        assert!(matches!(traced, TraceState::PassThrough(_)));
        assert_eq!(propagated(&traced, headers(&silent)).0, silent);
        let traced = TraceState::begin(&headers(THEIRS), true, Some(&forwarders(0.0)));
        assert!(traced.sampled().is_some());
        let traced = TraceState::begin(&headers(THEIRS), false, Some(&forwarders(0.0)));
        assert!(traced.sampled().is_none());
        let (parent, state) = propagated(&traced, headers(THEIRS));
        assert!(
            !parent.contains(TRACE) && parent.ends_with("-02"),
            "{parent}"
        );
        assert_eq!(state, None);
    }
}
