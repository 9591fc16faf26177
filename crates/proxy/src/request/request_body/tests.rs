use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(6);

fn piece(bytes: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(bytes.as_bytes()))
}

fn pieces(pieces: &'static [&'static str]) -> RequestBody {
    let frames = pieces.iter().map(|bytes| Ok(piece(bytes)));
    let body = StreamBody::new(stream::iter(frames));
    body.boxed_unsync().into()
}

/// A body whose client sends a piece whenever the test says so.
fn slow() -> (mpsc::Sender<Frame<Bytes>>, RequestBody) {
    let (send, mut receive) = mpsc::channel(1);
    let pieces = stream::poll_fn(move |cx| receive.poll_recv(cx).map(|piece| piece.map(Ok)));
    let mut body = RequestBody::from(StreamBody::new(pieces).boxed_unsync());
    body.limit(100, PATIENCE * 10).unwrap();
    (send, body)
}

#[test]
fn an_announced_length_over_the_limit_is_refused_at_once() {
    let whole = || RequestBody::from(crate::words::body::full("12345"));
    let refused = whole().limit(4, PATIENCE);
    assert!(matches!(refused, Err(BodyError::TooLarge { limit: 4 })));
    assert!(whole().limit(5, PATIENCE).is_ok());
}

#[tokio::test]
async fn a_length_that_was_not_announced_is_counted() {
    let mut fits = pieces(&["12", "34"]);
    fits.limit(4, PATIENCE).unwrap();
    let exchange = fits.0.as_ref().unwrap().exchange.clone();
    assert_eq!(fits.collect().await.unwrap().to_bytes(), "1234");
    assert_eq!(exchange.record().received.load(Ordering::Relaxed), 4);
    let mut long = pieces(&["12", "345"]);
    long.limit(4, PATIENCE).unwrap();
    let refused = long.collect().await;
    assert!(matches!(refused, Err(BodyError::TooLarge { limit: 4 })));
}

#[tokio::test(start_paused = true)]
async fn a_client_has_its_time_for_each_piece() {
    let (send, mut body) = slow();
    for _ in 0..3 {
        let client = async {
            sleep(PATIENCE * 9).await;
            send.send(piece("late")).await.unwrap();
        };
        let (came, ()) = tokio::join!(body.frame(), client);
        assert!(came.unwrap().is_ok());
    }
    let began = Instant::now();
    let late = body.frame().await.unwrap();
    assert!(matches!(late, Err(BodyError::TooSlow(_))));
    assert!(began.elapsed() >= PATIENCE * 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_time_is_not_the_destinations_fault() {
    let (send, mut body) = slow();
    let (timer, began) = (body.timed(), Instant::now());
    let client = async {
        sleep(PATIENCE * 5).await;
        send.send(piece("late")).await.unwrap();
    };
    // The client is waited for as long as it takes; the destination, which never answers, from then
    // on.
    let waits = async { tokio::join!(client, body.frame()) };
    let _ = tokio::join!(waits, timer.expired(PATIENCE));
    let waited = began.elapsed();
    assert!(
        waited >= PATIENCE * 6 && waited <= PATIENCE * 7,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_takes_nothing_is_blamed_and_each_piece_is_a_sign_of_life() {
    let (send, mut body) = slow();
    let timer = body.timed();
    assert!(timeout(PATIENCE * 2, timer.expired(PATIENCE)).await.is_ok());
    let timer = body.timed();
    let client = async {
        for _ in 0..5 {
            send.send(piece("next")).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let destination = async {
        for _ in 0..5 {
            sleep(PATIENCE * 2 / 3).await;
            body.frame().await;
        }
    };
    tokio::select! {
        () = destination => {}
        () = client => {}
        () = timer.expired(PATIENCE) => panic!("it took a piece every four seconds"),
    }
}

#[tokio::test]
async fn what_is_dropped_before_its_end_is_kept_to_be_drained() {
    for (read, is_kept) in [(0, true), (1, true), (3, false)] {
        let drain = BodyDrain::default();
        let mut body = pieces(&["12", "34"]);
        body.0.as_mut().unwrap().drain = Some(drain.clone());
        for _ in 0..read {
            body.frame().await;
        }
        assert!(drain.rest().is_none());
        drop(body);
        assert_eq!(drain.rest().is_some(), is_kept, "{read}");
    }
}
