use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use tokio::time::{advance, sleep, timeout};
use whipstitch_signaling::Api;

use super::{singleflight::MAX_LOOKUPS, *};
use crate::{AllowedOrigins, Claim, Hints, config::Nodes};

mod made_up;
mod networks;
mod publishes;

const DELAY: Duration = Duration::from_millis(100);

/// Answers after 100 ms, and counts. The nodes of an answer take turns at being the first.
struct Slow {
    asked: AtomicUsize,
    nodes: Vec<Origin>,
    /// What it names to callers that ask for several, if that is not the same.
    others: Mutex<Vec<Origin>>,
    mood: Mutex<Result<(), LookupError>>,
}

impl Source for Slow {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            let turn = self.asked.fetch_add(1, Ordering::SeqCst);
            sleep(DELAY).await;
            self.mood.lock().unwrap().clone()?;
            if lookup.hints.get("endpoints").is_some() {
                return Ok(Candidates::new(self.others.lock().unwrap().clone()).unwrap());
            }
            let candidates = Candidates::new(self.nodes.clone()).unwrap();
            Ok(candidates.rotated(turn))
        })
    }
}

impl Slow {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn says(&self, mood: Result<(), LookupError>) {
        *self.mood.lock().unwrap() = mood;
    }
}

const FAULT: LookupError = LookupError::Manager(ManagerFault::Timeout(Duration::from_secs(2)));

async fn node(number: u8) -> Origin {
    let allowed = AllowedOrigins::new(&Nodes::default(), Metrics::default());
    let address = Ipv4Addr::new(10, 0, 0, number).to_string();
    allowed.admit(Claim::Manager(&address)).await.unwrap()
}

async fn cached_with(nodes: u8, config: config::Lookup) -> (Arc<Slow>, Cached) {
    let slow = Arc::new(Slow {
        asked: AtomicUsize::new(0),
        nodes: join_all((1..=nodes).map(node)).await,
        others: Mutex::default(),
        mood: Mutex::new(Ok(())),
    });
    let health = Health::new(&Nodes::default(), Metrics::default());
    let (tasks, metrics) = (TaskTracker::new(), Metrics::default());
    let cached = Cached::new(slow.clone(), config, health, tasks, metrics);
    (slow, cached)
}

async fn cached() -> (Arc<Slow>, Cached) {
    cached_with(1, config::Lookup::default()).await
}

/// A directory whose answers to play are fresh for ten seconds.
async fn lasting() -> (Arc<Slow>, Cached) {
    let config = config::Lookup {
        play_ttl: Duration::from_secs(10),
        ..config::Lookup::default()
    };
    cached_with(1, config).await
}

fn lookup(role: Role) -> Lookup {
    Lookup::new(
        role,
        StreamKey::new("live", "s1").unwrap(),
        Hints::default(),
    )
}

async fn session(cached: &Cached, lookup: &Lookup) -> Result<Candidates, LookupError> {
    cached
        .locate(lookup, Asker::UNKNOWN, Purpose::Session)
        .await
}

async fn pass(time: Duration) {
    advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_question() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    let answers = join_all((0..64).map(|_| session(&cached, &lookup))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((slow.asked(), cached.0.lookups.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_callers_half_of_them_impatient_are_one_question() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    let waiters = (0..1000).map(|waiter| {
        let patience = if waiter % 2 == 0 {
            DELAY / 10
        } else {
            DELAY * 2
        };
        timeout(patience, session(&cached, &lookup))
    });
    let answered = join_all(waiters)
        .await
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Ok(_))));
    assert_eq!((answered.count(), slow.asked()), (500, 1));
}

#[tokio::test(start_paused = true)]
async fn callers_that_hang_up_do_not_take_the_question_with_them() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    let impatient = |_| timeout(DELAY / 10, session(&cached, &lookup));
    let answers = join_all((0..400).map(impatient)).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(session(&cached, &lookup).await.is_ok());
    assert_eq!(slow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_answer_has_its_life() {
    let not_found = Err(LookupError::NotFound(None));
    for (role, mood, used_ms) in [
        // As long as its life, and as long again while a new one is fetched.
        (Role::Play, Ok(()), 2_000),
        (Role::Play, not_found.clone(), 1_000),
        (Role::Play, Err(FAULT), 0),
        // A publish is asked each time.
        (Role::Publish, Ok(()), 0),
        (Role::Publish, not_found, 0),
        (Role::Publish, Err(FAULT), 0),
    ] {
        let (slow, cached) = cached().await;
        slow.says(mood.clone());
        let lookup = lookup(role);
        let ask = || async { session(&cached, &lookup).await.map(drop) };
        assert_eq!(ask().await, mood);
        if used_ms > 0 {
            pass(Duration::from_millis(used_ms - 1)).await;
            let (began, before) = (Instant::now(), slow.asked());
            assert_eq!(ask().await, mood);
            assert_eq!((began.elapsed(), before), (Duration::ZERO, 1), "{mood:?}");
            sleep(DELAY * 2).await;
            let asked = slow.asked();
            pass(Duration::from_millis(used_ms)).await;
            assert_eq!(ask().await, mood);
            assert_eq!(slow.asked(), asked + 1, "{mood:?}");
        } else {
            assert_eq!(ask().await, mood);
            assert_eq!(slow.asked(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_answer_asks_nobody_and_an_aging_one_is_replaced_meanwhile() {
    let (slow, cached) = lasting().await;
    let lookup = lookup(Role::Play);
    session(&cached, &lookup).await.unwrap();
    pass(Duration::from_millis(9_999)).await;
    session(&cached, &lookup).await.unwrap();
    sleep(DELAY).await;
    assert_eq!(slow.asked(), 1, "fresh");
    let began = Instant::now();
    for _ in 0..10 {
        session(&cached, &lookup).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "no caller waits");
    sleep(DELAY).await;
    assert_eq!(slow.asked(), 2, "one refresh");
    pass(Duration::from_millis(9_800)).await;
    session(&cached, &lookup).await.unwrap();
    sleep(DELAY).await;
    assert_eq!(slow.asked(), 2, "the new one is fresh");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_play_is_used_for_so_many_sessions_and_its_nodes_in_turn() {
    let config = config::Lookup {
        play_uses: 8,
        ..config::Lookup::default()
    };
    let (slow, cached) = cached_with(4, config).await;
    let lookup = lookup(Role::Play);
    let mut shares: HashMap<String, usize> = HashMap::new();
    for _ in 0..6 {
        let candidates = session(&cached, &lookup).await.unwrap();
        assert_eq!(candidates.len(), 4);
        let first = candidates.iter().next().unwrap().to_string();
        *shares.entry(first).or_default() += 1;
    }
    assert_eq!(shares.len(), 4, "{shares:?}");
    // A question is no use, and the last quarter asks for more before it is used up.
    for _ in 0..10 {
        cached
            .locate(&lookup, Asker::UNKNOWN, Purpose::Inquiry)
            .await
            .unwrap();
    }
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), 1);
    session(&cached, &lookup).await.unwrap();
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_players_is_dealt_over_several_answers() {
    let (slow, cached) = cached_with(5, config::Lookup::default()).await;
    let lookup = lookup(Role::Play);
    let began = Instant::now();
    let answers = join_all((0..10_000).map(|_| session(&cached, &lookup))).await;
    let mut shares: HashMap<String, usize> = HashMap::new();
    for candidates in answers {
        let first = candidates.unwrap().iter().next().unwrap().to_string();
        *shares.entry(first).or_default() += 1;
    }
    assert!(
        shares.len() == 5 && shares.values().all(|share| (1_800..=2_200).contains(share)),
        "{shares:?}"
    );
    assert!(slow.asked() <= 500, "{}", slow.asked());
    assert!(began.elapsed() < DELAY * 30, "{:?}", began.elapsed());
    assert_eq!(cached.0.lookups.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_use_that_came_to_nothing_is_another_callers() {
    let config = config::Lookup {
        play_uses: 2,
        ..config::Lookup::default()
    };
    let (slow, cached) = cached_with(2, config).await;
    let lookup = lookup(Role::Play);
    let gone = join_all((0..10).map(|_| timeout(DELAY / 2, session(&cached, &lookup))));
    let there = join_all((0..2).map(|_| session(&cached, &lookup)));
    let (_, there) = tokio::join!(gone, there);
    assert!(there.iter().all(Result::is_ok));
    assert_eq!(slow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_hold_is_asked_for_again() {
    let config = config::Lookup {
        play_ttl: Duration::from_secs(10),
        ..config::Lookup::default()
    };
    let (slow, cached) = cached_with(2, config).await;
    let lookup = lookup(Role::Play);
    let ask = || async { session(&cached, &lookup).await.unwrap() };
    ask().await;
    cached.forget(&lookup);
    ask().await;
    assert_eq!(slow.asked(), 2, "a node said no");
    cached.ended(&lookup.key);
    ask().await;
    assert_eq!(slow.asked(), 3, "the publish ended");
    pass(Duration::from_millis(1)).await;
    cached.report(&node(2).await, Outcome::Unreachable(crate::Cause::Refused));
    pass(Duration::from_millis(1)).await;
    ask().await;
    assert_eq!(slow.asked(), 4, "a node was not reached");
    // What is said afterwards holds.
    pass(Duration::from_secs(1)).await;
    ask().await;
    assert_eq!(slow.asked(), 4);
    cached.report(&node(1).await, Outcome::Answered);
    ask().await;
    assert_eq!(slow.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn while_the_manager_cannot_tell_what_was_said_is_used() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Play);
    session(&cached, &lookup).await.unwrap();
    slow.says(Err(FAULT));
    pass(Duration::from_mins(1)).await;
    let began = Instant::now();
    session(&cached, &lookup).await.unwrap();
    assert_eq!(began.elapsed(), DELAY, "the first waits for the answer");
    let asked = slow.asked();
    for _ in 0..200 {
        session(&cached, &lookup).await.unwrap();
        pass(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() <= DELAY + Duration::from_secs(1));
    assert!(slow.asked() - asked <= 3, "{}", slow.asked() - asked);
    // Not even what did not hold is thrown away: there is nothing better.
    cached.forget(&lookup);
    cached.ended(&lookup.key);
    session(&cached, &lookup).await.unwrap();
    slow.says(Ok(()));
    sleep(DELAY + Duration::from_millis(500)).await;
    session(&cached, &lookup).await.unwrap();
    sleep(DELAY * 2).await;
    assert_eq!(cached.entries().len(), 1);
    assert_eq!(cached.entries()[0].freshness, Freshness::Fresh);
    slow.says(Err(FAULT));
    pass(Duration::from_secs(3_600 + 11)).await;
    assert_eq!(session(&cached, &lookup).await, Err(FAULT), "not for ever");
}

#[tokio::test(start_paused = true)]
async fn an_ejected_node_is_tried_last() {
    let (_, cached) = cached_with(2, config::Lookup::default()).await;
    let lookup = lookup(Role::Publish);
    let first = || async {
        let candidates = session(&cached, &lookup).await.unwrap();
        assert_eq!(candidates.len(), 2);
        candidates.iter().next().unwrap().clone()
    };
    assert_eq!(first().await, node(1).await);
    for _ in 0..3 {
        cached.report(&node(1).await, Outcome::Unable(crate::Cause::Closed));
    }
    // The manager's own order takes turns.
    for _ in 0..2 {
        assert_eq!(first().await, node(2).await);
    }
}

#[tokio::test(start_paused = true)]
async fn questions_that_nobody_waits_for_are_bounded_too() {
    let (slow, cached) = cached().await;
    let lookups: Vec<Lookup> = (0..MAX_LOOKUPS + 50)
        .map(|number| {
            Lookup::new(
                Role::Publish,
                StreamKey::new("live", &format!("s{number}")).unwrap(),
                Hints::default(),
            )
        })
        .collect();
    let impatient = lookups
        .iter()
        .map(|lookup| timeout(DELAY / 10, session(&cached, lookup)));
    let answers = join_all(impatient).await;
    let busy = answers
        .iter()
        .filter(|answer| **answer == Ok(Err(LookupError::Busy)));
    assert_eq!(busy.count(), 50);
    assert_eq!(slow.asked(), MAX_LOOKUPS);
    sleep(DELAY).await;
    assert_eq!(cached.0.lookups.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_role_and_the_hints_are_part_of_the_question() {
    let (slow, cached) = cached().await;
    let mut lookup = lookup(Role::Publish);
    session(&cached, &lookup).await.unwrap();
    lookup.role = Role::Play;
    session(&cached, &lookup).await.unwrap();
    lookup.hints = Hints::from_query("region=eu", Api::V1).unwrap();
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), 3);
}

/// A source whose question panics.
struct Broken;

impl Source for Broken {
    fn ask<'a>(
        &'a self,
        _: &'a Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            panic!("a defect")
        })
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_question_that_was_dropped() {
    let health = Health::new(&Nodes::default(), Metrics::default());
    let config = config::Lookup::default();
    let (tasks, metrics) = (TaskTracker::new(), Metrics::default());
    let cached = Cached::new(Arc::new(Broken), config, health, tasks, metrics);
    let lookup = lookup(Role::Publish);
    let answers = join_all((0..3).map(|_| session(&cached, &lookup))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(cached.0.lookups.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_long_ago_does_not_make_a_stale_answer_good() {
    let (slow, cached) = lasting().await;
    let lookup = lookup(Role::Play);
    session(&cached, &lookup).await.unwrap();
    pass(Duration::from_secs(15)).await;
    slow.says(Err(FAULT));
    session(&cached, &lookup).await.unwrap();
    sleep(DELAY * 2).await;
    slow.says(Ok(()));
    let asked = slow.asked();
    pass(Duration::from_mins(50)).await;
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_an_answer_did_not_hold_says_nothing_about_after() {
    let (slow, cached) = lasting().await;
    let lookup = lookup(Role::Play);
    session(&cached, &lookup).await.unwrap();
    pass(Duration::from_secs(15)).await;
    slow.says(Err(FAULT));
    session(&cached, &lookup).await.unwrap();
    sleep(DELAY * 2).await;
    slow.says(Ok(()));
    let asked = slow.asked();
    cached.forget(&lookup);
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_something_happened_does_not_know_of_it() {
    for happens in [
        |cached: &Cached, lookup: &Lookup| cached.ended(&lookup.key),
        |cached: &Cached, lookup: &Lookup| cached.forget(lookup),
    ] {
        let (slow, cached) = cached().await;
        let lookup = lookup(Role::Play);
        let meanwhile = async {
            sleep(DELAY / 2).await;
            happens(&cached, &lookup);
        };
        let (answer, ()) = tokio::join!(session(&cached, &lookup), meanwhile);
        answer.unwrap();
        session(&cached, &lookup).await.unwrap();
        assert_eq!(slow.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_no_without_a_word_does_not_outweigh_what_was_said() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    session(&cached, &lookup).await.unwrap();
    pass(Duration::from_secs(25)).await;
    slow.says(Err(LookupError::NotFound(None)));
    assert!(session(&cached, &lookup).await.is_ok(), "a bare 404");
    let no = Err(LookupError::NotFound(Some("no such stream".into())));
    slow.says(no.clone().map(|_: Candidates| ()));
    pass(Duration::from_secs(5)).await;
    assert_eq!(session(&cached, &lookup).await, no, "the manager's own");
}

#[tokio::test(start_paused = true)]
async fn if_the_only_candidate_is_ejected_others_are_asked_for() {
    let (slow, cached) = cached_with(1, config::Lookup::default()).await;
    *slow.others.lock().unwrap() = vec![node(1).await, node(2).await];
    let lookup = lookup(Role::Play);
    let first = || async {
        let candidates = session(&cached, &lookup).await.unwrap();
        candidates.iter().next().unwrap().clone()
    };
    assert_eq!(first().await, node(1).await);
    cached.report(&node(1).await, Outcome::Unreachable(crate::Cause::Refused));
    pass(Duration::from_millis(1)).await;
    assert_eq!(first().await, node(2).await);
    let asked = slow.asked();
    assert_eq!(first().await, node(2).await);
    assert_eq!(slow.asked(), asked, "that is remembered, too");
}
