//! [`crate::framing`] below hyper: requests that arrive in pieces, one behind the other.

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tower::service_fn;

use super::{
    tests::{connected, limits, terms},
    *,
};

/// How long the service takes: pieces of the next request come before its answer.
const ANSWER: Duration = Duration::from_millis(3);

/// Sends the pieces with a pause after each, and reads to the end.
async fn answers(pieces: &[&[u8]], pause: Duration) -> String {
    let (mut client, server) = connected().await;
    let service = service_fn(|request: Request<Incoming>| async move {
        sleep(ANSWER).await;
        let length = request.into_body().collect().await;
        let length = length.map_or(0, |body| body.to_bytes().len());
        Ok::<_, Infallible>(Response::new(format!("[{length}]")))
    });
    let (limits, room) = (limits(2_000, 150), Arc::default());
    let server = serve(Socket::plain(server), service, terms(&limits, &room));
    let client = async {
        client.set_nodelay(true).unwrap();
        for piece in pieces {
            let _ = client.write_all(piece).await;
            sleep(pause).await;
        }
        read(&mut client).await
    };
    let ((), answers) = tokio::join!(server, client);
    answers
}

async fn read(client: &mut TcpStream) -> String {
    let mut answers = Vec::new();
    let end = timeout(Duration::from_secs(5), client.read_to_end(&mut answers)).await;
    assert!(
        end.is_ok(),
        "no end: {:?}",
        String::from_utf8_lossy(&answers)
    );
    String::from_utf8_lossy(&answers).into_owned()
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD: &str = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

#[tokio::test]
async fn a_second_length_that_arrives_byte_by_byte_is_refused() {
    let pieces: Vec<_> = BAD.as_bytes().chunks(1).collect();
    let answer = answers(&pieces, Duration::ZERO).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("how long its body is"), "{answer}");
}

/// However the second request is cut, and whether its rest comes before or after the first answer.
#[tokio::test]
async fn valid_requests_behind_one_another_are_all_served() {
    let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nv=0\na\n";
    let mut cases = JoinSet::new();
    for first in [GET, post] {
        let all = format!("{first}{post}");
        for cut in (first.len()..all.len()).step_by(3) {
            for pause in [Duration::ZERO, ANSWER * 2] {
                let all = all.clone();
                cases.spawn(async move {
                    let (one, two) = all.as_bytes().split_at(cut);
                    let answers = answers(&[one, two], pause).await;
                    assert_eq!(answers.matches("200 OK").count(), 2, "{cut}: {answers}");
                    assert!(answers.ends_with("[6]"), "{cut}: {answers}");
                });
            }
        }
    }
    cases.join_all().await;
}

#[tokio::test]
async fn a_request_behind_an_upgrade_that_is_not_made_is_judged() {
    let upgrade = "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    let old = "GET /a HTTP/1.0\r\nConnection: keep-alive\r\nUpgrade: x\r\n\r\n";
    for first in [upgrade, old] {
        let both = format!("{first}{BAD}");
        for cut in [0, first.len(), first.len() + 40] {
            let (one, two) = both.as_bytes().split_at(cut);
            let answers = answers(&[one, two], ANSWER / 3).await;
            assert!(answers.contains(" 200 OK"), "{cut}: {answers}");
            assert!(answers.contains("HTTP/1.1 400 "), "{cut}: {answers}");
            assert_eq!(answers.matches(" 200 OK").count(), 1, "{cut}: {answers}");
        }
        let good = answers(&[first.as_bytes(), GET.as_bytes()], ANSWER / 3).await;
        assert_eq!(good.matches(" 200 OK").count(), 2, "{good}");
    }
}

/// Not when the connection has been idle for long.
#[tokio::test]
async fn a_fault_that_comes_before_the_answer_is_refused_behind_it() {
    let began = tokio::time::Instant::now();
    let answers = answers(&[GET.as_bytes(), b"\n", GET.as_bytes()], ANSWER / 3).await;
    assert_eq!(answers.matches("200 OK").count(), 1, "{answers}");
    assert!(answers.contains("HTTP/1.1 400 "), "{answers}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_chunk_with_a_bare_lf_ends_the_body() {
    let post =
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n";
    let answers = answers(&[post.as_bytes(), GET.as_bytes()], ANSWER).await;
    assert!(!answers.contains("[3]"), "{answers}");
    assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{answers}");
}
