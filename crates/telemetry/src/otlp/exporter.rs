//! The task that sends spans, batch after batch.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use whipstitch_proxy::trace::{Attribute, Span};

use super::{
    SpanMetrics,
    collector::{Export, Receiver},
    message,
    resource::resource,
};

/// Most spans in one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const PERIOD: Duration = Duration::from_secs(1);
/// Time between the first two attempts of a batch; doubled each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Exporter<C> {
    queue: mpsc::Receiver<Span>,
    collector: C,
    resource: Vec<Attribute>,
    metrics: SpanMetrics,
    /// The state after the last request; `None` before the first. Only changes are logged.
    state: Option<State>,
}

impl<C: Receiver> Exporter<C> {
    pub(super) fn new(queue: mpsc::Receiver<Span>, collector: C, metrics: SpanMetrics) -> Self {
        Self {
            queue,
            collector,
            resource: resource(),
            metrics,
            state: None,
        }
    }

    /// Sends spans until `stop`, then tries each queued batch once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        while stop
            .run_until_cancelled(self.send_next(&mut batch))
            .await
            .is_some()
        {}
        loop {
            while room(&batch).is_some()
                && let Ok(span) = self.queue.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() || !self.try_once(&mut batch).await {
                break;
            }
        }
        self.metrics.dropped.inc_by(batch.len() as u64);
    }

    /// Fills a batch and retries until the collector has it. Cancel-safe: what is not sent stays in
    /// `batch`.
    async fn send_next(&mut self, batch: &mut Vec<Span>) {
        self.fill(batch).await;
        let mut pause = PAUSE;
        while !self.try_once(batch).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits until a batch is full, or `PERIOD` old.
    async fn fill(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() && self.queue.recv_many(batch, 1).await == 0 {
            // All senders were dropped: no further span will come.
            return std::future::pending().await;
        }
        let until = Instant::now() + PERIOD;
        while let Some(room) = room(batch) {
            match timeout_at(until, self.queue.recv_many(batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// One attempt; whether the batch is finished, accepted or not.
    async fn try_once(&mut self, batch: &mut Vec<Span>) -> bool {
        let count = batch.len() as u64;
        let body = Bytes::from(message::request(&self.resource, batch));
        let (state, dropped, why) = match self.collector.send(body).await {
            Export::Accepted { rejected: 0 } => (State::Accepted, 0, String::new()),
            Export::Accepted { rejected } => {
                (State::PartlyAccepted, rejected.min(count), String::new())
            }
            Export::Rejected(why) => (State::Rejected, count, why),
            Export::Failed(why) => {
                self.log(State::Unreachable, &why);
                return false;
            }
        };
        self.metrics.dropped.inc_by(dropped);
        self.metrics.exported.inc_by(count - dropped);
        self.log(state, &why);
        batch.clear();
        true
    }

    /// One line for each change of state, not for each batch.
    fn log(&mut self, state: State, why: &str) {
        if self.state.replace(state) == Some(state) {
            return;
        }
        match state {
            State::Accepted => info!("exporting spans to the collector"),
            State::PartlyAccepted => {
                warn!("the collector rejects some of the spans; its own log says why");
            }
            State::Rejected => warn!(
                why,
                "the collector rejects spans, which are dropped; check the path of tracing.otlp and the collector's receivers"
            ),
            State::Unreachable => warn!(
                why,
                "the collector is unreachable; spans are queued, and dropped while the queue is full"
            ),
        }
    }
}

/// What the collector did with the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Accepted,
    PartlyAccepted,
    Rejected,
    Unreachable,
}

/// How many more spans fit into a batch; `None` if it is full.
fn room(batch: &[Span]) -> Option<usize> {
    BATCH.checked_sub(batch.len()).filter(|room| *room > 0)
}

#[cfg(test)]
mod tests;
