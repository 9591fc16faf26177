//! What is left behind, on a paused clock.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use futures_util::future::BoxFuture;
use http::{Request, Response, header::LOCATION, uri::PathAndQuery};
use http_body_util::BodyExt;
use prometheus::Registry;
use tokio::time::{Instant, sleep};
use whipstitch_origin::{
    AllowedOrigins, Asker, Candidates, Claim, Directory, Lookup, LookupError, Origin, Purpose,
    config,
};
use whipstitch_signaling::{Role, StreamKey, tag::Tag};

use super::*;
use crate::{
    Body, Exchange, Live,
    nodes::{
        client::Failed,
        failover::{Carrier, NodeAnswer},
    },
    request::{budget::Budget, clock::WallClock, phases::Phases},
    sessions::{known_sessions::KnownSessions, newest::Newest, under_way::UnderWay},
    words::{body, config::Timeouts},
};

/// A node that answers each DELETE with the next of these, and then with 200; it remembers where
/// and when.
#[derive(Clone)]
struct Node {
    answers: Arc<Mutex<VecDeque<u16>>>,
    asked: Arc<Mutex<Vec<(String, Duration)>>>,
    began: Instant,
    newest: Arc<Newest>,
}

/// An answer that is lost, and a session at the same place before the next DELETE.
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
                // Somebody else came meanwhile.
                let newer = newer(request.uri().path_and_query().unwrap().clone());
                self.newest.remember(Role::Publish, &newer);
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

/// Only hears which publishers have ended.
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
    abandoned: Abandoned,
    node: Node,
    ends: Arc<Ends>,
    newest: Arc<Newest>,
    under_way: UnderWay,
    registry: Registry,
    exchanges: TaskTracker,
    origin: Origin,
}

impl Scene {
    async fn new(places: usize, answers: &[u16]) -> Self {
        let (registry, exchanges) = (Registry::new(), TaskTracker::new());
        let metrics = Metrics::register(&registry).unwrap();
        let (abandoned, left) = Abandoned::new(places, exchanges.clone(), metrics.clone());
        let (ends, life) = (Arc::new(Ends::default()), Duration::from_hours(1));
        let newest = Arc::new(Newest::new(life, WallClock::default()));
        let under_way = UnderWay::default();
        let node = Node {
            newest: newest.clone(),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            asked: Arc::default(),
            began: Instant::now(),
        };
        let janitor = Janitor {
            nodes: node.clone(),
            directory: ends.clone(),
            known: Arc::new(KnownSessions::new(true, life)),
            newest: newest.clone(),
            under_way: under_way.clone(),
            live: Live::new(life),
            timeouts: Timeouts::default(),
            metrics,
        };
        let tasks = TaskTracker::new();
        tasks.spawn(janitor.run(left, tasks.clone()));
        let gate = AllowedOrigins::new(
            &config::Nodes::default(),
            whipstitch_origin::Metrics::default(),
        );
        Self {
            abandoned,
            node,
            ends,
            newest,
            under_way,
            registry,
            exchanges,
            origin: gate.admit(Claim::Manager("10.0.0.1")).await.unwrap(),
        }
    }

    fn creation(&self) -> Creation {
        Creation {
            origin: self.origin.clone(),
            target: PathAndQuery::from_static("/live/whip/endpoint/s1?token=x"),
            role: Role::Publish,
            key: StreamKey::new("live", "s1").unwrap(),
            authorization: None,
            exchange: Exchange::begin(&HeaderMap::new(), None),
            since: self.newest.moment(),
            under_way: None,
        }
    }

    fn unclaimed(&self, answer: &Response<Body>) -> Option<Unclaimed> {
        Unclaimed::of(self.creation(), answer, &self.abandoned)
    }

    /// Leaves a POST behind that is answered after this long.
    fn leave_unanswered(&self, after: u64, answer: Answer) {
        let answer = async move {
            sleep(Duration::from_secs(after)).await;
            answer
        };
        let what = What::Unanswered(Box::pin(answer));
        self.abandoned.leave(self.creation(), what);
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
async fn another_session_at_the_same_place_is_left_alone() {
    let scene = Scene::new(4, &[]).await;
    let session = |issued_at| Session {
        node: scene.origin.named(),
        resource: PathAndQuery::from_static(USUAL),
        issued_at,
        tag: Tag::None,
    };
    scene.newest.remember(Role::Publish, &session(999));
    scene.leave_unanswered(1, Some(head(201, None)));
    assert_eq!(scene.settled().await.0, "deleted 1");
    // Its own name is none of another's.
    scene.newest.remember(Role::Publish, &session(1_001));
    let mut unclaimed = scene.unclaimed(&answer(201, None, "v=0")).unwrap();
    unclaimed.named(Named {
        session: session(1_001),
        client: None,
    });
    drop(unclaimed);
    assert_eq!(scene.settled().await.0, "deleted 2");
    scene.leave_unanswered(1, Some(head(201, None)));
    // Made after that POST began, by a clock that has been set back.
    scene.newest.remember(Role::Publish, &session(500));
    assert_eq!(scene.settled().await.0, "deleted 2, replaced 1");
}

/// A second POST at the place of one that was left behind, at every moment; the node gives the
/// place to whoever comes last, and a DELETE ends whatever is there when it arrives.
#[tokio::test(start_paused = true)]
async fn the_session_of_a_post_that_was_under_way_at_the_same_place_is_left_alone() {
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
                let what = What::Unanswered(Box::pin(first));
                scene.abandoned.leave(scene.creation(), what);
                let second = async {
                    sleep(tenths(2 * begins + 1)).await;
                    let resource = PathAndQuery::from_static(USUAL);
                    let place = (scene.origin.named(), resource.clone());
                    let _work = scene.under_way.post(place).await;
                    sleep(tenths(makes)).await;
                    let made = scene.node.began.elapsed();
                    sleep(tenths(tells)).await;
                    scene.newest.remember(Role::Publish, &newer(resource));
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
        let place = (scene.origin.named(), PathAndQuery::from_static(USUAL));
        let work = scene.under_way.post(place).await;
        scene.leave_unanswered(1, Some(head(201, None)));
        let second = async {
            sleep(Duration::from_secs(lasts + 1)).await;
            drop(work);
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
async fn there_is_an_end_to_what_can_be_left_behind() {
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
        held(answer, unclaimed)
    };
    held_answer("v=0").into_body().collect().await.unwrap();
    let mut body = held_answer("v=0").into_body();
    body.frame().await.unwrap().unwrap();
    // An HTTP server does not ask again.
    drop(body);
    drop(held_answer(""));
    let refused = answer(409, None, "no");
    assert!(scene.unclaimed(&refused).is_none());
    drop(held(refused, None));
    assert_eq!(scene.settled().await, (String::new(), vec![]));

    drop(held_answer("v=0"));
    let (counted, deletes) = scene.settled().await;
    assert_eq!((&*counted, &*deletes[0].0), ("deleted 1", USUAL));
}
