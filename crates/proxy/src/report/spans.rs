//! The spans of an exchange that is over, and of a WebSocket that is, made from what their records
//! know.
//!
//! | span | whose | when |
//! |---|---|---|
//! | `POST /{scope}/whip/endpoint/{stream}` | server | every exchange |
//! | `lookup` | internal, part of the first | the Stream Manager was asked, or another lookup of it was waited for |
//! | `POST node`, `POST manager` | client, part of the first; the one that they hear of | it was sent on |
//! | `connect` | internal, part of the third | that took a new connection |
//! | `websocket` | internal, part of the first | a WebSocket is over, however long after its handshake |

mod attributes;
mod route;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, StatusCode, Version};
use tokio::time::Instant;

pub(crate) use self::attributes::node;
use self::route::{method, route};
use crate::{
    Exchange,
    request::{
        exchange::Subject,
        phases::{Phase, Times},
        trace::{Attribute, Context, Parent, Side, Span, SpanId, SpanSink, TraceContext, TraceId},
    },
    words::end_reason::Ended,
};

/// An exchange that is over, with what its record does not know.
pub(crate) struct Exchanged<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) method: &'a Method,
    /// As the client wrote it; it is looked at and goes no further.
    pub(crate) path: &'a str,
    /// What of it may be told.
    pub(crate) public_path: &'a str,
    pub(crate) version: Version,
    /// None if the client left before.
    pub(crate) status: Option<StatusCode>,
    /// How it came to that, in the word of the access line.
    pub(crate) reason: &'static str,
    pub(crate) sent: u64,
}

impl Exchanged<'_> {
    /// Sends its spans, if they are sampled.
    pub(crate) fn send(&self) {
        let record = self.exchange.record();
        let Some(ours) = record.trace.sampled() else {
            return;
        };
        let (clock, times) = (Clock::now(), record.phases.times());
        let mut server = ours.span(ours.server, Side::Server);
        server.parent = ours.parent.map(|span| Parent { span, remote: true });
        server.link = ours.link;
        clock.time(&mut server, record.began, clock.tick);
        server.name = self.name().into();
        server.attributes = self.of_server(ours, &times);
        server.failed = self.status.is_some_and(|status| status.is_server_error());
        if let Some(lookup) = times.lookup {
            ours.sink
                .take(ours.part("lookup", ours.server, clock, lookup));
        }
        if let Some((began, ended)) = self.call(&times, clock.tick) {
            let mut call = ours.span(ours.client, Side::Client);
            call.parent = Some(Parent::here(ours.server));
            clock.time(&mut call, began, ended);
            call.name = format!("{} {}", method(self.method).1, self.callee()).into();
            call.attributes = self.of_call();
            call.failed = server.failed;
            ours.sink.take(call);
            if let Some(connect) = times.connect {
                ours.sink
                    .take(ours.part("connect", ours.client, clock, connect));
            }
        }
        ours.sink.take(server);
    }

    fn name(&self) -> String {
        let (_, name) = method(self.method);
        match route(self.exchange.subject(), self.path) {
            Some(route) => format!("{name} {route}"),
            None => name.to_owned(),
        }
    }

    fn callee(&self) -> &'static str {
        match self.exchange.subject() {
            Subject::Manager => "manager",
            _ => "node",
        }
    }

    /// From when to when a node or the Stream Manager had it; the last one of several.
    fn call(&self, times: &Times, over: Instant) -> Option<(Instant, Instant)> {
        let first = times.connect.or(times.first_byte).map(|phase| phase.began);
        let began = first.or_else(|| {
            // It was on its way when the client left: what we know is what was before.
            self.exchange.tries().node?;
            Some(times.lookup.map_or(self.exchange.record().began, end))
        })?;
        Some((began, times.first_byte.map_or(over, end)))
    }
}

/// The span of a WebSocket, which is sent at its end. Holds nothing else of the exchange.
pub(crate) struct Life {
    trace: TraceId,
    parent: SpanId,
    state: Option<HeaderValue>,
    sink: Arc<dyn SpanSink>,
}

impl Life {
    /// That of this exchange, if it is sampled.
    pub(crate) fn of(exchange: &Exchange) -> Option<Box<Self>> {
        let ours = exchange.record().trace.sampled()?;
        Some(Box::new(Self {
            trace: ours.trace,
            parent: ours.server,
            state: ours.state.clone(),
            sink: ours.sink.clone(),
        }))
    }

    /// It is over, after so long.
    pub(crate) fn tell(self, ended: Ended, took: Duration, attributes: Vec<Attribute>) {
        let clock = Clock::now();
        self.sink.take(Span {
            context: Context {
                trace: self.trace,
                span: SpanId::random(),
            },
            parent: Some(Parent::here(self.parent)),
            link: None,
            state: self.state,
            side: Side::Internal,
            name: "websocket".into(),
            began: clock.before(took),
            took,
            attributes,
            failed: matches!(ended, Ended::NodeLost),
        });
    }
}

impl TraceContext {
    /// A span of this trace, still to be completed.
    fn span(&self, span: SpanId, side: Side) -> Span {
        Span {
            context: Context {
                trace: self.trace,
                span,
            },
            parent: None,
            link: None,
            state: self.state.clone(),
            side,
            name: "".into(),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            attributes: Vec::new(),
            failed: false,
        }
    }

    /// A part of another span.
    fn part(&self, name: &'static str, of: SpanId, clock: Clock, phase: Phase) -> Span {
        let mut part = self.span(SpanId::random(), Side::Internal);
        part.name = name.into();
        part.parent = Some(Parent::here(of));
        clock.time(&mut part, phase.began, end(phase));
        part
    }
}

impl Parent {
    fn here(span: SpanId) -> Self {
        Self {
            span,
            remote: false,
        }
    }
}

fn end(phase: Phase) -> Instant {
    phase.began + phase.took
}

/// What time it is, once for all spans of an exchange: nothing but ticks was noted on the way.
#[derive(Clone, Copy)]
struct Clock {
    wall: SystemTime,
    tick: Instant,
}

impl Clock {
    fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            tick: Instant::now(),
        }
    }

    fn before(self, long: Duration) -> SystemTime {
        self.wall.checked_sub(long).unwrap_or(self.wall)
    }

    fn time(self, span: &mut Span, began: Instant, ended: Instant) {
        span.began = self.before(self.tick.saturating_duration_since(began));
        span.took = ended.saturating_duration_since(began);
    }
}

#[cfg(test)]
mod tests;
