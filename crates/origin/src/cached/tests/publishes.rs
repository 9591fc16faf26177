//! A publish is asked each time, and ends "no such stream".

use super::*;

fn no(words: &str) -> LookupError {
    LookupError::NotFound(Some(words.into()))
}

#[tokio::test(start_paused = true)]
async fn the_manager_is_asked_for_each_publish_and_never_in_the_background() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    for number in 1..=3 {
        let began = Instant::now();
        session(&cached, &lookup).await.unwrap();
        assert_eq!((slow.asked(), began.elapsed()), (number, DELAY));
    }
    cached
        .locate(&lookup, Asker::UNKNOWN, Purpose::Inquiry)
        .await
        .unwrap();
    assert_eq!(slow.asked(), 4, "an OPTIONS is asked, too");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(slow.asked(), 4);
    // Those of one moment share one question.
    join_all((0..8).map(|_| session(&cached, &lookup))).await;
    assert_eq!(slow.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_a_publish_serves_an_outage() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    session(&cached, &lookup).await.unwrap();
    assert_eq!(cached.entries()[0].freshness, Freshness::Stale);
    slow.says(Err(FAULT));
    for number in 2..=40 {
        session(&cached, &lookup).await.unwrap();
        assert_eq!(slow.asked(), number);
        pass(Duration::from_millis(number as u64 * 40)).await;
    }
    // Not even what did not hold is thrown away: there is nothing better.
    cached.forget(&lookup);
    cached.ended(&lookup.key);
    session(&cached, &lookup).await.unwrap();
    pass(Duration::from_hours(1)).await;
    assert_eq!(session(&cached, &lookup).await, Err(FAULT), "not for ever");
}

#[tokio::test(start_paused = true)]
async fn a_no_to_a_publish_is_not_remembered_and_ends_what_was() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Publish);
    session(&cached, &lookup).await.unwrap();
    slow.says(Err(no("no capacity")));
    assert_eq!(session(&cached, &lookup).await, Err(no("no capacity")));
    slow.says(Ok(()));
    session(&cached, &lookup).await.unwrap();
    assert_eq!(slow.asked(), 3);
    slow.says(Err(no("no capacity")));
    assert!(session(&cached, &lookup).await.is_err());
    slow.says(Err(FAULT));
    assert_eq!(session(&cached, &lookup).await, Err(FAULT));
}

#[tokio::test(start_paused = true)]
async fn a_publish_ends_no_such_stream() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Play);
    let play = || session(&cached, &lookup);
    slow.says(Err(no("not live")));
    assert!(play().await.is_err());
    assert!(play().await.is_err());
    assert_eq!(slow.asked(), 1, "remembered");
    cached.published(&lookup.key);
    // The manager has not heard of it yet.
    for number in 2..=3 {
        assert!(play().await.is_err());
        assert_eq!(slow.asked(), number);
    }
    slow.says(Ok(()));
    assert!(play().await.is_ok());
    assert_eq!(slow.asked(), 4);
    assert!(play().await.is_ok());
    assert_eq!(slow.asked(), 4, "what was found is remembered");
    // Once it is settled, a "no" is remembered as any other.
    pass(Duration::from_secs(10)).await;
    slow.says(Err(no("not live")));
    for _ in 0..3 {
        assert!(play().await.is_err());
    }
    assert_eq!(slow.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_no_from_before_a_publish_is_none_for_who_came_after() {
    let (slow, cached) = cached().await;
    let lookup = lookup(Role::Play);
    slow.says(Err(no("not live")));
    let before = session(&cached, &lookup);
    let after = async {
        sleep(DELAY / 2).await;
        cached.published(&lookup.key);
        sleep(DELAY / 4).await;
        // The pending question is answered as it was when it was asked.
        let waits = session(&cached, &lookup);
        let heals = async {
            sleep(DELAY / 2).await;
            slow.says(Ok(()));
        };
        tokio::join!(waits, heals).0
    };
    let (before, after) = tokio::join!(before, after);
    assert_eq!(before, Err(no("not live")));
    assert!(after.is_ok());
    assert_eq!(slow.asked(), 2);
}
