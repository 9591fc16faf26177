//! Orphans and DELETEs of ours, on a paused clock.

use std::{collections::VecDeque, sync::Mutex};

use futures_util::FutureExt;
use http::{HeaderMap, Response, header::LOCATION, uri::PathAndQuery};
use http_body_util::BodyExt;
use prometheus::Registry;
use tokio::time::Instant;
use whipstitch_origin::{
    AllowedOrigins, Asker, Candidates, Claim, Lookup, LookupError, Purpose, config,
};
use whipstitch_signaling::tag::Tag;

use super::*;
use crate::{
    Body, Exchange, Metrics,
    nodes::failover::NodeAnswer,
    request::clock::WallClock,
    sessions::{
        create::Unclaimed,
        reaper::{self, Answer, Left, Orphans},
        view::{About, Http},
    },
};

/// A node that answers each DELETE with the next of these, and then with 200; it remembers where
/// and when.
#[derive(Clone)]
struct Node {
    answers: Arc<Mutex<VecDeque<u16>>>,
    asked: Arc<Mutex<Vec<(String, Duration)>>>,
    began: Instant,
    sessions: SessionTable,
}

/// An answer that is lost, and another session at the slot before the next DELETE.
const LET_IN: u16 = 1;

impl Carrier for Node {
    type Guard = ();

    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        _: &mut Budget,
        _: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let asked = (request.uri().to_string(), self.began.elapsed());
        self.asked.lock().unwrap().push(asked);
        match self.answers.lock().unwrap().pop_front().unwrap_or(200) {
            0 => Err(Failed::Broken(whipstitch_origin::Cause::Closed)),
            LET_IN => {
                let resource = request.uri().path_and_query().unwrap().clone();
                open(&self.sessions, origin, newer(resource));
                Err(Failed::Broken(whipstitch_origin::Cause::Closed))
            }
            status => Ok(NodeAnswer {
                origin: origin.clone(),
                response: answer(status, None, ""),
                guard: (),
            }),
        }
    }
}

/// Counts the publishers that have ended.
#[derive(Default)]
struct Ends(Mutex<u32>);

impl Directory for Ends {
    fn locate<'a>(
        &'a self,
        _: &'a Lookup,
        _: Asker,
        _: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async { Err(LookupError::NotFound(None)) })
    }

    fn forget(&self, _: &Lookup) {}

    fn ended(&self, _: &StreamKey) {
        *self.0.lock().unwrap() += 1;
    }

    fn published(&self, _: &StreamKey) {}

    fn report(&self, _: &Origin, _: whipstitch_origin::Outcome) {}
}

/// All that there is behind the guards.
struct Scene {
    orphans: Orphans,
    node: Node,
    ends: Arc<Ends>,
    sessions: SessionTable,
    terminator: Terminator,
    _tasks: TaskTracker,
    registry: Registry,
    exchanges: TaskTracker,
    origin: Origin,
}

impl Scene {
    async fn new(places: usize, answers: &[u16]) -> Self {
        let (registry, exchanges) = (Registry::new(), TaskTracker::new());
        let metrics = Metrics::register(&registry).unwrap();
        let life = Duration::from_hours(1);
        let sessions = SessionTable::new(1_000, true, life, WallClock::default());
        let (orphans, queue) =
            Orphans::new(places, sessions.clone(), exchanges.clone(), metrics.clone());
        let ends = Arc::new(Ends::default());
        let node = Node {
            sessions: sessions.clone(),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            asked: Arc::default(),
            began: Instant::now(),
        };
        let tasks = TaskTracker::new();
        let terminator = Terminator::new(sessions.clone(), ends.clone(), tasks.clone());
        let timeouts = Timeouts::default();
        terminator.configure(node.clone(), &timeouts);
        let spawn = (tasks.clone(), metrics);
        tasks.spawn(reaper::run(
            queue,
            terminator.clone(),
            timeouts.abandoned,
            spawn,
        ));
        let gate = AllowedOrigins::new(
            &config::Nodes::default(),
            whipstitch_origin::Metrics::default(),
        );
        Self {
            orphans,
            node,
            ends,
            sessions,
            terminator,
            _tasks: tasks,
            registry,
            exchanges,
            origin: gate.admit(Claim::Manager("10.0.0.1")).await.unwrap(),
        }
    }

    fn create(&self) -> CreateRequest {
        CreateRequest {
            origin: self.origin.clone(),
            target: PathAndQuery::from_static("/live/whip/endpoint/s1?token=x"),
            role: Role::Publish,
            key: StreamKey::new("live", "s1").unwrap(),
            authorization: None,
            exchange: Exchange::begin(&HeaderMap::new(), None),
            since: self.sessions.arrival(),
        }
    }

    fn unclaimed(&self, answer: &Response<Body>) -> Unclaimed {
        Unclaimed::of(self.create(), None, answer, &self.orphans)
    }

    /// Orphans a POST that is answered after this long.
    fn leave_unanswered(&self, after: u64, answer: Answer) {
        let answer = async move {
            sleep(Duration::from_secs(after)).await;
            answer
        };
        let (answer, pending) = (Box::pin(answer), None);
        self.orphans
            .enqueue(self.create(), Left::Unanswered { answer, pending });
    }

    /// Opens a session at the usual slot, issued at this time.
    fn open(&self, issued_at: u64) -> Arc<SessionView> {
        let mut session = newer(PathAndQuery::from_static(USUAL));
        session.issued_at = issued_at;
        open(&self.sessions, &self.origin, session)
    }

    /// Waits as a shutdown does; what became of everything, and where DELETEs went.
    async fn settled(&self) -> (String, Vec<(String, Duration)>) {
        self.exchanges.close();
        self.exchanges.wait().await;
        self.exchanges.reopen();
        let families = self.registry.gather();
        let name = "sessions_abandoned_total";
        let family = families.iter().find(|family| family.name() == name);
        let counted = family.unwrap().get_metric().iter();
        let counted = counted.filter(|metric| metric.get_counter().get_value() > 0.5);
        let counted = counted.map(|metric| {
            let label = metric.get_label()[0].value();
            format!("{label} {}", metric.get_counter().get_value())
        });
        let counted: Vec<_> = counted.collect();
        (counted.join(", "), self.node.asked.lock().unwrap().clone())
    }
}

fn open(sessions: &SessionTable, origin: &Origin, sealed: Session) -> Arc<SessionView> {
    let (about, http) = parts(origin, sealed);
    sessions.open(about, http)
}

fn parts(origin: &Origin, sealed: Session) -> (About, Http) {
    let exchange = Exchange::begin(&HeaderMap::new(), None);
    let http = Http {
        origin: origin.clone(),
        role: Role::Publish,
        key: StreamKey::new("live", "s1").unwrap(),
        sealed,
        client: None,
    };
    (About::new(&exchange, origin, "live"), http)
}

/// A session by a clock that was set back; only the order of arrival says that it is newer.
fn newer(resource: PathAndQuery) -> Session {
    Session {
        node: "10.0.0.1".parse().unwrap(),
        resource,
        issued_at: 1,
        tag: Tag::None,
    }
}

fn answer(status: u16, location: Option<&str>, sdp: &'static str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    if let Some(location) = location {
        response = response.header(LOCATION, location);
    }
    let body = if sdp.is_empty() {
        body::empty()
    } else {
        body::full(sdp)
    };
    response.body(body).unwrap()
}

fn head(status: u16, location: Option<&str>) -> (StatusCode, HeaderMap) {
    let (head, _) = answer(status, location, "").into_parts();
    (head.status, head.headers)
}

fn at(place: &str, after: Duration) -> Vec<(String, Duration)> {
    vec![(place.to_owned(), after)]
}

const USUAL: &str = "/live/whip/resource/s1";

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_awaited_so_long_and_no_longer() {
    let second = Duration::from_secs(1);
    for (after, answer, outcome, deleted) in [
        (9, Some(head(201, None)), "deleted 1", at(USUAL, second * 9)),
        (
            9,
            Some(head(200, Some("/x/y"))),
            "deleted 1",
            at("/x/y", second * 9),
        ),
        (
            1,
            Some(head(406, Some("/x/y"))),
            "deleted 1",
            at("/x/y", second),
        ),
        // The path counts, at this node.
        (
            1,
            Some(head(201, Some("http://10.0.0.2/x"))),
            "deleted 1",
            at("/x", second),
        ),
        // What cannot be followed is not.
        (
            1,
            Some(head(201, Some("ftp://10.0.0.2/x"))),
            "deleted 1",
            at(USUAL, second),
        ),
        (1, Some(head(406, None)), "", vec![]),
        (1, Some(head(409, None)), "", vec![]),
        (1, Some(head(307, Some("/x"))), "", vec![]),
        (1, None, "unknown 1", vec![]),
        (11, Some(head(201, None)), "unknown 1", vec![]),
    ] {
        let scene = Scene::new(4, &[]).await;
        scene.leave_unanswered(after, answer);
        let ended = u32::from(!deleted.is_empty());
        assert_eq!(scene.settled().await, (outcome.to_owned(), deleted));
        assert_eq!(*scene.ends.0.lock().unwrap(), ended);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_unable_is_asked_three_times() {
    for (answers, outcome, asked) in [
        (&[503, 204][..], "deleted 1", 2),
        (&[0, 500, 404], "gone 1", 3),
        (&[0, 0, 0], "failed 1", 3),
        // The first may have been carried out: what is there now is another's.
        (&[LET_IN], "replaced 1", 1),
        (&[503, LET_IN], "replaced 1", 2),
        (&[417], "gone 1", 1),
        (&[405], "failed 1", 1),
    ] {
        let scene = Scene::new(4, answers).await;
        drop(scene.unclaimed(&answer(201, None, "v=0")));
        let (counted, deletes) = scene.settled().await;
        assert_eq!((&*counted, deletes.len()), (outcome, asked));
        assert!(scene.node.began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn another_session_at_the_same_slot_is_left_alone() {
    let scene = Scene::new(4, &[]).await;
    scene.open(999);
    scene.leave_unanswered(1, Some(head(201, None)));
    assert_eq!(scene.settled().await.0, "deleted 1");
    // It is itself the newest at its slot.
    let mut unclaimed = scene.unclaimed(&answer(201, None, "v=0"));
    let mut sealed = newer(PathAndQuery::from_static(USUAL));
    sealed.issued_at = 1_001;
    let (about, http) = parts(&scene.origin, sealed);
    unclaimed.open(about, http);
    drop(unclaimed);
    assert_eq!(scene.settled().await.0, "deleted 2");
    assert_eq!(scene.sessions.count().http, 0);
    scene.leave_unanswered(1, Some(head(201, None)));
    // Opened after that POST began, by a clock that has been set back.
    scene.open(500);
    assert_eq!(scene.settled().await.0, "deleted 2, replaced 1");
    assert_eq!(scene.sessions.count().http, 1);
}

/// A second POST at the slot of an orphan, at every moment; the node gives the slot to the last,
/// and a DELETE ends the session that is there when it arrives.
#[tokio::test(start_paused = true)]
async fn the_session_of_a_post_in_flight_at_the_same_slot_is_left_alone() {
    let tenths = |count: u64| Duration::from_millis(100 * count);
    let mut replaced = 0;
    for answered in 0..4 {
        for begins in 0..4 {
            for (makes, tells) in [(0, 0), (0, 3), (1, 1), (3, 0), (2, 60)] {
                let scene = Scene::new(4, &[]).await;
                let first = async move {
                    sleep(tenths(2 * answered)).await;
                    Some(head(201, None))
                };
                let (answer, pending) = (Box::pin(first), None);
                let left = Left::Unanswered { answer, pending };
                scene.orphans.enqueue(scene.create(), left);
                let second = async {
                    sleep(tenths(2 * begins + 1)).await;
                    let slot = scene.create().slot().unwrap();
                    let _pending = scene.sessions.begin_create(slot).await;
                    sleep(tenths(makes)).await;
                    let made = scene.node.began.elapsed();
                    sleep(tenths(tells)).await;
                    scene.open(1);
                    made
                };
                let (made, (counted, deletes)) = tokio::join!(second, scene.settled());
                let what = format!("{answered} {begins} {makes} {tells}: {counted} {deletes:?}");
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

#[tokio::test(start_paused = true)]
async fn the_number_of_orphans_is_bounded() {
    let scene = Scene::new(2, &[]).await;
    for _ in 0..5 {
        scene.leave_unanswered(1, Some(head(201, None)));
    }
    let (counted, deletes) = scene.settled().await;
    assert_eq!((&*counted, deletes.len()), ("deleted 2, dropped 3", 2));
    scene.leave_unanswered(1, Some(head(201, None)));
    assert_eq!(scene.settled().await.0, "deleted 3, dropped 3");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_the_clients_when_the_last_of_it_is_taken() {
    let scene = Scene::new(4, &[]).await;
    let held_answer = |sdp| {
        let answer = answer(201, None, sdp);
        let unclaimed = scene.unclaimed(&answer);
        unclaimed.within(answer)
    };
    held_answer("v=0").into_body().collect().await.unwrap();
    let mut body = held_answer("v=0").into_body();
    body.frame().await.unwrap().unwrap();
    // An HTTP server does not ask again.
    drop(body);
    drop(held_answer(""));
    let refused = answer(409, None, "no");
    drop(scene.unclaimed(&refused));
    drop(scene.unclaimed(&refused).within(refused));
    assert_eq!(scene.settled().await, (String::new(), vec![]));

    drop(held_answer("v=0"));
    let (counted, deletes) = scene.settled().await;
    assert_eq!((&*counted, &*deletes[0].0), ("deleted 1", USUAL));
}

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
        assert!(pass.await.is_err());
        let took = began.elapsed();
        let late = most + Duration::from_millis(2);
        assert!(took >= most && took <= late, "{took:?}");
        assert!(budget.left() + most <= whole);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_waits_a_second_for_a_delete_in_flight() {
    let scene = Scene::new(4, &[]).await;
    let slot = scene.create().slot().unwrap();
    let which = (Target::Issued(1), By::Reaper);
    let delete = || {
        scene
            .sessions
            .begin_delete(slot.clone(), which, Some(SLOT_WAIT))
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
    let request = Doomed::open(session.clone()).unwrap().request();
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
