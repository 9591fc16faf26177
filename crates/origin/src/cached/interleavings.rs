//! Lookups, publishes, expiry, uses, refusals, ejections, outages and shutdowns in random order,
//! against what must always hold.
//!
//! Each seed is one run on a paused clock. A failure names its seed; `INTERLEAVING_SEED=17 cargo
//! test -p whipstitch-origin interleavings` runs that one alone.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use whipstitch_signaling::Api;

mod check;
mod manager;
mod random;

use self::{
    check::{Check, Overs},
    manager::{Book, Manager, Mood},
    random::Random,
};
use super::{entry::RECENT, *};
use crate::{AllowedOrigins, Breaker, ByNetwork, Hints, config::Nodes};

const SEEDS: u64 = 256;
const STEPS: usize = 120;
const NODES: usize = 3;
/// The manager is not waited for longer.
const TIMEOUT: Duration = Duration::from_secs(2);

struct Run {
    random: Random,
    manager: Arc<Manager>,
    cached: Cached,
    config: config::Lookup,
    tasks: TaskTracker,
    stop: CancellationToken,
    overs: Arc<Mutex<Overs>>,
    waiters: JoinSet<()>,
    last: Arc<Mutex<Option<Origin>>>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let manager = Arc::new(Manager {
            gate: AllowedOrigins::new(&Nodes::default(), Metrics::default()),
            book: Mutex::new(Book {
                mood: Mood {
                    faults: false,
                    nobody: false,
                    delay: random.millis(100),
                },
                ..Book::default()
            }),
        });
        let config = config::Lookup {
            negative_ttl: Duration::from_millis(1 + random.below(10_000)),
            play_ttl: Duration::from_millis(1 + random.below(2_000)),
            play_uses: usize::try_from(1 + random.below(20)).unwrap(),
            stale_for: Duration::from_millis(1 + random.below(60_000)),
            // Now and then fewer than there are lookups: what is remembered may be gone at any
            // time.
            capacity: if random.one_in(4) { 2 } else { 1_000 },
            ..config::Lookup::default()
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let breaker = Breaker::new(
            manager.clone(),
            tasks.clone(),
            stop.clone(),
            Metrics::default(),
        );
        let health = Health::new(&Nodes::default(), Metrics::default());
        let cached = Cached::new(
            Arc::new(breaker),
            config.clone(),
            health,
            tasks.clone(),
            Metrics::default(),
        );
        Self {
            random,
            manager,
            cached,
            config,
            tasks,
            stop,
            overs: Arc::default(),
            waiters: JoinSet::new(),
            last: Arc::default(),
        }
    }

    async fn steps(mut self) {
        for _ in 0..STEPS {
            self.step().await;
        }
        // A shutdown in the middle of it all: waiters that are not answered yet still are, and no
        // task is left.
        self.stop.cancel();
        let waiters = async {
            while self
                .waiters
                .join_next()
                .await
                .transpose()
                .unwrap()
                .is_some()
            {}
        };
        timeout(Duration::from_mins(1), waiters).await.unwrap();
        self.tasks.close();
        timeout(TIMEOUT * 2, self.tasks.wait()).await.unwrap();
        assert_eq!(self.cached.0.lookups.len(), 0, "lookups are left");
        self.manager.book(|book| {
            let gaps = book.probes.windows(2).map(|pair| pair[1] - pair[0]);
            let least = gaps.min();
            assert!(
                least.is_none_or(|gap| gap >= Duration::from_secs(1)),
                "probes after {least:?}"
            );
            for (lookup, asked) in &book.publishes_asked {
                let calls = book.publishes_called.get(lookup).copied();
                assert!(
                    calls >= Some(*asked),
                    "{lookup:?}: {asked} questions, {calls:?} waiters"
                );
            }
            let max_parallel = |role| book.most_at_once.get(&role).copied().unwrap_or_default();
            assert!(
                max_parallel(Role::Publish) <= 1,
                "{} at once",
                max_parallel(Role::Publish)
            );
            assert!(
                max_parallel(Role::Play) <= singleflight::MAX_PARALLEL,
                "{} at once",
                max_parallel(Role::Play)
            );
        });
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..=9 => {
                for _ in 0..=self.random.below(12) {
                    self.waiter();
                }
            }
            10..=12 => sleep(self.random.millis(400)).await,
            13 => sleep(self.random.millis(15_000)).await,
            14 => self.publish(),
            15 => self.mood(),
            16 => {
                let lookup = self.lookup();
                self.cached.forget(&lookup);
                self.overs
                    .lock()
                    .unwrap()
                    .forgotten
                    .insert(lookup, Instant::now());
            }
            17 => {
                let stream = self.lookup().key;
                self.cached.ended(&stream);
                self.overs
                    .lock()
                    .unwrap()
                    .ended
                    .insert(stream, Instant::now());
            }
            _ => self.report(),
        }
        while let Some(ended) = self.waiters.try_join_next() {
            ended.unwrap();
        }
    }

    fn mood(&mut self) {
        let faults = self.random.one_in(2);
        let delay = if self.random.one_in(3) {
            TIMEOUT * 2
        } else {
            self.random.millis(300)
        };
        let nobody = self.random.one_in(3);
        let mood = Mood {
            faults,
            nobody,
            delay,
        };
        self.manager.book(|book| book.mood = mood);
    }

    fn publish(&mut self) {
        let stream = self.lookup().key;
        self.cached.published(&stream);
        let mut overs = self.overs.lock().unwrap();
        overs.published.insert(stream, Instant::now());
    }

    fn report(&mut self) {
        let Some(origin) = self.last.lock().unwrap().clone() else {
            return;
        };
        let outcome = match self.random.below(4) {
            0 => Outcome::Answered,
            1 => Outcome::Unable(Cause::Closed),
            2 => Outcome::Silent(Cause::Timeout(TIMEOUT)),
            _ => Outcome::Unreachable(Cause::Refused),
        };
        let unreachable = matches!(outcome, Outcome::Unreachable(_));
        self.cached.report(&origin, outcome);
        if unreachable {
            let mut overs = self.overs.lock().unwrap();
            overs.unreachable.insert(origin.named(), Instant::now());
        }
    }

    /// A client of one of two networks, or one that cannot be told.
    fn asker(&mut self) -> Asker {
        match self.random.below(8) {
            network @ 0..=1 => {
                let network = u8::try_from(network).unwrap();
                let host = u8::try_from(self.random.below(250)).unwrap();
                Asker::at(IpAddr::from([20, network, 0, host]))
            }
            _ => Asker::UNKNOWN,
        }
    }

    /// An asker whose lookup this is.
    fn asker_of(&mut self, lookup: &Lookup) -> Asker {
        loop {
            let asker = self.asker();
            let network = ByNetwork::Auto.network(Api::V2, asker);
            if lookup.network() == network || lookup.hints.names_place() {
                return asker;
            }
        }
    }

    fn lookup(&mut self) -> Lookup {
        let role = if self.random.one_in(2) {
            Role::Publish
        } else {
            Role::Play
        };
        let name = format!("s{}", self.random.below(3));
        let hints = if self.random.one_in(4) {
            "region=eu"
        } else {
            ""
        };
        let network = ByNetwork::Auto.network(Api::V2, self.asker());
        let key = StreamKey::new("live", &name).unwrap();
        let hints = Hints::from_query(hints, Api::V1).unwrap();
        Lookup::new(role, key, hints).of_network(network)
    }

    fn waiter(&mut self) {
        let lookup = self.lookup();
        let asker = self.asker_of(&lookup);
        let purpose = if self.random.one_in(3) {
            Purpose::Inquiry
        } else {
            Purpose::Session
        };
        let patience = if self.random.one_in(3) {
            self.random.millis(50)
        } else {
            Duration::from_mins(1)
        };
        let check = Check {
            manager: self.manager.clone(),
            overs: self.overs.clone(),
            config: self.config.clone(),
            last: self.last.clone(),
        };
        let cached = self.cached.clone();
        self.manager.book(|book| book.calls(&lookup));
        self.waiters.spawn(async move {
            let began = Instant::now();
            let Ok(answer) = timeout(patience, cached.locate(&lookup, asker, purpose)).await else {
                assert!(patience < Duration::from_mins(1), "waited for ever");
                return;
            };
            match answer {
                Ok(candidates) => check.used(&lookup, purpose, &candidates, began),
                Err(LookupError::NotFound(Some(which))) => check.refused(&lookup, &which, began),
                Err(_) => {}
            }
        });
    }
}

fn run(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(Run::new(seed).steps());
}

#[test]
fn what_must_always_hold_does_in_any_order_of_events() {
    let seeds = match std::env::var("INTERLEAVING_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "replay it with INTERLEAVING_SEED={seed}");
    }
}
