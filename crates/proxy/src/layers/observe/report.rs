//! Reports an exchange at its end: to the metrics, the incidents, the trace and the log.

use std::{fmt, sync::atomic::Ordering};

use http::{Method, Request, Response, StatusCode, Uri, Version};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::info;

use crate::{
    BodyError, Exchange, Incidents, Metrics,
    report::{metrics::Attempt, spans::Exchanged},
    request::{exchange::Subject, phases::Phase},
    words::reason::{Delivery, Reason},
};

/// Longest piece of a path in the log, in bytes.
const MAX_PATH: usize = 256;

/// Reports an exchange when it is dropped, however it ended.
pub(super) struct Report {
    pub(super) exchange: Exchange,
    metrics: Metrics,
    incidents: Incidents,
    method: Method,
    uri: Uri,
    version: Version,
    /// `None` as long as there is no answer: the client may leave before.
    status: Option<StatusCode>,
    /// The outcome, if it was an attempt to create a session.
    attempt: Attempt,
    delivery: Delivery,
    broke: Option<BodyError>,
    sent: u64,
    /// `None` if a drain need not wait for the end of the exchange.
    pub(super) in_flight: Option<TaskTrackerToken>,
}

impl Report {
    pub(super) fn begin<B>(
        exchange: &Exchange,
        request: &Request<B>,
        in_flight: TaskTrackerToken,
        (metrics, incidents): (Metrics, Incidents),
    ) -> Self {
        metrics.began();
        Self {
            exchange: exchange.clone(),
            metrics,
            incidents,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            status: None,
            attempt: Attempt::Left,
            delivery: Delivery::Left,
            broke: None,
            sent: 0,
            in_flight: Some(in_flight),
        }
    }

    /// There is an answer.
    pub(super) fn answered<B>(&mut self, response: &Response<B>) {
        let status = response.status();
        self.status = Some(status);
        self.attempt = Attempt::of(status, response.headers());
        // These have no content (RFC 9110 §6.4.1).
        if self.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            self.whole();
        }
    }

    /// Whether the body has to be taken away: over HTTP/2 hyper sends it even to a HEAD, which
    /// breaks the protocol.
    pub(super) fn forbids_body(&self) -> bool {
        self.method == Method::HEAD && self.version == Version::HTTP_2
    }

    pub(super) fn count(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// All of the answer was taken.
    pub(super) fn whole(&mut self) {
        self.delivery = Delivery::Whole;
    }

    /// The answer ended before its end.
    pub(super) fn broke_off(&mut self, error: &BodyError) {
        self.delivery = Delivery::BrokenOff;
        self.broke = Some(error.clone());
    }

    /// To the exporter of spans.
    fn trace(&self) {
        if self.exchange.record().trace.sampled().is_none() {
            return;
        }
        Exchanged {
            exchange: &self.exchange,
            method: &self.method,
            path: self.uri.path(),
            public_path: self.path().unwrap_or_default(),
            version: self.version,
            status: self.status,
            reason: self.reason().label(),
            sent: self.sent,
        }
        .send();
    }

    /// To the metrics and the incidents.
    fn measure(&self, took: Phase) {
        let subject = self.exchange.subject();
        match self.status {
            Some(status) => {
                self.metrics.ended(subject, status, took.took);
                self.incidents.ended(&self.exchange, status);
            }
            None => self.metrics.abandoned(),
        }
        if let Some(wait) = self.exchange.phases().times().first_byte {
            self.metrics.answered(subject, wait.took);
        }
        if let Some(role) = subject
            .endpoint_of()
            .filter(|_| self.method == Method::POST)
        {
            self.metrics.attempted(role, self.attempt);
        }
    }

    /// To the log.
    fn write(&self, took: Phase) {
        let record = self.exchange.record();
        let subject = self.exchange.subject();
        let (problem, tries) = (record.problem.get(), self.exchange.tries());
        let times = record.phases.times();
        info!(
            target: "access",
            id = self.exchange.id(),
            trace = record.trace.id().map(display),
            client = self.exchange.client().map(display),
            forwarder = self.exchange.forwarder().map(display),
            tls = record.peer.as_ref().map(|peer| peer.tls),
            version = ?self.version,
            method = %self.method,
            about = subject.label(),
            stream = record.stream.get().map(display),
            path = self.path(),
            node = tries.node.map(display),
            tries = (tries.count > 1).then_some(tries.count),
            status = self.status.map_or(0, |status| status.as_u16()),
            reason = self.reason().label(),
            detail = self.detail().map(display),
            problem = problem.map(display),
            opens_with = problem.and_then(|kind| kind.opens_with()),
            received = record.received.load(Ordering::Relaxed),
            sent = self.sent,
            tls_us = times.tls.map(Phase::micros),
            lookup_us = times.lookup.map(Phase::micros),
            connect_us = times.connect.map(Phase::micros),
            first_byte_us = times.first_byte.map(Phase::micros),
            took_us = took.micros(),
            "{}", if self.status.is_some() { "exchange" } else { "the client left before the answer" },
        );
    }

    /// How the answer broke off, or why there was none.
    fn detail(&self) -> Option<&dyn fmt::Display> {
        let cause = self.exchange.record().cause.get();
        let cause = cause.map(|cause| cause as &dyn fmt::Display);
        cause.or_else(|| Some(self.broke.as_ref()? as &dyn fmt::Display))
    }

    fn reason(&self) -> Reason {
        let record = self.exchange.record();
        let delivery = match self.delivery {
            Delivery::Whole if record.stopped.load(Ordering::Relaxed) => Delivery::Stopped,
            delivery => delivery,
        };
        let answerer = record.answerer.get().copied().unwrap_or_default();
        let problem = record.problem.get().copied();
        Reason::of(answerer, problem, self.status, delivery)
    }

    /// Only the Stream Manager's paths are written, and only so far: ours hold stream names, which
    /// have a field of their own, and session tokens, which are secrets.
    fn path(&self) -> Option<&str> {
        let is_managers = self.exchange.subject() == Subject::Manager;
        let path = is_managers.then(|| self.uri.path())?;
        path.get(..path.floor_char_boundary(MAX_PATH))
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let took = Phase::since(self.exchange.record().began);
        self.measure(took);
        self.trace();
        self.write(took);
    }
}

/// Writes the line of an exchange.
#[cfg(test)]
pub(crate) fn written(exchange: &Exchange) {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let token = tokio_util::task::TaskTracker::new().token();
    let seen = (metrics, Incidents::default());
    drop(Report::begin(exchange, &Request::new(()), token, seen));
}
