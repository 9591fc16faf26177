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

    async fn look(&self, wanted: &[&str]) -> Result<Vec<String>, NotAskable> {
        let wanted = wanted.iter().map(|name| key(name)).collect();
        let published = self.live.look(&wanted).await?;
        let mut names: Vec<_> = published.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        Ok(names)
    }
}

fn key(name: &str) -> StreamKey {
    StreamKey::new("live", name).unwrap()
}

const LIST: &str = "/streammanager/api/4.0/event/list";

#[tokio::test]
async fn one_list_of_1_x_says_it_all() {
    let harness = harness(Api::V1).await;
    let list = r#"[{"type":"origin","name":"a","scope":"live"},{"type":"edge","name":"b","scope":"live"}]"#;
    harness.answer(LIST, 200, list);
    assert_eq!(harness.look(&["a", "b"]).await.unwrap(), ["live/a"]);
    assert_eq!(harness.asked(), [LIST]);
}

#[tokio::test]
async fn the_groups_of_2_0_that_lookups_named_are_listed_and_absent_streams_asked_for_singly() {
    let harness = harness(Api::V2).await;
    let publish = "/as/v1/streams/stream/east/publish/live/a";
    harness.answer(publish, 200, r#"[{"serverAddress":"10.0.0.1"}]"#);
    let hints = Hints::from_query("nodeGroup=east", Api::V2).unwrap();
    let lookup = Lookup::new(Role::Publish, key("a"), hints);
    harness.manager.ask(&lookup, Asker::UNKNOWN).await.unwrap();
    harness.asked();
    let (east, single) = (
        "/as/v1/streams/stream/east",
        "/as/v1/streams/stream/east/stream/live/",
    );
    harness.answer(
        east,
        200,
        r#"[{"streamGuid":"live/a","nodeRole":"origin"}]"#,
    );
    // On a node in SOFT_SUNSET, which the list leaves out.
    let sunset = r#"[{"streamGuid":"live/b","nodeRole":"origin","nodeState":"SOFT_SUNSET"}]"#;
    harness.answer("/as/v1/streams/stream/east/stream/live/b", 200, sunset);
    harness.answer("/as/v1/streams/stream/east/stream/live/d", 500, "");
    harness.answer("/as/v1/streams/stream/east/stream/live/e", 200, "[]");
    let all = ["a", "b", "c", "d", "e"];
    let names = all.map(|name| format!("live/{name}"));
    let found = harness.look(&all).await.unwrap();
    assert_eq!(
        found, names,
        "streams that were never listed may be in another group"
    );
    assert_eq!(harness.asked(), [east]);
    let entry = |name| format!(r#"{{"streamGuid":"live/{name}","nodeRole":"origin"}}"#);
    let list = format!("[{}]", all.map(entry).join(","));
    harness.answer(east, 200, &list);
    assert_eq!(harness.look(&all).await.unwrap(), names);
    harness.answer(east, 200, &format!("[{}]", entry("a")));
    harness.asked();
    let found = harness.look(&all).await.unwrap();
    assert_eq!(found, ["live/a", "live/b", "live/d"], "d is not known");
    let about = |name: &str| format!("{single}{name}");
    let expected = [
        east.to_owned(),
        about("b"),
        about("c"),
        about("d"),
        about("e"),
    ];
    assert_eq!(harness.asked(), expected);
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
