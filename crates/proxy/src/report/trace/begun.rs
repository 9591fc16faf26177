//! Which trace an exchange belongs to: decided when its header is there.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, uri::Authority};

use super::{
    Context, Parents, SpanId, SpanSink, TraceId, Tracing,
    traceparent::{TRACEPARENT, Traceparent},
    tracestate::{self, TRACESTATE},
};

/// What an exchange has to do with traces. Made without an allocation unless there are spans of
/// ours.
#[derive(Clone, Default)]
pub(crate) enum Traced {
    /// Nothing.
    #[default]
    No,
    /// It passes the client's trace on as it came.
    Passing(TraceId),
    /// It has spans of its own.
    Ours(Arc<Ours>),
}

/// The spans of an exchange, before there is anything to tell of them.
pub(crate) struct Ours {
    pub(crate) trace: TraceId,
    /// Its span as a server.
    pub(crate) server: SpanId,
    /// Its span as a client of a node or the Stream Manager: who they hear that asks.
    pub(crate) client: SpanId,
    /// Who asks, if that is believed.
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

impl Traced {
    /// The trace of a request with this header, from a forwarder that is trusted or from anybody
    /// else.
    pub(crate) fn begin(headers: &HeaderMap, trusted: bool, tracing: Option<&Tracing>) -> Self {
        let told = Traceparent::of(headers);
        let Some(tracing) = tracing else {
            return told.map_or(Self::No, |told| Self::Passing(told.trace));
        };
        let believed = match tracing.parents {
            Parents::Forwarders => trusted,
            Parents::Anyone => true,
            Parents::Nobody => false,
        };
        match told.filter(|_| believed) {
            // Whoever decided that nobody is told has decided for us, too.
            Some(parent) if !parent.sampled => Self::Passing(parent.trace),
            Some(parent) => Self::Ours(Arc::new(Ours::of(parent, headers, tracing))),
            None => Self::Ours(Arc::new(Ours::new(told, tracing))),
        }
    }

    /// For the log.
    pub(crate) fn id(&self) -> Option<TraceId> {
        match self {
            Self::No => None,
            Self::Passing(trace) => Some(*trace),
            Self::Ours(ours) => Some(ours.trace),
        }
    }

    /// Its spans, if somebody is to be told of them.
    pub(crate) fn told(&self) -> Option<&Arc<Ours>> {
        match self {
            Self::Ours(ours) if ours.sampled => Some(ours),
            Self::No | Self::Passing(_) | Self::Ours(_) => None,
        }
    }

    /// Notes the host that was asked for, and says to whoever gets the request who asks.
    pub(crate) fn introduce(&self, headers: &mut HeaderMap, host: &Authority) {
        let Self::Ours(ours) = self else { return };
        let _ = ours.host.set(host.clone());
        headers.insert(TRACEPARENT, ours.traceparent().to_header());
        match &ours.state {
            Some(state) => drop(headers.insert(TRACESTATE, state.clone())),
            None => drop(headers.remove(TRACESTATE)),
        }
    }
}

impl Ours {
    /// Goes on with the trace of a parent that is believed.
    fn of(parent: Traceparent, headers: &HeaderMap, tracing: &Tracing) -> Self {
        Self {
            parent: Some(parent.parent),
            random: parent.random,
            state: tracestate::of(headers),
            ..Self::begin(parent.trace, true, tracing)
        }
    }

    /// A trace of its own, whatever the client says of another.
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
    use crate::report::trace::{Ratio, Span};

    const THEIRS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    struct Nobody;

    impl SpanSink for Nobody {
        fn take(&self, _: Span) {}
    }

    fn tracing(parents: Parents, sample: f64) -> Tracing {
        Tracing {
            parents,
            sample: Ratio::try_from(sample).unwrap(),
            sink: Arc::new(Nobody),
        }
    }

    fn headers(traceparent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        headers
    }

    /// What goes on: `traceparent` and `tracestate`.
    fn goes_on(traced: &Traced, mut headers: HeaderMap) -> (String, Option<String>) {
        traced.introduce(&mut headers, &Authority::from_static("live.example"));
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (
            text(&headers[TRACEPARENT]),
            headers.get(TRACESTATE).map(text),
        )
    }

    #[test]
    fn without_an_exporter_all_passes_as_it_came() {
        assert!(matches!(
            Traced::begin(&HeaderMap::new(), true, None),
            Traced::No
        ));
        let traced = Traced::begin(&headers(THEIRS), false, None);
        assert_eq!(traced.id().unwrap().to_string(), TRACE);
        assert!(traced.told().is_none());
        let (parent, state) = goes_on(&traced, headers(THEIRS));
        assert_eq!((&*parent, state.as_deref()), (THEIRS, Some("a=1")));
        let odd = Traced::begin(&headers("odd"), false, None);
        assert_eq!(odd.id(), None);
        assert_eq!(goes_on(&odd, headers("odd")).0, "odd");
    }

    #[test]
    fn only_those_who_are_believed_are_parents() {
        for (parents, trusted, believed) in [
            (Parents::Forwarders, true, true),
            (Parents::Forwarders, false, false),
            (Parents::Anyone, false, true),
            (Parents::Nobody, true, false),
        ] {
            let traced = Traced::begin(&headers(THEIRS), trusted, Some(&tracing(parents, 1.0)));
            let ours = traced.told().unwrap();
            assert_eq!(ours.trace.to_string() == TRACE, believed, "{parents:?}");
            assert_eq!(ours.parent.is_some(), believed);
            assert_eq!(ours.link.is_some(), !believed);
            let (parent, state) = goes_on(&traced, headers(THEIRS));
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
        let traced = Traced::begin(&headers(&silent), true, Some(&forwarders(1.0)));
        assert!(matches!(traced, Traced::Passing(_)));
        assert_eq!(goes_on(&traced, headers(&silent)).0, silent);
        let traced = Traced::begin(&headers(THEIRS), true, Some(&forwarders(0.0)));
        assert!(traced.told().is_some());
        let traced = Traced::begin(&headers(THEIRS), false, Some(&forwarders(0.0)));
        assert!(traced.told().is_none());
        let (parent, state) = goes_on(&traced, headers(THEIRS));
        assert!(
            !parent.contains(TRACE) && parent.ends_with("-02"),
            "{parent}"
        );
        assert_eq!(state, None);
    }
}
