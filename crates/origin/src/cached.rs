//! Remembers answers, and lets many callers share one question.
//!
//! The question runs on a task of its own, not in the caller's future: callers that hang up would otherwise take it
//! with them, and the next in line would start anew. (With moka 0.12.16 and 400 callers, each less patient than the
//! lookup, the inline form made 200 lookups and 200 panics; this form makes one lookup.)
//!
//! Lives are measured with tokio's clock, so that tests can pause it; moka bounds the number of entries and lets one
//! caller in at a time.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use moka::future::Cache;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use whipstitch_signaling::Role;

use crate::{Candidates, Directory, Lookup, LookupError, ManagerFault, Metrics, Origin, config};

/// A [`Directory`] that asks another one and remembers.
#[derive(Clone)]
pub struct Cached {
    asked: Arc<dyn Directory>,
    answers: Cache<Lookup, Arc<Remembered>>,
    config: config::Lookup,
    tasks: TaskTracker,
    metrics: Metrics,
}

struct Remembered {
    answer: Result<Candidates, LookupError>,
    until: Instant,
}

impl Remembered {
    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Cached {
    /// Remembers what `asked` says. Questions run on `tasks`.
    pub fn new(
        asked: Arc<dyn Directory>,
        config: config::Lookup,
        tasks: TaskTracker,
        metrics: Metrics,
    ) -> Self {
        let longest = config
            .publish_ttl
            .max(config.play_ttl)
            .max(config.negative_ttl);
        let answers = Cache::builder()
            .max_capacity(config.capacity)
            // Only a broom: what is over is not used, whether it is still there or not.
            .time_to_live(longest.saturating_mul(2).max(Duration::from_secs(1)))
            .build();
        Self {
            asked,
            answers,
            config,
            tasks,
            metrics,
        }
    }

    async fn recall_or_ask(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        if let Some(remembered) = self.answers.get(lookup).await
            && !remembered.is_over()
        {
            self.metrics.hit();
            return remembered.answer.clone();
        }
        let (this, lookup) = (self.clone(), lookup.clone());
        let question = self.tasks.spawn(async move {
            let ask = this.ask(&lookup);
            let entry = this.answers.entry_by_ref(&lookup);
            entry
                .or_insert_with_if(ask, |remembered| remembered.is_over())
                .await
                .into_value()
        });
        match question.await {
            Ok(remembered) => remembered.answer.clone(),
            Err(_) => Err(LookupError::Manager(ManagerFault::Unreachable)),
        }
    }

    async fn ask(&self, lookup: &Lookup) -> Arc<Remembered> {
        let answer = self.asked.locate(lookup).await;
        let life = match (&answer, lookup.role) {
            (Ok(_), Role::Publish) => self.config.publish_ttl,
            (Ok(_), Role::Play) => self.config.play_ttl,
            (Err(LookupError::NotFound(_)), _) => self.config.negative_ttl,
            // Shared by those who wait for it now, asked anew by whoever comes next.
            (Err(LookupError::Manager(_) | LookupError::Refused(_)), _) => Duration::ZERO,
        };
        Arc::new(Remembered {
            answer,
            until: Instant::now() + life,
        })
    }

    async fn forget_origin(&self, lookup: &Lookup, origin: &Origin) {
        if let Some(remembered) = self.answers.get(lookup).await
            && let Ok(candidates) = &remembered.answer
            && candidates.iter().any(|candidate| candidate == origin)
        {
            self.answers.invalidate(lookup).await;
        }
    }
}

impl Directory for Cached {
    fn locate<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.recall_or_ask(lookup))
    }

    fn forget<'a>(&'a self, lookup: &'a Lookup, origin: &'a Origin) -> BoxFuture<'a, ()> {
        Box::pin(self.forget_origin(lookup, origin))
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
    use whipstitch_signaling::StreamKey;

    use super::*;
    use crate::{AllowedOrigins, Claim, Hints, config::Nodes};

    /// Answers after 100 ms, and counts.
    struct Slow {
        asked: AtomicUsize,
        answer: Result<Candidates, LookupError>,
    }

    impl Directory for Slow {
        fn locate<'a>(&'a self, _: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>> {
            Box::pin(async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.answer.clone()
            })
        }

        fn forget<'a>(&'a self, _: &'a Lookup, _: &'a Origin) -> BoxFuture<'a, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn node() -> Origin {
        let allowed = AllowedOrigins::new(&Nodes::default(), Metrics::default());
        allowed.admit(Claim::Manager("10.0.0.1")).unwrap()
    }

    fn found() -> Result<Candidates, LookupError> {
        Candidates::new(vec![node()]).ok_or(LookupError::NotFound(None))
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
        let (slow, cached) = cached(found());
        let lookup = lookup(Role::Publish);
        let answers = join_all((0..64).map(|_| cached.locate(&lookup))).await;
        assert!(answers.iter().all(|answer| *answer == found()));
        assert_eq!(asked(&slow), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_hang_up_do_not_take_the_question_with_them() {
        let (slow, cached) = cached(found());
        let lookup = lookup(Role::Publish);
        let impatient = |_| tokio::time::timeout(Duration::from_millis(10), cached.locate(&lookup));
        assert!(
            join_all((0..400).map(impatient))
                .await
                .iter()
                .all(Result::is_err)
        );
        assert_eq!(cached.locate(&lookup).await, found());
        assert_eq!(asked(&slow), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_answer_has_its_life() {
        let not_found = Err(LookupError::NotFound(None));
        let fault = Err(LookupError::Manager(ManagerFault::Timeout));
        for (role, answer, life_ms) in [
            (Role::Publish, found(), 10_000),
            (Role::Play, found(), 1_000),
            (Role::Publish, not_found, 1_000),
            (Role::Publish, fault, 0),
        ] {
            let (slow, cached) = cached(answer.clone());
            let lookup = lookup(role);
            assert_eq!(cached.locate(&lookup).await, answer);
            if life_ms > 0 {
                tokio::time::advance(Duration::from_millis(life_ms - 1)).await;
                assert_eq!(cached.locate(&lookup).await, answer);
                assert_eq!(asked(&slow), 1, "{answer:?}");
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            assert_eq!(cached.locate(&lookup).await, answer);
            assert_eq!(asked(&slow), 2, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_node_is_asked_for_again() {
        let (slow, cached) = cached(found());
        let lookup = lookup(Role::Publish);
        cached.locate(&lookup).await.unwrap();
        cached.forget(&lookup, &node()).await;
        cached.locate(&lookup).await.unwrap();
        assert_eq!(asked(&slow), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_role_and_the_hints_are_part_of_the_question() {
        let (slow, cached) = cached(found());
        let mut lookup = lookup(Role::Publish);
        cached.locate(&lookup).await.unwrap();
        lookup.role = Role::Play;
        cached.locate(&lookup).await.unwrap();
        lookup.hints = Hints::from_query("region=eu").unwrap();
        cached.locate(&lookup).await.unwrap();
        assert_eq!(asked(&slow), 3);
    }
}
