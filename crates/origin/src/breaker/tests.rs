use std::sync::atomic::AtomicUsize;

use tokio::time::{advance, sleep};

use super::*;

/// A manager with a mood, and questions that it cannot answer in any mood.
struct Moody {
    mood: Mutex<Mood>,
    probes: AtomicUsize,
    asked: AtomicUsize,
}

#[derive(Clone)]
enum Mood {
    Answers,
    Faults(ManagerFault),
    /// And then it is a timeout.
    Hangs,
}

impl Source for Moody {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            let probe = lookup.key.name() == "whipstitch-probe";
            let counter = if probe { &self.probes } else { &self.asked };
            counter.fetch_add(1, Ordering::SeqCst);
            let mood = self.mood.lock().unwrap().clone();
            match mood {
                Mood::Answers if lookup.key.name() == "poison" => {
                    Err(ManagerFault::Status(500).into())
                }
                Mood::Answers if lookup.key.name() == "slow" => {
                    sleep(Duration::from_secs(2)).await;
                    Err(ManagerFault::Timeout(Duration::from_secs(2)).into())
                }
                Mood::Answers => Err(LookupError::NotFound(None)),
                Mood::Faults(fault) => Err(fault.into()),
                Mood::Hangs => {
                    sleep(Duration::from_secs(2)).await;
                    Err(ManagerFault::Timeout(Duration::from_secs(2)).into())
                }
            }
        })
    }
}

impl Moody {
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }
}

fn breaker() -> (Arc<Moody>, Breaker) {
    let moody = Arc::new(Moody {
        mood: Mutex::new(Mood::Answers),
        probes: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
    });
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let breaker = Breaker::new(moody.clone(), tasks, stop, Metrics::default());
    (moody, breaker)
}

impl Breaker {
    /// Asks for no client in particular.
    async fn ask(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        Source::ask(self, lookup, Asker::UNKNOWN).await
    }
}

fn lookup(name: &str) -> Lookup {
    Lookup::new(
        Role::Publish,
        StreamKey::new("live", name).unwrap(),
        Hints::default(),
    )
}

const CIRCUIT_OPEN: Result<Candidates, LookupError> =
    Err(LookupError::Manager(ManagerFault::CircuitOpen));

#[tokio::test(start_paused = true)]
async fn after_three_faults_in_a_row_nobody_waits() {
    for mood in [
        Mood::Faults(ManagerFault::Unreachable(Cause::Refused)),
        Mood::Faults(ManagerFault::Status(500)),
        Mood::Faults(ManagerFault::NotAnAnswer),
        Mood::Hangs,
    ] {
        let (moody, breaker) = breaker();
        let stream = lookup("s1");
        let ask = || breaker.ask(&stream);
        moody.is(mood.clone());
        for _ in 0..2 {
            ask().await.unwrap_err();
        }
        moody.is(Mood::Answers);
        assert_eq!(ask().await, Err(LookupError::NotFound(None)));
        moody.is(mood);
        for _ in 0..2 {
            ask().await.unwrap_err();
        }
        assert!(!breaker.is_open(), "not in a row");
        ask().await.unwrap_err();
        sleep(PATIENCE + Duration::from_millis(1)).await;
        assert!(breaker.is_open());
        let began = Instant::now();
        assert_eq!(ask().await, CIRCUIT_OPEN);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_a_second_and_no_more_finds_out_when_it_is_back() {
    for mood in [
        Mood::Faults(ManagerFault::Unreachable(Cause::Refused)),
        Mood::Hangs,
    ] {
        let (moody, breaker) = breaker();
        let stream = lookup("s1");
        moody.is(mood);
        for _ in 0..3 {
            breaker.ask(&stream).await.unwrap_err();
        }
        sleep(PATIENCE + Duration::from_millis(1)).await;
        let (asked, began) = (moody.asked.load(Ordering::SeqCst), Instant::now());
        for _ in 0..6_000 {
            assert_eq!(breaker.ask(&stream).await, CIRCUIT_OPEN);
            sleep(Duration::from_millis(10)).await;
        }
        let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
        assert!(
            (seconds - 1..=seconds + 1).contains(&moody.probes()),
            "{}",
            moody.probes()
        );
        assert_eq!(moody.asked.load(Ordering::SeqCst), asked);

        moody.is(Mood::Answers);
        let healed = Instant::now();
        while breaker.is_open() {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(
            healed.elapsed() <= Duration::from_millis(1_010),
            "{:?}",
            healed.elapsed()
        );
        assert_eq!(breaker.ask(&stream).await, Err(LookupError::NotFound(None)));
        let probes = moody.probes();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(
            moody.probes(),
            probes,
            "no probes of a manager that answers"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_knows_a_question_that_has_no_answer_opens_nothing() {
    let (moody, breaker) = breaker();
    let (poison, stream) = (lookup("poison"), lookup("s1"));
    for _ in 0..2_000 {
        breaker.ask(&poison).await.unwrap_err();
        assert!(!breaker.is_open());
        advance(Duration::from_millis(5)).await;
    }
    assert_eq!(breaker.ask(&stream).await, Err(LookupError::NotFound(None)));
    assert!(moody.probes() <= 11, "{}", moody.probes());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_probes() {
    let (moody, breaker) = breaker();
    moody.is(Mood::Faults(ManagerFault::Unreachable(Cause::Refused)));
    for _ in 0..3 {
        breaker.ask(&lookup("s1")).await.unwrap_err();
    }
    let tasks = breaker.0.tasks.clone();
    tasks.close();
    // Open by now, and not found to be wrong.
    advance(Duration::from_millis(1)).await;
    while !breaker.is_open() {
        tokio::task::yield_now().await;
    }
    breaker.0.stop.cancel();
    tasks.wait().await;
    assert!(breaker.is_open(), "no answer has come again yet");
}

#[tokio::test(start_paused = true)]
async fn who_knows_a_question_that_takes_long_opens_nothing() {
    let (moody, breaker) = breaker();
    let (slow, stream) = (lookup("slow"), lookup("s1"));
    let (attack, tasks) = (breaker.clone(), TaskTracker::new());
    for _ in 0..600 {
        let (attack, slow) = (attack.clone(), slow.clone());
        tasks.spawn(async move { attack.ask(&slow).await });
        sleep(Duration::from_millis(100)).await;
        assert_eq!(breaker.ask(&stream).await, Err(LookupError::NotFound(None)));
    }
    assert!(moody.probes() <= 61, "{}", moody.probes());
}

/// A manager that is away, and a probe of it that panics once.
struct Panics(AtomicUsize);

impl Source for Panics {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            let probe = lookup.key.name() == "whipstitch-probe";
            let number = if probe {
                self.0.fetch_add(1, Ordering::SeqCst)
            } else {
                0
            };
            assert_ne!(number, 1, "a defect");
            match self.0.load(Ordering::SeqCst) {
                ..2 => Err(ManagerFault::Unreachable(Cause::Refused).into()),
                _ => Err(LookupError::NotFound(None)),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_does_not_shut_it_for_ever() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let panics = Arc::new(Panics(AtomicUsize::new(0)));
    let breaker = Breaker::new(panics, tasks, stop, Metrics::default());
    for _ in 0..3 {
        breaker.ask(&lookup("s1")).await.unwrap_err();
    }
    sleep(Duration::from_millis(1)).await;
    assert!(breaker.is_open());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        breaker.ask(&lookup("s1")).await,
        Err(LookupError::NotFound(None))
    );
}

/// The manager as an operator sees it.
fn seen(breaker: &Breaker) -> (Option<bool>, Option<Cause>) {
    let seen = breaker.0.metrics.manager();
    (seen.answers, seen.last_error.map(|(cause, _)| cause))
}

#[tokio::test(start_paused = true)]
async fn an_idle_manager_is_asked_at_the_start_and_then_every_so_often() {
    const EVERY: Duration = Duration::from_secs(30);
    let (moody, breaker) = breaker();
    breaker.probe_when_idle(EVERY);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(moody.probes(), 1);
    for minute in 1..10 {
        sleep(EVERY * 2).await;
        assert_eq!(moody.probes(), 1 + 2 * minute);
    }
    // As long as clients ask there is nothing to find out.
    let probes = moody.probes();
    for _ in 0..100 {
        let _ = breaker.ask(&lookup("s1")).await;
        sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(moody.probes(), probes);
    sleep(EVERY).await;
    assert_eq!(moody.probes(), probes + 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_start_is_known_within_a_second_and_so_is_its_cause() {
    for (mood, cause) in [
        (
            Mood::Faults(ManagerFault::Unreachable(Cause::Refused)),
            Cause::Refused,
        ),
        (Mood::Hangs, Cause::Timeout(PATIENCE)),
    ] {
        let (moody, breaker) = breaker();
        moody.is(mood);
        breaker.probe_when_idle(Duration::from_secs(30));
        sleep(Duration::from_millis(999)).await;
        assert_eq!(seen(&breaker), (Some(false), Some(cause)));
        sleep(Duration::from_secs(3)).await;
        assert!(breaker.is_open(), "no client had to find out");
        moody.is(Mood::Answers);
        sleep(Duration::from_secs(1)).await;
        assert!(!breaker.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_to_the_idle_probe_alone_holds_no_lookup_back() {
    for fault in [
        ManagerFault::Status(500),
        ManagerFault::Status(401),
        ManagerFault::NotAnAnswer,
    ] {
        let (moody, breaker) = breaker();
        moody.is(Mood::Faults(fault));
        breaker.probe_when_idle(Duration::from_secs(1));
        sleep(Duration::from_mins(5)).await;
        assert!(!breaker.is_open());
        assert!(moody.probes() >= 299, "{}", moody.probes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_idle_probe() {
    let (moody, breaker) = breaker();
    moody.is(Mood::Hangs);
    breaker.probe_when_idle(Duration::from_secs(30));
    sleep(Duration::from_millis(1)).await;
    let tasks = breaker.0.tasks.clone();
    tasks.close();
    breaker.0.stop.cancel();
    tasks.wait().await;
}
