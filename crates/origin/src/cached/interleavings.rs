//! Lookups, expiry, uses, refusals, ejections, outages and shutdowns in random order, against what must always hold.
//!
//! Each seed is one run on a paused clock. A failure names its seed; `INTERLEAVING_SEED=17 cargo test -p whipstitch-origin
//! interleavings` runs that one alone.

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

mod manager;
mod random;

use self::{
    manager::{Book, Manager, Mood, number},
    random::Random,
};
use super::{remembered::LATELY, *};
use crate::{AllowedOrigins, Breaker, Hints, config::Nodes};

const SEEDS: u64 = 256;
const STEPS: usize = 120;
const NODES: usize = 3;
/// The manager is not waited for longer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// When something last happened by which earlier answers are fresh no more.
#[derive(Default)]
struct Overs {
    forgotten: HashMap<Lookup, Instant>,
    ended: HashMap<StreamKey, Instant>,
    unreachable: HashMap<IpAddr, Instant>,
}

struct Run {
    random: Random,
    manager: Arc<Manager>,
    cached: Cached,
    config: config::Lookup,
    tasks: TaskTracker,
    stop: CancellationToken,
    overs: Arc<Mutex<Overs>>,
    callers: JoinSet<()>,
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
                    delay: random.millis(100),
                },
                given: Vec::new(),
                faults: HashMap::new(),
                under_way: HashMap::new(),
                most_at_once: HashMap::new(),
                probes: Vec::new(),
            }),
        });
        let config = config::Lookup {
            publish_ttl: Duration::from_millis(1 + random.below(10_000)),
            play_ttl: Duration::from_millis(1 + random.below(2_000)),
            play_uses: usize::try_from(1 + random.below(20)).unwrap(),
            stale_for: Duration::from_millis(1 + random.below(60_000)),
            // Now and then fewer than there are lookups: what is remembered may be gone at any time.
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
            callers: JoinSet::new(),
            last: Arc::default(),
        }
    }

    async fn steps(mut self) {
        for _ in 0..STEPS {
            self.step().await;
        }
        // A shutdown in the middle of it all: callers that are not answered yet still are, and no task is left.
        self.stop.cancel();
        let callers = async {
            while self
                .callers
                .join_next()
                .await
                .transpose()
                .unwrap()
                .is_some()
            {}
        };
        timeout(Duration::from_mins(1), callers).await.unwrap();
        self.tasks.close();
        timeout(TIMEOUT * 2, self.tasks.wait()).await.unwrap();
        assert_eq!(self.cached.0.flights.len(), 0, "questions are left");
        self.manager.book(|book| {
            let gaps = book.probes.windows(2).map(|pair| pair[1] - pair[0]);
            let least = gaps.min();
            assert!(
                least.is_none_or(|gap| gap >= Duration::from_secs(1)),
                "probes after {least:?}"
            );
            let most = |role| book.most_at_once.get(&role).copied().unwrap_or_default();
            assert!(most(Role::Publish) <= 1, "{} at once", most(Role::Publish));
            assert!(
                most(Role::Play) <= flights::MAX_PARALLEL,
                "{} at once",
                most(Role::Play)
            );
        });
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..=9 => {
                for _ in 0..=self.random.below(12) {
                    self.caller();
                }
            }
            10..=13 => sleep(self.random.millis(400)).await,
            14 => sleep(self.random.millis(15_000)).await,
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
        while let Some(ended) = self.callers.try_join_next() {
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
        self.manager.book(|book| book.mood = Mood { faults, delay });
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
        Lookup {
            role,
            key: StreamKey::new("live", &name).unwrap(),
            hints: Hints::from_query(hints, Api::V1).unwrap(),
        }
    }

    fn caller(&mut self) {
        let lookup = self.lookup();
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
        self.callers.spawn(async move {
            let began = Instant::now();
            let Ok(answer) = timeout(patience, cached.locate(&lookup, purpose)).await else {
                assert!(patience < Duration::from_mins(1), "waited for ever");
                return;
            };
            if let Ok(candidates) = answer {
                check.used(&lookup, purpose, &candidates, began);
            }
        });
    }
}

/// What must always hold of an answer that is used.
struct Check {
    manager: Arc<Manager>,
    overs: Arc<Mutex<Overs>>,
    config: config::Lookup,
    last: Arc<Mutex<Option<Origin>>>,
}

impl Check {
    fn used(&self, lookup: &Lookup, purpose: Purpose, candidates: &Candidates, began: Instant) {
        assert_eq!(candidates.len(), NODES);
        let first = candidates.iter().next().unwrap();
        *self.last.lock().unwrap() = Some(first.clone());
        self.manager.book(|book| {
            let given = &mut book.given[number(first)];
            // Where all candidates are ejected, more are asked for.
            let same = given.lookup == *lookup || Some(&given.lookup) == lookup.wider().as_ref();
            assert!(same, "an answer to another question");
            let over_at = self.over_at(&given.lookup, candidates);
            let fault = book.faults.get(&given.lookup).copied();
            let (age, asked) = (began.saturating_duration_since(given.said), given.asked);
            let life = match lookup.role {
                Role::Publish => self.config.publish_ttl,
                Role::Play => self.config.play_ttl,
            };
            assert!(
                age < life + self.config.stale_for.max(life),
                "{age:?} old: it was to be gone"
            );
            // A probe a second goes out as long as nobody else asks.
            let probed = book.probes.last().map(|at| *at + Duration::from_secs(1));
            let lately = fault.max(probed).filter(|at| *at + LATELY >= began);
            let in_vain = |since: Instant| lately.is_some_and(|at| at >= since);
            if age >= life * 2 {
                assert!(
                    in_vain(asked),
                    "{age:?} old, and nobody asked for a newer one"
                );
            }
            if let Some(over) = over_at.filter(|over| *over > asked && *over < began) {
                assert!(
                    in_vain(over),
                    "used {:?} after it did not hold",
                    began - over
                );
            }
            if purpose == Purpose::Session {
                given.sessions += 1;
                let most = match lookup.role {
                    Role::Publish => usize::MAX,
                    Role::Play => self.config.play_uses,
                };
                assert!(
                    given.sessions <= most || in_vain(asked),
                    "{} uses",
                    given.sessions
                );
            }
        });
    }

    fn over_at(&self, lookup: &Lookup, candidates: &Candidates) -> Option<Instant> {
        let overs = self.overs.lock().unwrap();
        let failed = candidates
            .iter()
            .filter_map(|origin| overs.unreachable.get(&origin.named()));
        [
            overs.forgotten.get(lookup),
            overs.ended.get(&lookup.key),
            failed.max(),
        ]
        .into_iter()
        .flatten()
        .max()
        .copied()
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
