use std::sync::Mutex as StdMutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use whipstitch_signaling::{Api, Role};

use super::*;
use crate::{
    AllowedOrigins, Asker, BaseUrl, Hints, Lookup, Metrics, Resolver, Source, config,
    connect::ManagerAddress,
};

/// Answers a path with a status and a body; 404 without an entry.
type Answers = Arc<StdMutex<Vec<(&'static str, u16, String)>>>;

struct Harness {
    live: LiveStreams,
    manager: Arc<StreamManager>,
    breaker: Breaker,
    answers: Answers,
    asked: Arc<StdMutex<Vec<String>>>,
    _serves: AbortOnDropHandle<()>,
}

async fn harness(api: Api) -> Harness {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answers, asked) = (Answers::default(), Arc::<StdMutex<Vec<String>>>::default());
    let (given, seen) = (answers.clone(), asked.clone());
    let serves = TaskTracker::new().spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let length = socket.read(&mut read).await.unwrap();
            let head = String::from_utf8_lossy(&read[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let answer = given
                .lock()
                .unwrap()
                .iter()
                .find(|one| one.0 == path)
                .cloned();
            let (_, status, body) = answer.unwrap_or(("", 404, "{}".to_owned()));
            seen.lock().unwrap().push(path);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let address = ManagerAddress::new(
        BaseUrl::parse(&url).unwrap(),
        Resolver::system(TaskTracker::new()),
    );
    let metrics = Metrics::default();
    let allowed = AllowedOrigins::new(&config::Nodes::default(), metrics.clone());
    let config = config::StreamManager {
        api,
        timeout: Duration::from_millis(500),
        ..config::StreamManager::default()
    };
    let manager = StreamManager::new(
        address,
        &config,
        &config::Lookup::default(),
        Arc::new(allowed),
        metrics.clone(),
    );
    let manager = Arc::new(manager.unwrap());
    let breaker = Breaker::new(
        manager.clone(),
        TaskTracker::new(),
        CancellationToken::new(),
        metrics,
    );
    Harness {
        live: LiveStreams::new(manager.clone(), breaker.clone()),
        manager,
        breaker,
        answers,
        asked,
        _serves: AbortOnDropHandle::new(serves),
    }
}

impl Harness {
    fn answer(&self, path: &'static str, status: u16, body: &str) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|one| one.0 != path);
        answers.push((path, status, body.to_owned()));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The absent ones of these streams.
    async fn look(&self, judged: &[&str]) -> Result<Vec<String>, NotAskable> {
        let judged: BTreeSet<_> = judged.iter().map(|name| key(name)).collect();
        let looked = self.live.look(&judged, &BTreeSet::new()).await?;
        let is_absent = |key: &&StreamKey| looked.found(key) == Found::Absent;
        let absent = judged.iter().filter(is_absent);
        Ok(absent.map(|key| key.name().to_owned()).collect())
    }
}

fn key(name: &str) -> StreamKey {
    StreamKey::new("live", name).unwrap()
}

const LIST: &str = "/streammanager/api/4.0/event/list";

/// A list of 1.x.
fn list(names: &[&str]) -> String {
    let entry = |name: &&str| format!(r#"{{"type":"origin","name":"{name}","scope":"live"}}"#);
    format!(
        "[{}]",
        names.iter().map(entry).collect::<Vec<_>>().join(",")
    )
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn a_stream_of_1_x_is_absent_if_it_was_listed_once_and_a_single_question_says_no() {
    let harness = harness(Api::V1).await;
    harness.answer(LIST, 200, &list(&["a", "b", "s1"]));
    let all = ["a", "b", "s1", "s1_1"];
    assert_eq!(harness.look(&all).await.unwrap(), NONE);
    assert_eq!(harness.asked(), [LIST]);
    harness.answer(LIST, 200, &list(&["a", "s1"]));
    let single = "/streammanager/api/4.0/event/live/b?action=subscribe";
    let found = r#"{"name":"b","scope":"/live","serverAddress":"10.0.0.1"}"#;
    harness.answer(single, 200, found);
    assert_eq!(harness.look(&all).await.unwrap(), NONE);
    assert_eq!(harness.asked(), [LIST, single]);
    harness.answer(single, 404, r#"{"errorMessage":"Stream not found"}"#);
    assert_eq!(harness.look(&all).await.unwrap(), ["b"]);
}

#[tokio::test]
async fn a_list_that_shrinks_at_once_is_not_believed_for_a_while() {
    let harness = harness(Api::V1).await;
    let all = ["a", "b", "c", "d"];
    harness.answer(LIST, 200, &list(&all));
    assert_eq!(harness.look(&all).await.unwrap(), NONE);
    for to in [0, 1] {
        harness.answer(LIST, 200, &list(&all[..to]));
        let shrunk = NotAskable::Shrunk { from: 4, to };
        assert_eq!(harness.look(&all).await, Err(shrunk));
    }
    harness.answer(LIST, 200, &list(&all[..2]));
    assert_eq!(harness.look(&all).await.unwrap(), ["c", "d"]);
    harness.answer(LIST, 200, &list(&all));
    assert_eq!(harness.look(&all).await.unwrap(), NONE);
    harness.answer(LIST, 200, "[]");
    assert!(harness.look(&all).await.is_err());
    tokio::time::pause();
    tokio::time::advance(SHRUNK_FOR).await;
    tokio::time::resume();
    assert_eq!(harness.look(&all).await.unwrap(), all);
}

#[tokio::test]
async fn each_stream_is_asked_about_in_turn_where_questions_run_out() {
    let harness = harness(Api::V1).await;
    let names: Vec<String> = (0..MAX_SINGLE + 6).map(|at| format!("s{at:03}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.extend(["x", "y"]);
    harness.answer(LIST, 200, &list(&names));
    assert_eq!(harness.look(&names).await.unwrap(), NONE);
    // Half of the streams of others remain.
    harness.live.state.lock().await.believed = None;
    harness.answer(LIST, 200, "[]");
    let first = harness.look(&names).await.unwrap();
    assert_eq!(first, names[..MAX_SINGLE]);
    let second = harness.look(&names).await.unwrap();
    assert_eq!(second[MAX_SINGLE - 8..], names[MAX_SINGLE..]);
    assert_eq!(second[..MAX_SINGLE - 8], names[..MAX_SINGLE - 8]);
}

#[tokio::test]
async fn a_list_names_the_nodes_of_a_stream() {
    let harness = harness(Api::V1).await;
    let entry =
        |name, node| format!(r#"{{"name":"{name}","scope":"live","serverAddress":"{node}"}}"#);
    let entries = [
        entry("a", "10.0.0.1"),
        entry("a", "10.0.0.2"),
        entry("b", "node-1.example"),
        entry("b", "10.0.0.1"),
    ];
    harness.answer(LIST, 200, &format!("[{}]", entries.join(",")));
    let vanished = BTreeSet::from([key("a"), key("b")]);
    let looked = harness
        .live
        .look(&BTreeSet::new(), &vanished)
        .await
        .unwrap();
    let nodes = HashSet::from([[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
    assert_eq!(looked.found(&key("a")), Found::Listed(Some(&nodes)));
    assert_eq!(looked.found(&key("b")), Found::Listed(None));
    assert_eq!(looked.found(&key("c")), Found::Unknown);
}

impl Harness {
    /// A lookup finds a node in this group.
    async fn learn(&self, group: &str, path: &'static str) {
        self.answer(path, 200, r#"[{"serverAddress":"10.0.0.1"}]"#);
        let hints = Hints::from_query(&format!("nodeGroup={group}"), Api::V2).unwrap();
        let lookup = Lookup::new(Role::Publish, key("a"), hints);
        self.manager.ask(&lookup, Asker::UNKNOWN).await.unwrap();
        self.asked();
    }
}

const EAST: &str = "/as/v1/streams/stream/east";

#[tokio::test]
async fn the_groups_of_2_0_that_lookups_named_are_listed_and_absent_streams_asked_for_singly() {
    let harness = harness(Api::V2).await;
    harness
        .learn("east", "/as/v1/streams/stream/east/publish/live/a")
        .await;
    let entry = |name: &&str| format!(r#"{{"streamGuid":"live/{name}","nodeRole":"origin"}}"#);
    let list = |names: &[&str]| {
        format!(
            "[{}]",
            names.iter().map(entry).collect::<Vec<_>>().join(",")
        )
    };
    harness.answer(EAST, 200, &list(&["a"]));
    let all = ["a", "b", "c", "d", "e"];
    let absent = harness.look(&all).await.unwrap();
    assert_eq!(
        absent, NONE,
        "streams that were never listed may be in another group"
    );
    assert_eq!(harness.asked(), [EAST]);
    harness.answer(EAST, 200, &list(&all));
    assert_eq!(harness.look(&all).await.unwrap(), NONE);
    harness.asked();
    // On a node in SOFT_SUNSET, which the list leaves out.
    let sunset = r#"[{"streamGuid":"live/b","nodeRole":"origin","nodeState":"SOFT_SUNSET"}]"#;
    harness.answer("/as/v1/streams/stream/east/stream/live/b", 200, sunset);
    harness.answer("/as/v1/streams/stream/east/stream/live/d", 500, "");
    harness.answer("/as/v1/streams/stream/east/stream/live/e", 200, "[]");
    harness.answer(EAST, 200, &list(&["a", "x", "y"]));
    assert_eq!(
        harness.look(&all).await.unwrap(),
        ["c", "e"],
        "d is not known"
    );
    let about = |name: &str| format!("/as/v1/streams/stream/east/stream/live/{name}");
    let expected = [
        EAST.to_owned(),
        about("b"),
        about("c"),
        about("d"),
        about("e"),
    ];
    assert_eq!(harness.asked(), expected);
}

#[tokio::test]
async fn a_deleted_group_of_2_0_does_not_hide_the_others() {
    let harness = harness(Api::V2).await;
    harness
        .learn("east", "/as/v1/streams/stream/east/publish/live/a")
        .await;
    harness
        .learn("west", "/as/v1/streams/stream/west/publish/live/a")
        .await;
    harness.answer(EAST, 200, r#"[{"streamGuid":"live/a"}]"#);
    assert_eq!(harness.look(&["a"]).await.unwrap(), NONE);
    harness.answer(EAST, 200, "[]");
    assert_eq!(harness.look(&["a"]).await.unwrap(), ["a"]);
    harness.answer(EAST, 404, "");
    assert_eq!(harness.look(&["a"]).await, Err(NotAskable::Refused(404)));
}

#[tokio::test]
async fn a_manager_that_refuses_the_question_is_left_alone_for_a_while() {
    for status in [401, 403, 404, 405] {
        let harness = harness(Api::V1).await;
        harness.answer(LIST, status, "{}");
        for _ in 0..3 {
            assert_eq!(harness.look(&[]).await, Err(NotAskable::Refused(status)));
        }
        assert_eq!(harness.asked().len(), 1);
        harness.answer(LIST, 200, "[]");
        tokio::time::pause();
        tokio::time::advance(REFUSED_FOR).await;
        tokio::time::resume();
        assert_eq!(harness.look(&[]).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_fault_is_none_of_the_breakers_and_says_its_cause() {
    let harness = harness(Api::V1).await;
    for (status, body, cause) in [
        (500, "[]", Cause::Status(500)),
        (200, "<html>", Cause::NotJson),
        (200, r#"{"errorMessage":"x"}"#, Cause::NotJson),
    ] {
        harness.answer(LIST, status, body);
        for _ in 0..5 {
            assert_eq!(
                harness.look(&[]).await,
                Err(NotAskable::Fault(cause.clone()))
            );
        }
    }
    harness.answer(LIST, 200, &format!("[{}]", " ".repeat(MAX_LIST)));
    let too_long = harness.look(&[]).await;
    assert!(matches!(
        too_long,
        Err(NotAskable::Fault(Cause::TooLong(_)))
    ));
    assert!(!harness.breaker.is_open());
}
