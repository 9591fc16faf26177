use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::PathBuf,
    thread,
};

use serde_json::json;

use super::*;
use crate::commands::Style;

/// A socket that answers the next connection with these bytes, after it has read a request's
/// header.
fn served(folder: &tempfile::TempDir, answer: Vec<u8>) -> PathBuf {
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        let mut byte = [0];
        while !read.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) == 1 {
            read.extend(byte);
        }
        // The other side may have had enough.
        let _ = socket.write_all(&answer);
    });
    path
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

/// What becomes of one question.
async fn asked(answer: Vec<u8>) -> Result<Value, (u8, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = served(&folder, answer);
    let asker = Asker::new(Endpoint::Socket(path), Style::plain());
    asker
        .get("/status")
        .await
        .map_err(|failure| (failure.code, failure.what))
}

#[tokio::test]
async fn answers_and_refusals() {
    assert_eq!(
        asked(answer("200 OK", r#"{"a":1}"#)).await,
        Ok(json!({"a": 1}))
    );
    for (status, body, code, words) in [
        (
            "403 Forbidden",
            r#"{"error":"only over the socket /a.sock"}"#,
            REFUSED,
            "only over the socket",
        ),
        (
            "400 Bad Request",
            r#"{"error":"no such level"}"#,
            USAGE,
            "no such level",
        ),
        (
            "404 Not Found",
            r#"{"error":"no such session"}"#,
            BAD_NEWS,
            "no such session",
        ),
        (
            "404 Not Found",
            "there are /livez and others",
            UNREACHABLE,
            "another version",
        ),
        (
            "409 Conflict",
            r#"{"error":"it drains already"}"#,
            BAD_NEWS,
            "drains already",
        ),
        ("503 Service Unavailable", "", UNREACHABLE, "503"),
        ("200 OK", "<html>", UNREACHABLE, "no admin interface"),
    ] {
        let (got, said) = asked(answer(status, body)).await.unwrap_err();
        assert_eq!(got, code, "{status} {body}: {said}");
        assert!(said.contains(words), "{status} {body}: {said}");
    }
}

#[tokio::test]
async fn what_is_no_whipstitch_or_goes_away() {
    for (bytes, words) in [
        (
            b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),
            "does not speak HTTP",
        ),
        (Vec::new(), "went away"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(),
            "went away",
        ),
    ] {
        let (code, said) = asked(bytes).await.unwrap_err();
        assert!(code == UNREACHABLE && said.contains(words), "{said}");
    }
    let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    long.resize(17 << 20, b' ');
    let (code, said) = asked(long).await.unwrap_err();
    assert!(
        code == UNREACHABLE && said.contains("more than 16777216 bytes"),
        "{said}"
    );
}

/// The other side takes the connection and never answers.
#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let asker = Asker::new(Endpoint::Socket(path), Style::plain());
    let began = tokio::time::Instant::now();
    let failure = asker.get("/status").await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(
        failure.code == UNREACHABLE && failure.what.contains("no answer"),
        "{failure:?}"
    );
}

#[test]
fn settings_to_serve_with_have_no_meaning_in_front_of_a_question() {
    let front = Settings {
        https: vec!["0.0.0.0:443".to_owned()],
        ..Settings::default()
    };
    assert_eq!(Reach::default().behind(&front).unwrap_err().code, USAGE);
    let front = Settings {
        admin: Some("/a.sock".to_owned()),
        config: Some("a.toml".into()),
        ..Settings::default()
    };
    let reach = Reach::default().behind(&front).unwrap();
    assert_eq!((reach.admin, reach.config), (front.admin, front.config));
}

#[test]
fn json_tells_a_terminal_nothing() {
    let text = for_a_terminal(&json!({"a": "\u{9b}31m\u{7f}\u{1b}"}));
    assert!(
        !text.chars().any(|one| one.is_control() && one != '\n'),
        "{text:?}"
    );
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["a"], "\u{9b}31m\u{7f}\u{1b}");
}

#[test]
fn durations_have_units() {
    assert_eq!(duration("10m"), Ok(Duration::from_mins(10)));
    assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
    for wrong in ["10", "", "-5s", "soon", "0s"] {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
}
