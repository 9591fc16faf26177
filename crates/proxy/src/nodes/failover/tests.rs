//! Nodes in all their moods, on a paused clock.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use prometheus::Registry;
use tokio::time::{Instant, sleep};
use whipstitch_origin::{
    AllowedOrigins, Asker, Claim, Hints, Lookup, LookupError, Purpose, config::Nodes as NodesConfig,
};
use whipstitch_signaling::{Api, Role, StreamKey};

use super::*;
use crate::words::body;

const BUDGET: Duration = Duration::from_secs(6);
const CONNECT: Duration = Duration::from_secs(2);

/// What a node does with a request.
#[derive(Clone, Copy)]
enum Mood {
    Answers(u16),
    Refuses,
    /// No connection for as long as the client waits.
    Unheard,
    /// Takes it, reads it, and hangs up.
    HangsUp,
    /// Takes it and never answers.
    Silent,
    /// The request cannot be written.
    Unwritable,
}
use Mood::{Answers, HangsUp, Refuses, Silent, Unheard, Unwritable};

/// Nodes 1, 2, 3…, each of one mood.
struct Nodes {
    moods: Vec<Mood>,
    /// Which node got which bytes.
    got: Mutex<Vec<(u8, String)>>,
}

impl SendToNode for Nodes {
    type Guard = ();

    async fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        _: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let number = number(origin);
        let mood = self.moods[usize::from(number) - 1];
        match mood {
            Refuses => return Err(Failed::NotConnected(Cause::Refused)),
            Unheard => {
                let waited = budget.pay(sleep(CONNECT)).await;
                let late = Cause::Timeout(CONNECT);
                return Err(match waited {
                    Some(()) => Failed::NotConnected(late),
                    None => Failed::OutOfTime(late),
                });
            }
            Unwritable => return Err(Failed::Defect),
            _ => {}
        }
        let text = String::from_utf8(request.into_body().to_vec()).unwrap();
        self.got.lock().unwrap().push((number, text));
        match mood {
            Answers(status) => {
                let answer = Response::builder().status(status);
                Ok(NodeAnswer {
                    origin: origin.clone(),
                    response: answer.body(body::full(number.to_string())).unwrap(),
                    guard: (),
                })
            }
            Silent => {
                let _ = budget.pay(std::future::pending::<()>()).await;
                Err(Failed::Timeout(Cause::Timeout(BUDGET)))
            }
            Refuses | Unheard | HangsUp | Unwritable => Err(Failed::Broken(Cause::Closed)),
        }
    }
}

fn number(origin: &Origin) -> u8 {
    match origin.addr().ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    }
}

/// Gives these answers, one after the other, and records the reports.
#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<(Duration, Candidates)>>,
    heard: Mutex<Vec<String>>,
}

impl Directory for Told {
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Asker,
        _: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async {
            let asked = format!("locate {}", lookup.hints.as_str());
            self.heard.lock().unwrap().push(asked.trim_end().to_owned());
            let next = self.answers.lock().unwrap().pop_front();
            let (after, candidates) = next.ok_or(LookupError::NotFound(None))?;
            sleep(after).await;
            Ok(candidates)
        })
    }

    fn forget(&self, _: &Lookup) {
        self.heard.lock().unwrap().push("forget".to_owned());
    }

    fn ended(&self, _: &StreamKey) {}

    fn published(&self, _: &StreamKey) {}

    fn report(&self, origin: &Origin, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Answered => "Answered",
            Outcome::Unable(_) => "Unable",
            Outcome::Silent(_) => "Silent",
            Outcome::Unreachable(_) => "Unreachable",
        };
        let said = format!("{} {outcome}", number(origin));
        self.heard.lock().unwrap().push(said);
    }
}

async fn candidates(numbers: &[u8]) -> Candidates {
    let gate = AllowedOrigins::new(
        &NodesConfig::default(),
        whipstitch_origin::Metrics::default(),
    );
    let mut origins = Vec::new();
    for number in numbers {
        let address = format!("10.0.0.{number}");
        origins.push(gate.admit(Claim::Manager(&address)).await.unwrap());
    }
    Candidates::new(origins).unwrap()
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    /// The node and its status, or the problem.
    of: String,
    /// What the nodes got.
    got: Vec<(u8, String)>,
    /// What the directory heard.
    heard: Vec<String>,
    took: Duration,
    tries: u32,
}

/// Sends a request with a body to the nodes of `first`; a further lookup names those of `second`,
/// after a while.
async fn send(method: Method, moods: &[Mood], first: &[u8], second: Option<(u64, &[u8])>) -> Came {
    let body = match method {
        Method::OPTIONS | Method::GET => "",
        _ => "v=0",
    };
    send_body(method, body, moods, first, second).await
}

async fn send_body(
    method: Method,
    body: &'static str,
    moods: &[Mood],
    first: &[u8],
    second: Option<(u64, &[u8])>,
) -> Came {
    send_asked("", method, body, moods, first, second).await
}

/// The same of a client that asks with these hints.
async fn send_asked(
    hints: &str,
    method: Method,
    body: &'static str,
    moods: &[Mood],
    first: &[u8],
    second: Option<(u64, &[u8])>,
) -> Came {
    let nodes = Nodes {
        moods: moods.to_vec(),
        got: Mutex::default(),
    };
    let directory = Arc::new(Told::default());
    if let Some((seconds, second)) = second {
        let answer = (Duration::from_secs(seconds), candidates(second).await);
        directory.answers.lock().unwrap().push_back(answer);
    }
    let lookup = Lookup::new(
        Role::Publish,
        StreamKey::new("live", "s1").unwrap(),
        Hints::from_query(hints, Api::V1).unwrap(),
    );
    let first = candidates(first).await;
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let failover = Failover {
        nodes: &nodes,
        directory: &*directory,
        metrics: &metrics,
        exchange: &exchange,
    };
    let mut request = Request::builder()
        .method(&method)
        .body(body.into())
        .unwrap();
    if method == Method::GET {
        let handshake = http::HeaderValue::from_static("websocket");
        request.headers_mut().insert(UPGRADE, handshake);
    }
    let began = Instant::now();
    let mut budget = Budget::new(BUDGET, CONNECT);
    let answer = failover.any(&lookup, &first, request, &mut budget).await;
    let took = began.elapsed();
    let of = match answer {
        Ok(answer) => {
            let status = answer.response.status();
            format!("{} {}", number(&answer.origin), status.as_u16())
        }
        Err(error) => crate::words::problem::Kind::of(&error).to_string(),
    };
    Came {
        of,
        got: nodes.got.into_inner().unwrap(),
        heard: directory.heard.lock().unwrap().clone(),
        took,
        tries: exchange.tries().count,
    }
}

fn sdp(node: u8) -> (u8, String) {
    (node, "v=0".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_refuses_is_passed_over_and_the_next_gets_the_whole_body() {
    let came = send(Method::POST, &[Refuses, Answers(201)], &[1, 2], None).await;
    assert_eq!((&*came.of, came.tries), ("2 201", 2));
    assert_eq!(came.got, [sdp(2)]);
    assert_eq!(came.heard, ["1 Unreachable", "2 Answered"]);
}

#[tokio::test(start_paused = true)]
async fn when_no_node_is_left_the_manager_is_asked_once_more() {
    let moods = [Refuses, Refuses, Answers(201)];
    let came = send(Method::POST, &moods, &[1], Some((1, &[1, 2, 3]))).await;
    assert_eq!((&*came.of, came.tries), ("3 201", 3));
    let heard = [
        "1 Unreachable",
        "forget",
        "locate endpoints=4",
        "2 Unreachable",
        "3 Answered",
    ];
    assert_eq!(came.heard, heard);
    // Once, and not for those that were tried.
    let came = send(Method::POST, &moods, &[1, 2], Some((0, &[2, 1]))).await;
    assert_eq!((&*came.of, came.tries), ("node-unreachable", 2));
    assert_eq!(
        came.heard,
        [
            "1 Unreachable",
            "2 Unreachable",
            "forget",
            "locate endpoints=4"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn no_spare_is_asked_for_where_the_client_fixes_the_number_of_nodes() {
    let moods = [Refuses, Answers(201)];
    for hints in ["strict=true", "transcode=true", "geozone=x", "endpoints=1"] {
        let (body, second) = ("v=0", Some((0, &[2][..])));
        let came = send_asked(hints, Method::POST, body, &moods, &[1], second).await;
        assert_eq!((&*came.of, came.tries), ("2 201", 2), "{hints}");
        let asked = format!("locate {hints}");
        assert!(came.heard.contains(&asked), "{:?}", came.heard);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_a_node_got_is_never_sent_again() {
    for (mood, of, said) in [
        (HangsUp, "node-unreachable", "1 Unable"),
        (Silent, "node-timeout", "1 Silent"),
        (Answers(503), "1 503", "1 Unable"),
        (Answers(502), "1 502", "1 Unable"),
        (Answers(500), "1 500", "1 Answered"),
        (Answers(404), "1 404", "1 Answered"),
    ] {
        let came = send(
            Method::POST,
            &[mood, Answers(201)],
            &[1, 2],
            Some((0, &[2])),
        )
        .await;
        assert_eq!((&*came.of, came.tries), (of, 1));
        assert_eq!(
            (came.got, came.heard),
            (vec![sdp(1)], vec![said.to_owned()])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_moves_to_the_next_node_only_if_nothing_was_sent() {
    for mood in [Refuses, Unheard] {
        let came = send(Method::GET, &[mood, Answers(101)], &[1, 2], None).await;
        assert_eq!((&*came.of, came.tries), ("2 101", 2));
    }
    for (mood, of) in [(HangsUp, "node-unreachable"), (Answers(503), "1 503")] {
        let came = send(Method::GET, &[mood, Answers(101)], &[1, 2], None).await;
        assert_eq!((&*came.of, came.tries), (of, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_options_moves_to_the_next_node() {
    for (mood, said) in [
        (HangsUp, "1 Unable"),
        (Answers(503), "1 Unable"),
        (Answers(502), "1 Unable"),
    ] {
        let came = send(Method::OPTIONS, &[mood, Answers(200)], &[1, 2], None).await;
        assert_eq!((&*came.of, came.tries), ("2 200", 2));
        assert_eq!(came.heard, [said, "2 Answered"]);
    }
    let came = send(
        Method::OPTIONS,
        &[Answers(500), Answers(200)],
        &[1, 2],
        None,
    )
    .await;
    assert_eq!(came.of, "1 500");
}

#[tokio::test(start_paused = true)]
async fn the_last_nodes_own_answer_is_the_clients() {
    let moods = [Refuses, Answers(503)];
    let came = send(Method::OPTIONS, &moods, &[1, 2], Some((0, &[1, 2]))).await;
    assert_eq!((&*came.of, came.tries), ("2 503", 2));
    let came = send(Method::OPTIONS, &moods, &[2, 1], None).await;
    assert_eq!((&*came.of, came.tries), ("node-unreachable", 2));
}

#[tokio::test(start_paused = true)]
async fn no_node_is_blamed_for_a_request_that_cannot_be_written() {
    for method in [Method::POST, Method::OPTIONS] {
        let came = send(method, &[Unwritable, Answers(201)], &[1, 2], None).await;
        assert_eq!((&*came.of, came.tries), ("internal", 1));
        assert_eq!(came.heard, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn all_tries_share_one_budget() {
    let unheard = [Unheard; 5];
    let came = send(Method::POST, &unheard, &[1, 2, 3, 4, 5], None).await;
    assert_eq!((&*came.of, came.tries), ("node-unreachable", 3));
    assert!(
        came.took >= BUDGET && came.took < BUDGET + CONNECT,
        "{:?}",
        came.took
    );

    let came = send(Method::OPTIONS, &[Silent, Silent], &[1, 2], Some((0, &[2]))).await;
    assert_eq!((&*came.of, came.tries), ("node-timeout", 1));
    assert!(
        came.took <= BUDGET + Duration::from_millis(10),
        "{:?}",
        came.took
    );

    // The second lookup is paid for as well.
    let came = send(Method::POST, &[Unheard, Silent], &[1], Some((3, &[2]))).await;
    assert_eq!((&*came.of, came.tries), ("node-timeout", 2));
    assert!(
        came.took <= BUDGET + Duration::from_millis(10),
        "{:?}",
        came.took
    );
    let came = send(Method::POST, &[Unheard, Silent], &[1], Some((5, &[2]))).await;
    assert_eq!((&*came.of, came.tries), ("node-unreachable", 1));
    assert!(
        came.took <= BUDGET + Duration::from_millis(10),
        "{:?}",
        came.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_had_hardly_any_time_is_not_blamed() {
    // The lookup leaves it one second of six.
    for mood in [Unheard, Silent] {
        let came = send(Method::POST, &[Refuses, mood], &[1], Some((5, &[2]))).await;
        assert_eq!(
            came.heard,
            ["1 Unreachable", "forget", "locate endpoints=4"]
        );
    }
    // What it did itself counts, however short the time.
    for (mood, said) in [(Refuses, "2 Unreachable"), (HangsUp, "2 Unable")] {
        let came = send(Method::POST, &[Refuses, mood], &[1], Some((5, &[2]))).await;
        assert_eq!(came.heard.last().unwrap(), said);
    }
    // As does what it let pass.
    for (mood, said) in [(Unheard, "2 Unreachable"), (Silent, "2 Silent")] {
        let came = send(Method::POST, &[Refuses, mood], &[1], Some((3, &[2]))).await;
        assert_eq!(came.heard.last().unwrap(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_an_end_to_the_nodes_that_are_tried() {
    let numbers: Vec<u8> = (1..=50).collect();
    let came = send(Method::POST, &[Refuses; 50], &numbers, Some((0, &numbers))).await;
    assert_eq!((&*came.of, came.tries), ("node-unreachable", 8));
}

#[tokio::test(start_paused = true)]
async fn a_post_without_a_body_is_not_sent_again_either() {
    for mood in [HangsUp, Answers(503)] {
        let moods = [mood, Answers(201)];
        let came = send_body(Method::POST, "", &moods, &[1, 2], None).await;
        assert_eq!((came.got.len(), came.tries), (1, 1));
    }
}
