//! The list of a Stream Manager 2.0, and the login for it.

use whipstitch_signaling::Api;

use super::*;

const GROUPS: &str = r#"["a b","c"]"#;
const NODE: &str =
    r#"[{"nodeEvent":{"publicIp":"10.0.0.1"},"scalingEvent":{"state":"INSERVICE"}}]"#;
const NO: &str = "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// `{"exp":1}`: good for the shortest time.
const SHORT: &str = "e30.eyJleHAiOjF9.x";

struct TwoPoll {
    poll: Poll,
    user: Secret,
}

impl TwoPoll {
    fn new(manager: &Manager) -> Self {
        let (user, password) = (Secret::new("admin\n"), Secret::new("s3cr:t \n"));
        let config = config::StreamManager {
            api: Api::V2,
            user_file: Some(user.0.clone()),
            password_file: Some(password.0.clone()),
            ..config::StreamManager::default()
        };
        Self {
            poll: poll_with(manager, config, password),
            user,
        }
    }

    async fn poll(&mut self) -> Result<usize, PollError> {
        self.poll.list.poll().await
    }

    fn login(&self) -> crate::metrics::LoginSeen {
        self.poll.metrics.manager().login.unwrap()
    }
}

fn token(token: &str) -> Vec<u8> {
    ok(&format!(r#"{{"token":"{token}","user":"x"}}"#))
}

/// The clock advances while no task waits.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Method and path of what was asked.
fn asked(manager: &Manager) -> Vec<String> {
    let asked = manager.asked.lock().unwrap();
    let short = |line: &String| line.trim_end_matches(" HTTP/1.1").replace("/as/v1", "");
    asked.iter().map(short).collect()
}

const LOGIN: &str = "PUT /auth/login";
const LIST: &str = "GET /admin/nodegroup";

#[tokio::test]
async fn nodes_in_service_of_every_group_are_named_after_a_login() {
    let metadata = r#"[{"nodeEvent":{"publicIp":"169.254.169.254"},"scalingEvent":{"state":"INSERVICE"}},
        {"nodeEvent":{"publicIp":"10.0.0.2"},"scalingEvent":{"state":"SOFT_SUNSET"}}]"#;
    let answers = vec![token("jwt"), ok(GROUPS), ok(NODE), ok(metadata), ok("[]")];
    let manager = manager(answers).await;
    let mut poll = TwoPoll::new(&manager);
    assert_eq!(poll.poll().await, Ok(1));
    assert_eq!(
        asked(&manager),
        [
            LOGIN,
            LIST,
            "GET /admin/nodegroup/status/a%20b",
            "GET /admin/nodegroup/status/c"
        ]
    );
    let heads = manager.heads.lock().unwrap().clone();
    // admin:s3cr:t and a space
    assert!(
        heads[0].contains("authorization: Basic YWRtaW46czNjcjp0IA==\r\n"),
        "{}",
        heads[0]
    );
    assert!(heads[0].contains("content-length: 0\r\n"), "{}", heads[0]);
    for head in &heads[1..] {
        assert!(head.contains("authorization: Bearer jwt\r\n"), "{head}");
    }
    for (host, known) in [
        ("10.0.0.1", true),
        ("10.0.0.2", false),
        ("169.254.169.254", false),
    ] {
        let admitted = poll.poll.allowed.admit(Claim::client(host)).await;
        assert_eq!(admitted.is_ok(), known, "{host}");
    }
    let login = poll.login();
    assert!(login.error.is_none() && login.token_ends.is_some());
    let shown = format!("{:?}", poll.poll.list);
    assert!(!shown.contains("s3cr") && !shown.contains("jwt"), "{shown}");
}

#[tokio::test]
async fn a_token_is_used_until_four_fifths_of_its_life_are_over() {
    let manager = manager(vec![token("a"), ok("[]"), ok("[]"), token("b"), ok("[]")]).await;
    let mut poll = TwoPoll::new(&manager);
    assert_eq!(poll.poll().await, Ok(0));
    later(Duration::from_mins(400) * 4 / 5 * 8 / 10).await;
    assert_eq!(poll.poll().await, Ok(0));
    later(Duration::from_mins(400) * 4 / 5 * 2 / 10).await;
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(asked(&manager), [LOGIN, LIST, LIST, LOGIN, LIST]);
    assert!(manager.heads.lock().unwrap()[4].contains("Bearer b\r\n"));
}

#[tokio::test]
async fn an_expired_token_is_replaced_once_and_a_new_one_that_is_not_accepted_is_a_refusal() {
    let no = || NO.as_bytes().to_vec();
    let answers = vec![
        token("a"),
        ok("[]"),
        // Later it is not accepted any more: the manager was started anew.
        no(),
        token("b"),
        ok("[]"),
        // And a user whose tokens are not accepted at all.
        no(),
        token("c"),
        no(),
        token("d"),
        ok("[]"),
    ];
    let manager = manager(answers).await;
    let mut poll = TwoPoll::new(&manager);
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(asked(&manager)[2..], [LIST, LOGIN, LIST]);
    let rejected = Err(PollError::Login(LoginError::TokenRejected));
    assert_eq!(poll.poll().await, rejected);
    assert_eq!(asked(&manager)[5..], [LIST, LOGIN, LIST]);
    assert!(poll.login().refused && poll.login().token_ends.is_none());
    // Nothing is asked while it waits.
    assert_eq!(poll.poll().await, rejected);
    assert_eq!(asked(&manager).len(), 8);
    later(FIRST_WAIT).await;
    assert_eq!(poll.poll().await, Ok(0));
    assert!(poll.login().error.is_none());
}

/// As in `login`.
const FIRST_WAIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_refused_login_is_not_hammered() {
    let manager = manager(vec![NO.as_bytes().to_vec(); 30]).await;
    let mut poll = TwoPoll::new(&manager);
    let refused = Err(PollError::Login(LoginError::Refused(401)));
    for wait in [30, 60, 120, 240, 480, 600, 600] {
        let before = asked(&manager).len();
        assert_eq!(poll.poll().await, refused);
        assert_eq!(asked(&manager).len(), before + 1, "{wait}");
        // A tenth may be missing.
        later(Duration::from_secs(wait) * 89 / 100).await;
        assert_eq!(poll.poll().await, refused);
        assert_eq!(asked(&manager).len(), before + 1, "{wait}");
        later(Duration::from_secs(wait) * 11 / 100).await;
    }
    assert!(asked(&manager).iter().all(|line| line == LOGIN));
    let since = poll.login().since;
    assert_eq!(poll.poll().await, refused);
    assert_eq!(
        poll.login().since,
        since,
        "it is refused since the first time"
    );
}

#[tokio::test]
async fn logins_whose_tokens_are_never_accepted_get_rarer_and_are_told_once() {
    let round = |name: &str| [token(name), NO.as_bytes().to_vec()];
    let mut answers = ["a", "b", "c", "d", "e"].map(round).concat();
    answers.extend([token("f"), ok("[]")]);
    // Later the same again: the wait is the first one.
    answers.extend([NO.as_bytes().to_vec()]);
    answers.extend(round("g"));
    answers.extend([token("h"), ok("[]")]);
    let manager = manager(answers).await;
    let mut poll = TwoPoll::new(&manager);
    let rejected = Err(PollError::Login(LoginError::TokenRejected));
    let mut since = None;
    for wait in [30, 60, 120, 240, 480] {
        let before = asked(&manager).len();
        assert_eq!(poll.poll().await, rejected);
        assert_eq!(asked(&manager)[before..], [LOGIN, LIST], "{wait}");
        let login = poll.login();
        assert!(login.refused, "{wait}");
        assert_eq!(*since.get_or_insert(login.since), login.since, "{wait}");
        // A tenth may be missing.
        later(Duration::from_secs(wait) * 89 / 100).await;
        assert_eq!(poll.poll().await, rejected);
        assert_eq!(asked(&manager).len(), before + 2, "{wait}");
        later(Duration::from_secs(wait) * 11 / 100).await;
    }
    assert_eq!(poll.poll().await, Ok(0));
    assert!(poll.login().error.is_none());
    assert_eq!(poll.poll().await, rejected);
    later(FIRST_WAIT).await;
    assert_eq!(poll.poll().await, Ok(0));
}

#[tokio::test]
async fn a_token_is_proved_by_the_manager_and_not_by_a_gateway() {
    let status = |status: u16| {
        format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    };
    for (first, proves) in [(502, false), (404, false), (403, true)] {
        let mut answers = vec![token("a"), status(first), status(401)];
        if proves {
            answers.extend([token("b"), ok("[]")]);
        }
        let manager = manager(answers).await;
        let mut poll = TwoPoll::new(&manager);
        poll.poll().await.unwrap_err();
        let rejected = Err(PollError::Login(LoginError::TokenRejected));
        let second = if proves { Ok(0) } else { rejected };
        assert_eq!(poll.poll().await, second, "{first}");
    }
}

#[tokio::test]
async fn only_a_status_that_speaks_of_the_credentials_is_a_refused_login() {
    for (status, refused) in [
        (400, true),
        (401, true),
        (403, true),
        (404, false),
        (408, false),
        (429, false),
    ] {
        let no = format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let manager = manager(vec![no.into_bytes(), token("a"), ok("[]")]).await;
        let mut poll = TwoPoll::new(&manager);
        let error = if refused {
            LoginError::Refused(status)
        } else {
            LoginError::Call(CallError::Status(status))
        };
        assert_eq!(poll.poll().await, Err(PollError::Login(error.clone())));
        assert_eq!(poll.login().refused, refused, "{status}");
        // The next poll, and not 30 s later.
        let next = if refused {
            Err(PollError::Login(error))
        } else {
            Ok(0)
        };
        assert_eq!(poll.poll().await, next, "{status}");
    }
}

#[tokio::test]
async fn files_that_begin_with_a_byte_order_mark_hold_the_same() {
    let manager = manager(vec![token("a"), ok("[]")]).await;
    let mut poll = TwoPoll::new(&manager);
    poll.user.write("\u{feff}admin\r\n");
    poll.poll.file.write("\u{feff}s3cr:t \n");
    assert_eq!(poll.poll().await, Ok(0));
    let heads = manager.heads.lock().unwrap().clone();
    // admin:s3cr:t and a space
    assert!(
        heads[0].contains("Basic YWRtaW46czNjcjp0IA==\r\n"),
        "{}",
        heads[0]
    );
}

#[tokio::test]
async fn other_files_or_a_reload_end_the_wait() {
    let no = || NO.as_bytes().to_vec();
    let manager = manager(vec![
        no(),
        no(),
        no(),
        token("a"),
        ok("[]"),
        token("b"),
        ok("[]"),
    ])
    .await;
    let mut poll = TwoPoll::new(&manager);
    let refused = Err(PollError::Login(LoginError::Refused(401)));
    assert_eq!(poll.poll().await, refused);
    poll.poll.file.write("another");
    assert_eq!(poll.poll().await, refused);
    assert_eq!(poll.poll().await, refused);
    assert_eq!(asked(&manager).len(), 2);
    poll.poll.list.admin.retry_now();
    assert_eq!(poll.poll().await, refused);
    assert_eq!(asked(&manager).len(), 3);
    poll.user.write("operator");
    assert_eq!(poll.poll().await, Ok(0));
    // A password that changes while a token is good is tried at once, so that the operator learns
    // of it.
    poll.poll.file.write("third");
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(asked(&manager)[3..], [LOGIN, LIST, LOGIN, LIST]);
    // operator:third
    let heads = manager.heads.lock().unwrap().clone();
    assert!(
        heads[5].contains("Basic b3BlcmF0b3I6dGhpcmQ=\r\n"),
        "{}",
        heads[5]
    );
}

#[tokio::test]
async fn a_good_token_outlives_a_failed_login_and_missing_files() {
    let answers = vec![token("a"), ok("[]"), ok("<html>"), ok("[]"), ok("[]")];
    let manager = manager(answers).await;
    let mut poll = TwoPoll::new(&manager);
    assert_eq!(poll.poll().await, Ok(0));
    later(Duration::from_mins(330)).await;
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(asked(&manager)[2..], [LOGIN, LIST]);
    let login = poll.login();
    assert!(login.error.unwrap().contains("no token") && login.token_ends.is_some());
    std::fs::remove_file(&poll.user.0).unwrap();
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(
        poll.login().error.unwrap(),
        "stream_manager.user_file cannot be read: entity not found"
    );
    later(Duration::from_mins(80)).await;
    let unreadable = Err(PollError::Login(LoginError::UserUnreadable(
        std::io::ErrorKind::NotFound,
    )));
    assert_eq!(poll.poll().await, unreadable);
}

#[tokio::test]
async fn a_token_whose_life_is_over_at_once_is_used_for_one_poll() {
    let answers = vec![token(SHORT), ok("[]"), token(SHORT), ok("[]")];
    let manager = manager(answers).await;
    let mut poll = TwoPoll::new(&manager);
    assert_eq!(poll.poll().await, Ok(0));
    later(Duration::from_secs(5)).await;
    assert_eq!(poll.poll().await, Ok(0));
    assert_eq!(asked(&manager), [LOGIN, LIST, LOGIN, LIST]);
}

#[tokio::test]
async fn what_is_no_answer_to_a_login_is_told_without_what_it_holds() {
    let long = "x".repeat(9000);
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let call = |error| LoginError::Call(error);
    for (answer, error) in [
        (ok("<html>s3cr"), LoginError::NoToken),
        (ok("[]"), LoginError::NoToken),
        (ok(r#"{"error":"s3cr"}"#), LoginError::NoToken),
        (ok(r#"{"token":null}"#), LoginError::NoToken),
        (token(""), LoginError::NoToken),
        (token("s3cr\\r\\nX-Evil: 1"), LoginError::NoToken),
        (token(&long), LoginError::NoToken),
        (ok(&long.repeat(10)), call(CallError::TooLong)),
        (redirect.to_vec(), call(CallError::Status(302))),
        (
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            call(CallError::Status(500)),
        ),
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            LoginError::Refused(403),
        ),
        (
            b"nonsense\r\n\r\n".to_vec(),
            call(CallError::Unreachable(Cause::NotHttp)),
        ),
    ] {
        let manager = manager(vec![answer]).await;
        let mut poll = TwoPoll::new(&manager);
        let failed = poll.poll().await.unwrap_err();
        assert_eq!(failed, PollError::Login(error.clone()));
        assert!(!failed.to_string().contains("s3cr"), "{failed}");
        let seen = poll.login();
        assert_eq!(seen.error.unwrap(), error.to_string());
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut manager = manager(vec![]).await;
    manager.url = format!("http://{}", silent.local_addr().unwrap());
    let timeout = LoginError::Call(CallError::Unreachable(Cause::Timeout(TIMEOUT)));
    assert_eq!(
        TwoPoll::new(&manager).poll().await,
        Err(PollError::Login(timeout))
    );
}
