//! A minute without a Stream Manager, on a paused clock: cached lookups are served, the
//! rest fails at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whipstitch_origin::{
    AllowedOrigins, Asker, Breaker, Cached, Candidates, Cause, Claim, Directory, Health, Hints,
    Lookup, LookupError, ManagerFault, Metrics, Origin, Purpose, Source, config,
};
use whipstitch_signaling::{Role, StreamKey};

const STREAMS: usize = 200;
const PUBLISHES_A_SECOND: u32 = 20;

/// A manager that names a node, or does this after that time.
struct Manager {
    node: Origin,
    fault: Mutex<Option<(Duration, ManagerFault)>>,
    asked: AtomicUsize,
}

impl Source for Manager {
    fn ask<'a>(
        &'a self,
        _: &'a Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let fault = self.fault.lock().unwrap().clone();
            if let Some((after, fault)) = fault {
                sleep(after).await;
                return Err(fault.into());
            }
            sleep(Duration::from_millis(5)).await;
            Candidates::new(vec![self.node.clone()]).ok_or(LookupError::NotFound(None))
        })
    }
}

fn publish(name: &str) -> Lookup {
    Lookup::new(
        Role::Publish,
        StreamKey::new("live", name).unwrap(),
        Hints::default(),
    )
}

async fn directory() -> (Arc<Manager>, Arc<Cached>) {
    let nodes = config::Nodes::default();
    let gate = AllowedOrigins::new(&nodes, Metrics::default());
    let address = Ipv4Addr::new(10, 0, 0, 1).to_string();
    let manager = Arc::new(Manager {
        node: gate.admit(Claim::Manager(&address)).await.unwrap(),
        fault: Mutex::new(None),
        asked: AtomicUsize::new(0),
    });
    let (tasks, metrics) = (TaskTracker::new(), Metrics::default());
    let stop = CancellationToken::new();
    let breaker = Breaker::new(manager.clone(), tasks.clone(), stop, metrics.clone());
    let health = Health::new(&nodes, metrics.clone());
    let config = config::Lookup::default();
    let cached = Cached::new(Arc::new(breaker), config, health, tasks, metrics);
    (manager, Arc::new(cached))
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_a_manager_fails_no_publish_of_a_known_stream() {
    let (manager, directory) = directory().await;
    let streams: Vec<Lookup> = (0..STREAMS).map(|n| publish(&format!("s{n}"))).collect();
    for stream in &streams {
        directory
            .locate(stream, Asker::UNKNOWN, Purpose::Session)
            .await
            .unwrap();
    }
    let publishes = TaskTracker::new();
    let waits: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let mut held_back = 0;
    let began = Instant::now();
    for number in 0..60 * PUBLISHES_A_SECOND {
        let second = number / PUBLISHES_A_SECOND;
        if number % PUBLISHES_A_SECOND == 0 {
            *manager.fault.lock().unwrap() = Some(match second / 15 {
                0 => (Duration::ZERO, ManagerFault::Unreachable(Cause::Refused)),
                1 => (
                    Duration::from_secs(2),
                    ManagerFault::Timeout(Duration::from_secs(2)),
                ),
                2 => (Duration::from_millis(5), ManagerFault::Status(500)),
                _ => (Duration::from_millis(5), ManagerFault::NotAnAnswer),
            });
            let unknown = publish(&format!("unknown{number}"));
            let asked = Instant::now();
            let answer = directory
                .locate(&unknown, Asker::UNKNOWN, Purpose::Session)
                .await;
            if answer == Err(ManagerFault::CircuitOpen.into()) {
                held_back += 1;
                assert!(asked.elapsed() < Duration::from_millis(50));
            } else {
                assert!(matches!(answer, Err(LookupError::Manager(_))), "{answer:?}");
            }
        }
        let (directory, waits) = (directory.clone(), waits.clone());
        let stream = streams[number as usize % STREAMS].clone();
        publishes.spawn(async move {
            let asked = Instant::now();
            // A stream is published again and again, so each publish ends, too.
            directory
                .locate(&stream, Asker::UNKNOWN, Purpose::Session)
                .await
                .unwrap();
            directory.ended(&stream.key);
            waits.lock().unwrap().push(asked.elapsed());
        });
        sleep(Duration::from_secs(1) / PUBLISHES_A_SECOND).await;
    }
    assert!(began.elapsed() >= Duration::from_mins(1));
    publishes.close();
    publishes.wait().await;

    let waits = waits.lock().unwrap().clone();
    assert_eq!(waits.len(), 1_200, "all succeed");
    let longest = waits.iter().max().unwrap();
    assert!(*longest <= Duration::from_millis(50), "{longest:?}");
    assert!(held_back >= 55, "{held_back}");
    let asked = manager.asked.load(Ordering::SeqCst) - STREAMS;
    assert!(asked <= 65, "{asked} questions in a minute");

    *manager.fault.lock().unwrap() = None;
    sleep(Duration::from_secs(2)).await;
    let new = publish("new");
    directory
        .locate(&new, Asker::UNKNOWN, Purpose::Session)
        .await
        .unwrap();
    directory
        .locate(&streams[0], Asker::UNKNOWN, Purpose::Session)
        .await
        .unwrap();
    sleep(Duration::from_millis(10)).await;
    let entries = directory.entries();
    let entry = entries
        .iter()
        .find(|entry| *entry.lookup == streams[0])
        .unwrap();
    assert!(
        entry.age < Duration::from_millis(20),
        "asked anew: {:?}",
        entry.age
    );
}
