use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use prometheus::Registry;
use whipstitch_proxy::trace::{Context, Side, SpanId, SpanSink, TraceId};

use super::{super::Queue, *};

/// A collector that answers as its script says, and accepts every request after that.
#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Export>>>,
    received: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Receiver for Scripted {
    async fn send(&self, body: Bytes) -> Export {
        let received = (Instant::now(), body.len());
        self.received.lock().unwrap().push(received);
        let next = self.script.lock().unwrap().pop_front();
        next.unwrap_or(Export::Accepted { rejected: 0 })
    }
}

impl Scripted {
    fn with(script: impl IntoIterator<Item = Export>) -> Self {
        let collector = Self::default();
        collector.script.lock().unwrap().extend(script);
        collector
    }

    /// The times of the requests, in whole seconds since the first.
    fn seconds(&self) -> Vec<u64> {
        let received = self.received.lock().unwrap();
        let first = received.first().map(|(at, _)| *at);
        let since = |(at, _): &(Instant, usize)| at.duration_since(first.unwrap()).as_secs();
        received.iter().map(since).collect()
    }
}

struct Setup {
    sink: Queue,
    metrics: SpanMetrics,
    stop: CancellationToken,
    exporter: Exporter<Scripted>,
}

fn setup(places: usize, collector: &Scripted) -> Setup {
    let metrics = SpanMetrics::register(&Registry::new()).unwrap();
    let (queue, waiting) = mpsc::channel(places);
    Setup {
        sink: Queue {
            queue,
            dropped: metrics.dropped.clone(),
        },
        metrics: metrics.clone(),
        stop: CancellationToken::new(),
        exporter: Exporter::new(waiting, collector.clone(), metrics),
    }
}

impl Setup {
    fn send(&self, spans: usize) {
        for _ in 0..spans {
            self.sink.take(span());
        }
    }

    /// Runs the exporter for this long, and stops it; how many spans were exported and dropped.
    async fn run(self, long: Duration) -> (u64, u64) {
        let stop = self.stop.clone();
        let stopped = async {
            sleep(long).await;
            stop.cancel();
        };
        tokio::join!(self.exporter.run(self.stop), stopped);
        (self.metrics.exported.get(), self.metrics.dropped.get())
    }
}

fn span() -> Span {
    Span {
        context: Context {
            trace: TraceId::random(),
            span: SpanId::random(),
        },
        parent: None,
        link: None,
        state: None,
        side: Side::Internal,
        name: "lookup".into(),
        began: SystemTime::now(),
        took: Duration::ZERO,
        attributes: Vec::new(),
        failed: false,
    }
}

#[tokio::test(start_paused = true)]
async fn spans_wait_a_second_for_others_and_full_batches_do_not() {
    let collector = Scripted::default();
    let setup = setup(2048, &collector);
    setup.send(2 * BATCH + 3);
    let began = Instant::now();
    assert_eq!(setup.run(Duration::from_secs(5)).await, (1027, 0));
    let received = collector.received.lock().unwrap();
    let waits: Vec<u64> = received
        .iter()
        .map(|(at, _)| (*at - began).as_secs())
        .collect();
    assert_eq!(waits, [0, 0, 1]);
    assert!(received[0].1 > 50 * received[2].1, "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_sent_again_later_and_later_until_it_is_taken() {
    let collector = Scripted::with((0..8).map(|_| Export::Failed("gone".into())));
    let setup = setup(2048, &collector);
    setup.send(3);
    assert_eq!(setup.run(Duration::from_mins(10)).await, (3, 0));
    assert_eq!(collector.seconds(), [0, 1, 3, 7, 15, 31, 61, 91, 121]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_sent_again() {
    let refused = [
        Export::Rejected("status 400".into()),
        Export::Accepted { rejected: 1 },
    ];
    let collector = Scripted::with(refused);
    let setup = setup(2048, &collector);
    setup.send(BATCH + 3);
    assert_eq!(
        setup.run(Duration::from_secs(5)).await,
        (2, BATCH as u64 + 1)
    );
    assert_eq!(collector.seconds(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_room_for_is_dropped_and_the_rest_is_sent_at_the_end() {
    let collector = Scripted::with([Export::Failed("gone".into())]);
    let setup = setup(600, &collector);
    setup.send(605);
    setup.stop.cancel();
    // The first batch finds no collector, and nothing is tried twice at the end.
    assert_eq!(
        setup.run(Duration::ZERO).await,
        (0, 605 - 600 + BATCH as u64)
    );

    let collector = Scripted::default();
    let setup = self::setup(600, &collector);
    setup.send(605);
    setup.stop.cancel();
    assert_eq!(setup.run(Duration::ZERO).await, (600, 5));
}
