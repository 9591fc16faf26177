//! What is counted about requests and sockets.

mod attempted;
mod attempts;
mod judged;
mod node_answers;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector,
};

use whipstitch_auth::Outcome;
use whipstitch_signaling::{Role, dialect::Client};

pub use self::attempted::{Attempted, DURATION_BOUNDS};
pub(crate) use self::attempts::Attempt;
use self::{attempts::Attempts, judged::Judged, node_answers::NodeAnswers};
use super::panics::Panics;
use crate::{
    request::exchange::Subject,
    words::{
        end_reason::{Ended, OrphanOutcome},
        problem::Kind,
    },
};

/// Counters of this crate. Cheap to clone: all clones count together, and one pointer is all that
/// is copied, since layers are cloned for every request.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

/// Children that a request needs are looked up once, here.
#[derive(Debug)]
struct Inner {
    requests: IntCounterVec,
    by_subject: [PerSubject; Subject::ALL.len()],
    duration: HistogramVec,
    problems: IntCounterVec,
    failovers: IntCounter,
    sessions: IntCounterVec,
    abandoned: IntCounterVec,
    vanished: IntCounter,
    attempts: Attempts,
    node_answers: NodeAnswers,
    judged: Judged,
    in_flight: IntGauge,
    sockets_open: IntGauge,
    event_streams_open: IntGauge,
    sockets_ended: IntCounterVec,
    socket_bytes: IntCounterVec,
    from_client: IntCounter,
    from_node: IntCounter,
    socket_duration: Histogram,
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were answered.
    pub requests: u64,
    /// Those of them that were answered with 5xx.
    pub errors: u64,
    /// Requests in flight.
    pub in_flight: u64,
}

#[derive(Debug)]
struct PerSubject {
    /// By the first digit of the status, 1 to 5.
    classes: [IntCounter; 5],
    duration: Histogram,
}

impl Metrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Another of the same name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Inner::new()?;
        let all: [Box<dyn Collector>; 16] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.duration.clone()),
            Box::new(metrics.problems.clone()),
            Box::new(metrics.failovers.clone()),
            Box::new(metrics.vanished.clone()),
            Box::new(metrics.sessions.clone()),
            Box::new(metrics.abandoned.clone()),
            Box::new(metrics.attempts.collector()),
            Box::new(metrics.node_answers.collector()),
            Box::new(metrics.judged.collector()),
            Box::new(metrics.in_flight.clone()),
            Box::new(Panics::new()?),
            Box::new(metrics.sockets_open.clone()),
            Box::new(metrics.event_streams_open.clone()),
            Box::new(metrics.sockets_ended.clone()),
            Box::new(metrics.socket_bytes.clone()),
        ];
        all.into_iter()
            .try_for_each(|collector| registry.register(collector))?;
        registry.register(Box::new(metrics.socket_duration.clone()))?;
        Ok(Self(Arc::new(metrics)))
    }

    /// What has been counted by now.
    pub fn totals(&self) -> Totals {
        let by_class = |class: usize| {
            let counters = self.0.by_subject.iter();
            counters
                .filter_map(|subject| subject.classes.get(class))
                .map(IntCounter::get)
                .sum::<u64>()
        };
        Totals {
            requests: (0..5).map(by_class).sum(),
            errors: by_class(4),
            in_flight: u64::try_from(self.0.in_flight.get()).unwrap_or(0),
        }
    }

    /// What came of the attempts to begin a session by now.
    pub fn attempts(&self) -> Attempted {
        let mut all = self.0.attempts.totals();
        let [endpoints @ .., socket] = [
            Subject::WhipEndpoint,
            Subject::WhepEndpoint,
            Subject::Socket,
        ]
        .map(|subject| self.0.by_subject.get(subject as usize));
        if let Some(socket) = socket {
            let [made, _, _, refused, failed] = socket.classes.each_ref().map(IntCounter::get);
            all.made += made;
            all.refused += refused;
            all.failed += failed;
        }
        for subject in endpoints.into_iter().chain([socket]).flatten() {
            all.took(&subject.duration);
        }
        all
    }

    /// How often clients were told of each problem, in the order of [`Kind::ALL`].
    pub fn problems(&self) -> Vec<(Kind, u64)> {
        let count = |kind: &Kind| {
            let labels = [kind.entry().slug];
            (*kind, self.0.problems.with_label_values(&labels).get())
        };
        Kind::ALL.iter().map(count).collect()
    }

    pub(crate) fn began(&self) {
        self.0.in_flight.inc();
    }

    pub(crate) fn ended(&self, subject: Subject, status: StatusCode, took: Duration) {
        self.0.in_flight.dec();
        if let Some(counters) = self.0.by_subject.get(subject as usize) {
            if let Some(class) = counters
                .classes
                .get(usize::from(status.as_u16() / 100).wrapping_sub(1))
            {
                class.inc();
            }
            counters.duration.observe(took.as_secs_f64());
        }
    }

    /// A request that the client gave up before it was answered.
    pub(crate) fn abandoned(&self) {
        self.0.in_flight.dec();
    }

    pub(crate) fn problem(&self, kind: Kind) {
        self.0
            .problems
            .with_label_values(&[kind.entry().slug])
            .inc();
    }

    pub(crate) fn failed_over(&self) {
        self.0.failovers.inc();
    }

    pub(crate) fn session_made(&self, role: Role, client: Client) {
        let labels = [role.protocol(), client.label()];
        self.0.sessions.with_label_values(&labels).inc();
    }

    /// What came of a POST to an endpoint.
    pub(crate) fn attempted(&self, role: Role, attempt: Attempt) {
        self.0.attempts.count(role, attempt);
    }

    /// A client was judged.
    pub(crate) fn judged(&self, outcome: Outcome) {
        self.0.judged.count(outcome);
    }

    /// How long the header of an answer took, from the connection on.
    pub(crate) fn answered(&self, subject: Subject, took: Duration) {
        self.0.node_answers.observe(subject, took);
    }

    /// The reaper is done with an orphan.
    pub(crate) fn session_abandoned(&self, outcome: OrphanOutcome) {
        let labels = [outcome.label()];
        self.0.abandoned.with_label_values(&labels).inc();
    }

    /// These sessions were not ended by their client, and their stream is not listed any more.
    pub(crate) fn sessions_vanished(&self, sessions: usize) {
        let sessions = u64::try_from(sessions).unwrap_or_default();
        self.0.vanished.inc_by(sessions);
    }

    pub(crate) fn event_stream_opened(&self) {
        self.0.event_streams_open.inc();
    }

    pub(crate) fn event_stream_ended(&self) {
        self.0.event_streams_open.dec();
    }

    /// A session is open until this is dropped, at its end or in a panic.
    pub(crate) fn socket_opened(&self) -> OpenSocket {
        self.0.sockets_open.inc();
        OpenSocket(self.0.sockets_open.clone())
    }

    pub(crate) fn socket_ended(
        &self,
        ended: Ended,
        took: Duration,
        from_client: u64,
        from_node: u64,
    ) {
        self.0
            .sockets_ended
            .with_label_values(&[ended.label()])
            .inc();
        self.0.socket_duration.observe(took.as_secs_f64());
        self.0.from_client.inc_by(from_client);
        self.0.from_node.inc_by(from_node);
    }
}

/// One of the WebSocket sessions that are open.
#[derive(Debug)]
#[must_use = "dropping it ends the count"]
pub(crate) struct OpenSocket(IntGauge);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Inner {
    fn new() -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "requests_total",
                "Requests, by what they were about and the class of the answer's status.",
            ),
            &["subject", "class"],
        )?;
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "request_duration_seconds",
                "Time from a request's header to the last frame of its answer; for a WebSocket, to the 101.",
            )
            .buckets(DURATION_BOUNDS.to_vec()),
            &["subject"],
        )?;
        let problems = IntCounterVec::new(
            Opts::new(
                "problems_total",
                "Errors that clients were told of, by problem type.",
            ),
            &["type"],
        )?;
        for kind in Kind::ALL {
            problems.with_label_values(&[kind.entry().slug]);
        }
        let sockets_ended = IntCounterVec::new(
            Opts::new(
                "sockets_ended_total",
                "WebSocket sessions that are over, by who ended them.",
            ),
            &["by"],
        )?;
        for ended in Ended::ALL {
            sockets_ended.with_label_values(&[ended.label()]);
        }
        let sessions = IntCounterVec::new(
            Opts::new(
                "sessions_total",
                "WHIP and WHEP sessions that nodes made, by the protocol and by what is known of the client.",
            ),
            &["protocol", "client"],
        )?;
        for role in [Role::Publish, Role::Play] {
            for client in Client::ALL {
                sessions.with_label_values(&[role.protocol(), client.label()]);
            }
        }
        let socket_bytes = IntCounterVec::new(
            Opts::new(
                "socket_relayed_bytes_total",
                "Bytes relayed over WebSockets, by who sent them; counted when a session ends.",
            ),
            &["from"],
        )?;
        Ok(Self {
            abandoned: abandoned()?,
            vanished: IntCounter::new(
                "sessions_vanished_total",
                "WHIP sessions that were not ended by their client: the Stream Manager does not list their stream any more, and no DELETE was seen.",
            )?,
            attempts: Attempts::new()?,
            node_answers: NodeAnswers::new()?,
            judged: Judged::new()?,
            by_subject: Subject::ALL.map(|subject| PerSubject::new(&requests, &duration, subject)),
            requests,
            duration,
            problems,
            failovers: IntCounter::new(
                "failovers_total",
                "Times that a request went on to another node because one could not serve it.",
            )?,
            in_flight: IntGauge::new("requests_in_flight", "Requests in work.")?,
            event_streams_open: IntGauge::new(
                "event_streams_open",
                "Streams of server-sent events that are open.",
            )?,
            sockets_open: IntGauge::new("sockets_open", "WebSocket sessions that are open.")?,
            from_client: socket_bytes.with_label_values(&["client"]),
            from_node: socket_bytes.with_label_values(&["node"]),
            sessions,
            sockets_ended,
            socket_bytes,
            socket_duration: Histogram::with_opts(
                HistogramOpts::new("socket_duration_seconds", "Life of a WebSocket session.")
                    .buckets(vec![
                        1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 43_200.0,
                    ]),
            )?,
        })
    }
}

/// Sessions that no client had, by what became of them.
fn abandoned() -> prometheus::Result<IntCounterVec> {
    let abandoned = IntCounterVec::new(
        Opts::new(
            "sessions_abandoned_total",
            "Sessions that a node made for a client that was gone, or was told of a failure, by what became of them.",
        ),
        &["outcome"],
    )?;
    for outcome in OrphanOutcome::ALL {
        abandoned.with_label_values(&[outcome.label()]);
    }
    Ok(abandoned)
}

impl PerSubject {
    fn new(requests: &IntCounterVec, duration: &HistogramVec, subject: Subject) -> Self {
        let class = |class| requests.with_label_values(&[subject.label(), class]);
        Self {
            classes: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class),
            duration: duration.with_label_values(&[subject.label()]),
        }
    }
}
