//! Remembers answers, and lets many callers share one question.
//!
//! The question runs on a task of its own, not in the caller's future: callers that hang up would otherwise take it
//! with them, and the next in line would start anew. (With moka 0.12.16 and 400 callers, each less patient than the
//! lookup, the inline form made 200 lookups and 200 panics; this form makes one lookup.)
//!
//! Lives are measured with tokio's clock, so that tests can pause it; moka bounds the number of entries and lets one
//! caller in at a time.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use moka::{future::Cache, sync};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;
use whipstitch_signaling::{Role, StreamKey};

use crate::{
    Candidates, Directory, Lookup, LookupError, ManagerFault, Metrics, Origin, Outcome, Purpose,
    Source, config,
};

/// Most questions under way at once. Callers that hang up leave theirs behind, so the limit of requests is none here.
const MAX_QUESTIONS: usize = 1024;
/// Most nodes remembered to have failed.
const MAX_FAILED: u64 = 10_000;

/// A [`Directory`] that asks another one and remembers.
#[derive(Clone)]
pub struct Cached {
    asked: Arc<dyn Source>,
    answers: Cache<Lookup, Arc<Remembered>>,
    /// When each node last failed: what was said about it before that is over.
    failed: sync::Cache<SocketAddr, Instant>,
    questions: Arc<Semaphore>,
    config: config::Lookup,
    tasks: TaskTracker,
    metrics: Metrics,
}

struct Remembered {
    answer: Result<Candidates, LookupError>,
    said: Instant,
    until: Instant,
}

impl Cached {
    /// Remembers what `asked` says. Questions run on `tasks`.
    pub fn new(
        asked: Arc<dyn Source>,
        config: config::Lookup,
        tasks: TaskTracker,
        metrics: Metrics,
    ) -> Self {
        let longest = config
            .publish_ttl
            .max(config.play_ttl)
            .max(config.negative_ttl);
        // Only a broom: what is over is not used, whether it is still there or not.
        let broom = longest.saturating_mul(2).max(Duration::from_secs(1));
        Self {
            asked,
            answers: Cache::builder()
                .max_capacity(config.capacity)
                .time_to_live(broom)
                .build(),
            failed: sync::Cache::builder()
                .max_capacity(MAX_FAILED)
                .time_to_live(broom)
                .build(),
            questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            config,
            tasks,
            metrics,
        }
    }

    async fn recall_or_ask(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        if let Some(remembered) = self.answers.get(lookup).await
            && !self.is_over(&remembered)
        {
            self.metrics.hit();
            return remembered.answer.clone();
        }
        let place = self
            .questions
            .clone()
            .try_acquire_owned()
            .map_err(|_| LookupError::Busy)?;
        let (this, lookup) = (self.clone(), lookup.clone());
        let question = self.tasks.spawn(async move {
            // Held until the question is answered, whether or not somebody still waits.
            let _place = place;
            let entry = this.answers.entry_by_ref(&lookup);
            let is_over = |remembered: &Arc<Remembered>| this.is_over(remembered);
            entry
                .or_insert_with_if(this.ask(&lookup), is_over)
                .await
                .into_value()
        });
        match question.await {
            Ok(remembered) => remembered.answer.clone(),
            Err(_) => Err(LookupError::Manager(ManagerFault::Unreachable)),
        }
    }

    async fn ask(&self, lookup: &Lookup) -> Arc<Remembered> {
        let answer = self.asked.ask(lookup).await;
        let life = match (&answer, lookup.role) {
            (Ok(_), Role::Publish) => self.config.publish_ttl,
            (Ok(_), Role::Play) => self.config.play_ttl,
            (Err(LookupError::NotFound(_)), _) => self.config.negative_ttl,
            // Shared by those who wait for it now, asked anew by whoever comes next.
            (Err(LookupError::Manager(_) | LookupError::Refused(_) | LookupError::Busy), _) => {
                Duration::ZERO
            }
        };
        let said = Instant::now();
        Arc::new(Remembered {
            answer,
            said,
            until: said + life,
        })
    }

    fn is_over(&self, remembered: &Remembered) -> bool {
        let failed_since = |origin: &Origin| {
            self.failed
                .get(&origin.addr())
                .is_some_and(|failed| failed >= remembered.said)
        };
        remembered.until <= Instant::now()
            || remembered
                .answer
                .as_ref()
                .is_ok_and(|candidates| candidates.iter().any(failed_since))
    }
}

impl Directory for Cached {
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.recall_or_ask(lookup))
    }

    fn forget(&self, lookup: &Lookup) {
        let (answers, lookup) = (self.answers.clone(), lookup.clone());
        self.tasks
            .spawn(async move { answers.invalidate(&lookup).await });
    }

    fn ended(&self, _: &StreamKey) {}

    fn report(&self, origin: &Origin, outcome: Outcome) {
        if outcome == Outcome::Unreachable {
            self.failed.insert(origin.addr(), Instant::now());
        }
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("entries", &self.answers.entry_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::{AllowedOrigins, Claim, Hints, config::Nodes};

    /// Answers after 100 ms, and counts.
    struct Slow {
        asked: AtomicUsize,
        answer: Result<Candidates, LookupError>,
    }

    impl Source for Slow {
        fn ask<'a>(&'a self, _: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>> {
            Box::pin(async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.answer.clone()
            })
        }
    }

    async fn node() -> Origin {
        let allowed = AllowedOrigins::new(&Nodes::default(), Metrics::default());
        allowed.admit(Claim::Manager("10.0.0.1")).await.unwrap()
    }

    async fn found() -> Result<Candidates, LookupError> {
        Candidates::new(vec![node().await]).ok_or(LookupError::NotFound(None))
    }

    fn cached(answer: Result<Candidates, LookupError>) -> (Arc<Slow>, Cached) {
        let slow = Arc::new(Slow {
            asked: AtomicUsize::new(0),
            answer,
        });
        let cached = Cached::new(
            slow.clone(),
            config::Lookup::default(),
            TaskTracker::new(),
            Metrics::default(),
        );
        (slow, cached)
    }

    fn lookup(role: Role) -> Lookup {
        Lookup {
            role,
            key: StreamKey::new("live", "s1").unwrap(),
            hints: Hints::default(),
        }
    }

    fn asked(slow: &Slow) -> usize {
        slow.asked.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_question() {
        let (slow, cached) = cached(found().await);
        let lookup = lookup(Role::Publish);
        let found = found().await;
        let answers = join_all((0..64).map(|_| cached.locate(&lookup, Purpose::Session))).await;
        assert!(answers.iter().all(|answer| *answer == found));
        assert_eq!(asked(&slow), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_hang_up_do_not_take_the_question_with_them() {
        let (slow, cached) = cached(found().await);
        let lookup = lookup(Role::Publish);
        let impatient = |_| {
            tokio::time::timeout(
                Duration::from_millis(10),
                cached.locate(&lookup, Purpose::Session),
            )
        };
        assert!(
            join_all((0..400).map(impatient))
                .await
                .iter()
                .all(Result::is_err)
        );
        assert_eq!(
            cached.locate(&lookup, Purpose::Session).await,
            found().await
        );
        assert_eq!(asked(&slow), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_answer_has_its_life() {
        let not_found = Err(LookupError::NotFound(None));
        let fault = Err(LookupError::Manager(ManagerFault::Timeout));
        for (role, answer, life_ms) in [
            (Role::Publish, found().await, 10_000),
            (Role::Play, found().await, 1_000),
            (Role::Publish, not_found, 1_000),
            (Role::Publish, fault, 0),
        ] {
            let (slow, cached) = cached(answer.clone());
            let lookup = lookup(role);
            assert_eq!(cached.locate(&lookup, Purpose::Session).await, answer);
            if life_ms > 0 {
                tokio::time::advance(Duration::from_millis(life_ms - 1)).await;
                assert_eq!(cached.locate(&lookup, Purpose::Session).await, answer);
                assert_eq!(asked(&slow), 1, "{answer:?}");
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            assert_eq!(cached.locate(&lookup, Purpose::Session).await, answer);
            assert_eq!(asked(&slow), 2, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_did_not_hold_is_asked_for_again() {
        let (slow, cached) = cached(found().await);
        let lookup = lookup(Role::Publish);
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        cached.forget(&lookup);
        tokio::task::yield_now().await;
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        assert_eq!(asked(&slow), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_of_a_node_that_failed_is_over() {
        let (slow, cached) = cached(found().await);
        let lookup = lookup(Role::Publish);
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        cached.report(&node().await, Outcome::Unreachable);
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        assert_eq!(asked(&slow), 2);
        // What is said of it afterwards holds again.
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        assert_eq!(asked(&slow), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_nobody_waits_for_are_bounded_too() {
        let (slow, cached) = cached(found().await);
        let lookups: Vec<Lookup> = (0..MAX_QUESTIONS + 50)
            .map(|number| Lookup {
                role: Role::Publish,
                key: StreamKey::new("live", &format!("s{number}")).unwrap(),
                hints: Hints::default(),
            })
            .collect();
        let impatient = lookups.iter().map(|lookup| {
            tokio::time::timeout(
                Duration::from_millis(10),
                cached.locate(lookup, Purpose::Session),
            )
        });
        let answers = join_all(impatient).await;
        let busy = answers
            .iter()
            .filter(|answer| **answer == Ok(Err(LookupError::Busy)));
        assert_eq!(busy.count(), 50);
        assert_eq!(asked(&slow), MAX_QUESTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn the_role_and_the_hints_are_part_of_the_question() {
        let (slow, cached) = cached(found().await);
        let mut lookup = lookup(Role::Publish);
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        lookup.role = Role::Play;
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        lookup.hints = Hints::from_query("region=eu").unwrap();
        cached.locate(&lookup, Purpose::Session).await.unwrap();
        assert_eq!(asked(&slow), 3);
    }
}
