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

mod deletes;

use super::*;
use crate::{
    Body, Exchange, Metrics,
    nodes::failover::NodeAnswer,
    request::clock::WallClock,
    sessions::{
        create::Unclaimed,
        reaper::{self, Answer, OrphanState, Orphans},
        view::{About, Http},
    },
    words::body,
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

impl SendToNode for Node {
    type Guard = ();

    async fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
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
        self.orphans
            .enqueue(self.create(), OrphanState::Pending(Box::pin(answer)));
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
        owner: None,
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
