//! The task that sends spans: batch after batch, for as long as it takes.

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
    collector::{Outcome, Takes},
    message,
    resource::resource,
};

/// Most spans of one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const PERIOD: Duration = Duration::from_secs(1);
/// Time between the first two tries of a batch; twice as long each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Exporter<C> {
    queue: mpsc::Receiver<Span>,
    collector: C,
    resource: Vec<Attribute>,
    metrics: SpanMetrics,
    /// What the collector made of the last request; none before the first. The log tells of
    /// changes.
    was: Option<Was>,
}

impl<C: Takes> Exporter<C> {
    pub(super) fn new(queue: mpsc::Receiver<Span>, collector: C, metrics: SpanMetrics) -> Self {
        Self {
            queue,
            collector,
            resource: resource(),
            metrics,
            was: None,
        }
    }

    /// Sends spans until it is to stop, and then those that are there, each batch once.
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

    /// Fills a batch and sends it, however often that takes. May be dropped at any time: what is
    /// not sent is in `batch`.
    async fn send_next(&mut self, batch: &mut Vec<Span>) {
        self.fill(batch).await;
        let mut pause = PAUSE;
        while !self.try_once(batch).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits until a batch is full, or old.
    async fn fill(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() && self.queue.recv_many(batch, 1).await == 0 {
            // Nobody is left to tell of anything.
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

    /// Whether the batch is done with.
    async fn try_once(&mut self, batch: &mut Vec<Span>) -> bool {
        let count = batch.len() as u64;
        let body = Bytes::from(message::request(&self.resource, batch));
        let (was, dropped, why) = match self.collector.send(body).await {
            Outcome::Taken { rejected: 0 } => (Was::Taken, 0, String::new()),
            Outcome::Taken { rejected } => (Was::PartlyTaken, rejected.min(count), String::new()),
            Outcome::Refused(why) => (Was::Refused, count, why),
            Outcome::Failed(why) => {
                self.tell(Was::Lost, &why);
                return false;
            }
        };
        self.metrics.dropped.inc_by(dropped);
        self.metrics.exported.inc_by(count - dropped);
        self.tell(was, &why);
        batch.clear();
        true
    }

    /// One line for each change, not for each batch.
    fn tell(&mut self, was: Was, why: &str) {
        if self.was.replace(was) == Some(was) {
            return;
        }
        match was {
            Was::Taken => info!("the collector takes spans"),
            Was::PartlyTaken => {
                warn!("the collector takes only some of the spans; its own log says why");
            }
            Was::Refused => warn!(
                why,
                "the collector refuses spans, which are lost; look at the path of tracing.otlp, and at what it takes"
            ),
            Was::Lost => warn!(
                why,
                "the collector cannot be reached; spans wait, and what there is no room for is dropped"
            ),
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Was {
    Taken,
    PartlyTaken,
    Refused,
    Lost,
}

/// How many more spans there are places for in a batch; none if it is full.
fn room(batch: &[Span]) -> Option<usize> {
    BATCH.checked_sub(batch.len()).filter(|room| *room > 0)
}

#[cfg(test)]
mod tests;
