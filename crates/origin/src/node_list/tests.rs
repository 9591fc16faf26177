mod v2;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::*;
use crate::{BaseUrl, Cause, Claim, Resolver};

const TIMEOUT: Duration = Duration::from_millis(500);

/// A manager that gives these answers, one after the other, each on a connection of its own.
struct Manager {
    url: String,
    /// The first lines of what it was asked.
    asked: Arc<Mutex<Vec<String>>>,
    /// The same, with all fields.
    heads: Arc<Mutex<Vec<String>>>,
    _serves: AbortOnDropHandle<()>,
}

async fn manager(answers: Vec<Vec<u8>>) -> Manager {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let (seen, seen_heads) = (asked.clone(), heads.clone());
    let serves = TaskTracker::new().spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let length = socket.read(&mut read).await.unwrap();
            let head = String::from_utf8_lossy(&read[..length]).into_owned();
            seen.lock()
                .unwrap()
                .push(head.lines().next().unwrap().to_owned());
            seen_heads.lock().unwrap().push(head);
            let _ = socket.write_all(&answer).await;
        }
    });
    Manager {
        url,
        asked,
        heads,
        _serves: AbortOnDropHandle::new(serves),
    }
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

struct Poll {
    list: NodeList,
    allowed: Arc<AllowedOrigins>,
    metrics: Metrics,
    file: Secret,
}

/// A file that is removed with this.
struct Secret(std::path::PathBuf);

impl Secret {
    fn new(text: &str) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::SeqCst));
        let file = std::env::temp_dir().join(format!("whipstitch-secret-{process}-{number}"));
        std::fs::write(&file, text).unwrap();
        Self(file)
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn poll(manager: &Manager) -> Poll {
    let file = Secret::new("s3cr&t\n");
    let config = config::StreamManager {
        access_token_file: Some(file.0.clone()),
        ..config::StreamManager::default()
    };
    poll_with(manager, config, file)
}

fn poll_with(manager: &Manager, mut config: config::StreamManager, file: Secret) -> Poll {
    config.timeout = TIMEOUT;
    let metrics = Metrics::default();
    let allowed = Arc::new(AllowedOrigins::new(
        &config::Nodes::default(),
        Metrics::default(),
    ));
    let address = ManagerAddress::new(
        BaseUrl::parse(&manager.url).unwrap(),
        Resolver::system(TaskTracker::new()),
    );
    let every = Duration::from_secs(30);
    let list = NodeList::new(address, &config, every, allowed.clone(), metrics.clone());
    Poll {
        list: list.unwrap().unwrap(),
        allowed,
        metrics,
        file,
    }
}

#[tokio::test]
async fn nodes_of_every_group_are_named() {
    let manager = manager(vec![
        ok(r#"[{"name":"a b"},{"name":"c"}]"#),
        ok(r#"[{"address":"10.0.0.1","state":"inservice"},{"address":"169.254.169.254","state":"running"}]"#),
        ok(r#"[{"address":"10.0.0.2","state":"running"},{"address":"10.0.0.3","state":"pending"}]"#),
    ])
    .await;
    let mut poll = poll(&manager);
    assert_eq!(poll.list.poll().await, Ok(2));
    let asked = manager.asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            "GET /streammanager/api/4.0/admin/nodegroup?accessToken=s3cr%26t HTTP/1.1",
            "GET /streammanager/api/4.0/admin/nodegroup/a%20b/node?accessToken=s3cr%26t HTTP/1.1",
            "GET /streammanager/api/4.0/admin/nodegroup/c/node?accessToken=s3cr%26t HTTP/1.1",
        ]
    );
    for (host, known) in [
        ("10.0.0.1", true),
        ("10.0.0.2", true),
        ("10.0.0.3", false),
        ("169.254.169.254", false),
    ] {
        assert_eq!(
            poll.allowed.admit(Claim::client(host)).await.is_ok(),
            known,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_group_that_fails_takes_no_other_with_it() {
    let manager = manager(vec![
        ok(r#"[{"name":"a"},{"name":"gone"},{"name":"junk"},{"name":"b"}]"#),
        ok(r#"[{"address":"10.0.0.1","state":"inservice"}]"#),
        b"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ok("<html>"),
        ok(r#"[{"address":"10.0.0.2","state":"running"}]"#),
    ])
    .await;
    let mut poll = poll(&manager);
    assert_eq!(
        poll.list.poll().await,
        Err(PollError::Call(CallError::Status(404)))
    );
    for host in ["10.0.0.1", "10.0.0.2"] {
        assert!(poll.allowed.admit(Claim::client(host)).await.is_ok());
    }
}

#[tokio::test]
async fn a_manager_that_is_broken_or_hostile_harms_nobody() {
    let huge = format!("[{}]", r#"{"name":"x"},"#.repeat(200_000));
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    for (answer, error) in [
        (ok("<html>"), PollError::NotAList),
        (ok(&huge), PollError::Call(CallError::TooLong)),
        (redirect.to_vec(), PollError::Call(CallError::Status(302))),
        (
            b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            PollError::NotAllowed(401),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[".to_vec(),
            PollError::Call(CallError::Unreachable(Cause::Closed)),
        ),
        (
            b"nonsense\r\n\r\n".to_vec(),
            PollError::Call(CallError::Unreachable(Cause::NotHttp)),
        ),
    ] {
        let manager = manager(vec![answer]).await;
        assert_eq!(poll(&manager).list.poll().await, Err(error));
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut manager = manager(vec![]).await;
    manager.url = format!("http://{}", silent.local_addr().unwrap());
    assert_eq!(
        poll(&manager).list.poll().await,
        Err(PollError::Call(CallError::Unreachable(Cause::Timeout(
            TIMEOUT
        ))))
    );
}

#[tokio::test]
async fn more_groups_than_anybody_has_are_not_all_asked_for() {
    let groups: Vec<String> = (0..150).map(|number| format!("\"{number}\"")).collect();
    let mut answers = vec![ok(&format!("[{}]", groups.join(",")))];
    answers.extend((0..150).map(|_| ok("[]")));
    let manager = manager(answers).await;
    assert_eq!(poll(&manager).list.poll().await, Ok(0));
    assert_eq!(manager.asked.lock().unwrap().len(), 1 + MAX_GROUPS);
}

#[tokio::test]
async fn the_token_is_read_again_and_a_missing_one_is_an_error_that_does_not_hold_it() {
    let manager = manager(vec![ok("[]"), ok("[]")]).await;
    let mut poll = poll(&manager);
    assert_eq!(poll.list.poll().await, Ok(0));
    poll.file.write("0ther");
    assert_eq!(poll.list.poll().await, Ok(0));
    assert!(manager.asked.lock().unwrap()[1].contains("accessToken=0ther "));
    poll.file.write("two words");
    let error = poll.list.poll().await.unwrap_err();
    assert!(!error.to_string().contains("words"), "{error}");
    std::fs::remove_file(&poll.file.0).unwrap();
    assert_eq!(
        poll.list.poll().await,
        Err(PollError::TokenUnreadable(std::io::ErrorKind::NotFound))
    );
    assert!(!format!("{:?}", poll.list).contains("0ther"));
}
