//! DELETEs of the three, and the POSTs that they wait for.

use super::*;

fn budget(whole: Duration) -> Budget {
    Budget::new(whole, Duration::from_secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_clients_delete_waits_for_a_post_in_flight_and_meets_no_newer_session() {
    for is_made in [false, true] {
        let scene = Scene::new(4, &[]).await;
        let old = scene.open(1);
        let sealed = &old.at_node().unwrap().sealed;
        let slot = scene.create().slot().unwrap();
        let pending = scene.sessions.begin_create(slot.clone()).await;
        let mut budget = budget(Duration::from_hours(1));
        let pass = scene.terminator.pass(Role::Publish, sealed, &mut budget);
        let answer = async {
            sleep(Duration::from_millis(900)).await;
            if is_made {
                scene.open(2);
            }
            drop(pending);
        };
        let (pass, ()) = tokio::join!(pass, answer);
        assert_eq!(pass.is_err(), is_made);
        // The next POST waits for it.
        let next = Box::pin(scene.sessions.begin_create(slot)).now_or_never();
        assert_eq!(next.is_some(), is_made);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clients_delete_waits_a_second_and_is_not_sent_then() {
    let scene = Scene::new(4, &[]).await;
    let old = scene.open(1);
    let sealed = &old.at_node().unwrap().sealed;
    let slot = scene.create().slot().unwrap();
    let _pending = scene.sessions.begin_create(slot).await;
    let hour = Duration::from_hours(1);
    for (whole, most) in [(hour, SLOT_WAIT), (SLOT_WAIT / 2, SLOT_WAIT / 2)] {
        let (began, mut budget) = (Instant::now(), budget(whole));
        let pass = scene.terminator.pass(Role::Publish, sealed, &mut budget);
        assert!(matches!(pass.await, Err(Error::SlotPending(_))));
        let took = began.elapsed();
        let late = most + Duration::from_millis(2);
        assert!(took >= most && took <= late, "{took:?}");
        assert!(budget.left() + most <= whole);
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_ended_although_a_newer_session_came_and_went_before_its_answer() {
    let scene = Scene::new(4, &[]).await;
    scene.leave_unanswered(1, Some(head(201, None)));
    let newer = scene.open(1);
    let http = newer.at_node().unwrap();
    let closed = scene
        .sessions
        .close(http.role, &http.sealed, EndReason::Deleted);
    assert!(closed);
    let deleted = at(USUAL, Duration::from_secs(1));
    assert_eq!(scene.settled().await, ("deleted 1".to_owned(), deleted));
}

#[tokio::test(start_paused = true)]
async fn a_post_waits_a_second_for_a_delete_in_flight() {
    let scene = Scene::new(4, &[]).await;
    let slot = scene.create().slot().unwrap();
    let target = Target::Issued(1);
    let delete = || {
        scene
            .sessions
            .begin_delete(slot.clone(), target, Some(SLOT_WAIT))
    };
    let first = delete().await.ok();
    assert!(first.is_some() && delete().now_or_never().is_some_and(|other| other.is_ok()));
    let began = Instant::now();
    drop(scene.sessions.begin_create(slot.clone()).await);
    assert_eq!(began.elapsed(), SLOT_WAIT);
    let mut post = Box::pin(scene.sessions.begin_create(slot.clone()));
    assert!(post.as_mut().now_or_never().is_none());
    assert!(delete().now_or_never().is_none(), "it waits for the POST");
    drop(first);
    assert!(post.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_operators_delete_carries_credentials_and_is_sent_again() {
    let scene = Scene::new(4, &[503, 0, 200]).await;
    let (about, http) = parts(&scene.origin, newer(PathAndQuery::from_static(USUAL)));
    let secret = HeaderValue::from_static("Bearer secret");
    let session = scene
        .sessions
        .open(about.authorized_by(Some(&secret)), http);
    let request = DeleteRequest::open(session.clone()).unwrap().request();
    assert_eq!(request.headers()[AUTHORIZATION], secret);
    assert!(request.headers()[AUTHORIZATION].is_sensitive());
    assert!(request.headers().contains_key(REQUEST_ID));
    assert_eq!(scene.terminator.end(session.id()), Some(SessionKind::Whip));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.node.asked.lock().unwrap().len(), 3);
    assert_eq!(scene.sessions.count().http, 0);
    assert_eq!(*scene.ends.0.lock().unwrap(), 1);
    assert_eq!(scene.terminator.end(session.id()), None);
}

/// A second POST at the slot of an orphan, at every moment; the node gives the slot to the last,
/// and a DELETE ends the session that is there when it arrives.
#[tokio::test(start_paused = true)]
async fn the_session_of_a_post_in_flight_at_the_same_slot_is_left_alone() {
    let tenths = |count: u64| Duration::from_millis(100 * count);
    let mut replaced = 0;
    for answered in 0..4 {
        for begins in 0..4 {
            for (makes, answers) in [(0, 0), (0, 3), (1, 1), (3, 0), (2, 60)] {
                let scene = Scene::new(4, &[]).await;
                let first = async move {
                    sleep(tenths(2 * answered)).await;
                    Some(head(201, None))
                };
                let state = OrphanState::Pending(Box::pin(first));
                scene.orphans.enqueue(scene.create(), state);
                let second = async {
                    sleep(tenths(2 * begins + 1)).await;
                    let slot = scene.create().slot().unwrap();
                    let _pending = scene.sessions.begin_create(slot).await;
                    sleep(tenths(makes)).await;
                    let made = scene.node.began.elapsed();
                    sleep(tenths(answers)).await;
                    scene.open(1);
                    made
                };
                let (made, (counted, deletes)) = tokio::join!(second, scene.settled());
                let what = format!("{answered} {begins} {makes} {answers}: {counted} {deletes:?}");
                assert!(deletes.iter().all(|(_, at)| *at <= made), "{what}");
                let is_replaced = answered > begins;
                assert_eq!(counted == "replaced 1", is_replaced, "{what}");
                replaced += usize::from(is_replaced);
            }
        }
    }
    assert_eq!(replaced, 30);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_makes_nothing_protects_nothing_and_one_without_an_end_all() {
    for (lasts, outcome, after) in [(4, "deleted 1", 5), (60, "unknown 1", 11)] {
        let scene = Scene::new(4, &[]).await;
        let slot = scene.create().slot().unwrap();
        let pending = scene.sessions.begin_create(slot).await;
        scene.leave_unanswered(1, Some(head(201, None)));
        let second = async {
            sleep(Duration::from_secs(lasts + 1)).await;
            drop(pending);
        };
        let settled = async {
            let settled = scene.settled().await;
            (settled, scene.node.began.elapsed())
        };
        let (((counted, _), took), ()) = tokio::join!(settled, second);
        assert_eq!((&*counted, took.as_secs()), (outcome, after));
    }
}
