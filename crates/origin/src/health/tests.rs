use super::*;
use crate::{AllowedOrigins, Claim};

use tokio::time::advance;

const FIVE: Duration = Duration::from_secs(5);

fn health() -> Health {
    Health::new(&Nodes::default(), Metrics::default())
}

async fn nodes() -> (Origin, Origin, Candidates) {
    let allowed = AllowedOrigins::new(&Nodes::default(), Metrics::default());
    let one = allowed.admit(Claim::Manager("10.0.0.1")).await.unwrap();
    let two = allowed.admit(Claim::Manager("10.0.0.2")).await.unwrap();
    let both = Candidates::new(vec![one.clone(), two.clone()]).unwrap();
    (one, two, both)
}

fn first(health: &Health, candidates: &Candidates) -> Origin {
    health
        .order(candidates.clone())
        .iter()
        .next()
        .unwrap()
        .clone()
}

fn state(health: &Health) -> OutlierState {
    health.seen()[0].state
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_reached_is_ejected_at_once_and_one_that_fails_after_three() {
    let (one, two, both) = nodes().await;
    let health = health();
    assert_eq!(first(&health, &both), one);
    health.report(&one, Outcome::Unreachable(Cause::Refused));
    assert_eq!(first(&health, &both), two);
    assert_eq!(health.order(both.clone()).len(), 2, "a preference, no ban");

    for outcome in [
        Outcome::Unable(Cause::Status(503)),
        Outcome::Silent(Cause::Timeout(FIVE)),
    ] {
        let health = super::Health::new(&Nodes::default(), Metrics::default());
        for _ in 0..2 {
            health.report(&one, outcome.clone());
        }
        assert_eq!(first(&health, &both), one);
        health.report(&one, Outcome::Answered);
        health.report(&one, outcome.clone());
        assert_eq!(first(&health, &both), one, "not in a row");
        health.report(&one, outcome.clone());
        health.report(&one, outcome.clone());
        assert_eq!(first(&health, &both), two);
        assert_eq!(health.seen()[0].failures, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_is_slow() {
    let (one, two, both) = nodes().await;
    let health = health();
    health.report(&one, Outcome::Unreachable(Cause::Refused));
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(first(&health, &both), two);
    advance(Duration::from_millis(1)).await;
    assert_eq!(state(&health), OutlierState::Probing);
    for _ in 0..PROBES {
        assert_eq!(first(&health, &both), one, "one request tries it");
        assert_eq!(first(&health, &both), two, "and no more for a second");
        health.report(&one, Outcome::Answered);
        advance(PROBE_EVERY).await;
    }
    assert_eq!(state(&health), OutlierState::Healthy);
    assert_eq!(
        (first(&health, &both), first(&health, &both)),
        (one.clone(), one)
    );
}

#[tokio::test(start_paused = true)]
async fn each_ejection_in_a_row_is_twice_as_long_up_to_five_minutes() {
    let (one, _, _) = nodes().await;
    let health = health();
    let mut seconds = Vec::new();
    for _ in 0..9 {
        health.report(&one, Outcome::Unreachable(Cause::Refused));
        let OutlierState::Ejected { until } = state(&health) else {
            panic!("{:?}", state(&health))
        };
        seconds.push((until - Instant::now()).as_secs());
        // A failure while it is ejected anyway changes nothing.
        health.report(&one, Outcome::Unreachable(Cause::Refused));
        advance(until - Instant::now()).await;
    }
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    advance(FORGET_AFTER + FIVE).await;
    health.report(&one, Outcome::Unreachable(Cause::Refused));
    let OutlierState::Ejected { until } = state(&health) else {
        panic!("{:?}", state(&health))
    };
    assert_eq!(until - Instant::now(), FIVE, "forgiven");
}

#[tokio::test(start_paused = true)]
async fn on_the_way_back_one_failure_is_enough() {
    let (one, two, both) = nodes().await;
    let health = health();
    health.report(&one, Outcome::Unreachable(Cause::Refused));
    advance(FIVE).await;
    assert_eq!(first(&health, &both), one);
    health.report(&one, Outcome::Unable(Cause::Closed));
    assert_eq!(first(&health, &both), two);
    advance(FIVE).await;
    assert!(matches!(state(&health), OutlierState::Ejected { .. }));
}

#[tokio::test(start_paused = true)]
async fn if_all_are_ejected_their_order_is_the_managers() {
    let (one, two, both) = nodes().await;
    let health = health();
    health.report(&two, Outcome::Unreachable(Cause::Refused));
    health.report(&one, Outcome::Unreachable(Cause::Refused));
    assert_eq!(first(&health, &both), one);
}

/// A client that uses a session from before a restart is the first to dial its node.
#[tokio::test(start_paused = true)]
async fn a_node_that_was_only_dialled_gets_its_name_from_whoever_knows_it() {
    let config = Nodes {
        map: vec!["203.0.113.7=10.0.0.7".parse().unwrap()],
        ..Nodes::default()
    };
    let allowed = AllowedOrigins::new(&config, Metrics::default());
    let node = allowed.admit(Claim::Manager("203.0.113.7")).await.unwrap();
    let health = health();
    health.connected(node.addr(), FIVE);
    assert_eq!(health.seen()[0].address, node.addr().ip());
    health.report(&node, Outcome::Answered);
    assert_eq!(health.seen()[0].address, node.named());
    assert_ne!(node.named(), node.addr().ip());
    assert!(health.seen().len() == 1 && health.seen()[0].connect.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_seen_of_a_node_has_the_cause_and_since_when() {
    let (one, _, _) = nodes().await;
    let health = health();
    health.report(&one, Outcome::Unable(Cause::Status(503)));
    let seen = health.seen().remove(0);
    assert_eq!(seen.unhealthy_for, None, "one failure ejects no node");
    assert_eq!(
        seen.last_failure,
        Some((Cause::Status(503), Duration::ZERO))
    );

    health.report(&one, Outcome::Unreachable(Cause::Refused));
    advance(FIVE).await;
    // Ejected anew on its way back: it has not been healthy since the first time.
    health.report(&one, Outcome::Unreachable(Cause::NoRoute));
    advance(FIVE).await;
    let seen = health.seen().remove(0);
    assert_eq!(seen.unhealthy_for, Some(FIVE * 2));
    assert_eq!(seen.last_failure, Some((Cause::NoRoute, FIVE)));

    advance(FIVE).await;
    for _ in 0..PROBES {
        health.report(&one, Outcome::Answered);
    }
    assert_eq!(health.seen().remove(0).unhealthy_for, None);
}
