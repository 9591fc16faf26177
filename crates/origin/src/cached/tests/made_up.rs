//! Made-up names and hints evict no answer about a live stream.

use super::*;

/// More than fit in any part of the cache.
const MADE_UP: usize = 25_000;

fn named(role: Role, name: &str) -> Lookup {
    let key = StreamKey::new("live", name).unwrap();
    Lookup::new(role, key, Hints::default())
}

/// Asks for many streams of one kind of answer.
async fn flood(cached: &Cached, role: Role) {
    for first in (0..MADE_UP).step_by(500) {
        let lookups: Vec<_> = (first..first + 500)
            .map(|number| named(role, &format!("made-up{number}")))
            .collect();
        join_all(lookups.iter().map(|lookup| session(cached, lookup))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_every_live_stream_is_served_after_a_flood_of_made_up_names() {
    let (slow, cached) = cached().await;
    let mut known = Vec::new();
    for number in 0..40 {
        let name = format!("known{number}");
        known.extend([Role::Publish, Role::Play].map(|role| named(role, &name)));
    }
    for lookup in &known {
        session(&cached, lookup).await.unwrap();
        if lookup.role == Role::Publish {
            cached.published(&lookup.key);
        }
    }
    // The manager names nodes to publish any stream.
    flood(&cached, Role::Publish).await;
    let no = LookupError::NotFound(Some("no such stream".into()));
    slow.says(Err(no));
    flood(&cached, Role::Play).await;
    let kept = cached.len();
    assert!(kept < 12_000, "{kept} answers are kept");
    slow.says(Err(FAULT));
    for lookup in &known {
        assert!(session(&cached, lookup).await.is_ok(), "{lookup:?}");
    }
}

/// A player asks for one live stream again and again, each time by hints of its own, as often as
/// others ask for theirs.
#[tokio::test(start_paused = true)]
async fn made_up_hints_evict_no_answer_to_players_without_hints() {
    let (slow, cached) = cached().await;
    let known: Vec<_> = (0..40)
        .map(|number| named(Role::Play, &format!("known{number}")))
        .collect();
    for first in (0..MADE_UP).step_by(500) {
        let hints = |number| Hints::from_query(&format!("region=made-up{number}"), Api::V1);
        let lookups: Vec<_> = (first..first + 500)
            .map(|number| named(Role::Play, "known0").with_hints(hints(number).unwrap()))
            .collect();
        for _ in 0..3 {
            join_all(lookups.iter().map(|lookup| session(&cached, lookup))).await;
        }
        // Streams go live all the while.
        for lookup in known.iter().skip(first * known.len() / MADE_UP).take(1) {
            session(&cached, lookup).await.unwrap();
        }
    }
    let kept = cached.len();
    assert!(kept < 12_000, "{kept} answers are kept");
    slow.says(Err(FAULT));
    for lookup in &known {
        assert!(session(&cached, lookup).await.is_ok(), "{lookup:?}");
    }
}
