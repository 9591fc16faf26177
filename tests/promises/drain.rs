//! Shutdown: the order of a drain.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use whipstitch::shutdown::Drained;
use whipstitch_minicluster::Fault;
use whipstitch_tests::{
    Client, Deployment,
    http::Io,
    raw_h2::{self, END_HEADERS, END_STREAM, block, frame, kind},
    websocket::Dialogue,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_socket_gets_a_close_and_every_request_its_answer() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let target = format!(
        "/streammanager/?id=subscriber-1&host={}&app=live",
        deployment.cluster.nodes()[0].ip()
    );
    let mut dialogues = Vec::new();
    for _ in 0..20 {
        let mut dialogue = Dialogue::open(&proxy.h1, &target).await.unwrap();
        dialogue.receive().await;
        dialogues.push(dialogue);
    }
    deployment
        .cluster
        .manager()
        .fail(Fault::Delay(Duration::from_millis(500)))
        .await;
    let (h1, h2, admin) = (proxy.h1.clone(), proxy.h2.clone(), proxy.admin.clone());
    let slow = async { tokio::join!(h1.get("/slow"), h2.get("/slow")) };
    let in_flight = "whipstitch_requests_in_flight";
    let ((first, second), ()) = tokio::join!(slow, proxy.until_metric(in_flight, 2.0));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (404, 404));

    let slow = async { tokio::join!(h1.get("/slow"), h2.get("/slow")) };
    let end = async {
        proxy.until_metric(in_flight, 2.0).await;
        proxy.drain().await
    };
    let closes = async {
        // At once, and not at the next frame: nodes ping every 5 s.
        let closes = futures_util::future::join_all(dialogues.iter_mut().map(Dialogue::next));
        let closes = tokio::time::timeout(Duration::from_secs(3), closes).await;
        for close in closes.expect("a Close at once") {
            let Message::Close(Some(close)) = close else {
                panic!("not a Close: {close:?}")
            };
            assert_eq!(close.code, CloseCode::Away);
        }
        // While the requests are still in flight, the proxy is not ready.
        assert_eq!(admin.get("/readyz").await.status, 503);
        assert_eq!(admin.get("/livez").await.status, 200);
        assert!(tokio::net::TcpStream::connect(h1.addr()).await.is_err());
        for dialogue in dialogues.drain(..) {
            dialogue.close().await;
        }
    };
    let ((first, second), drained, ()) = tokio::join!(slow, end, closes);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (404, 404));
    assert_eq!(drained, Drained::Whole);
    for node in deployment.cluster.nodes() {
        assert_eq!(node.sessions(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_does_not_delay_the_drain() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.shutdown.deadline = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    deployment.cluster.manager().fail(Fault::BlackHole).await;
    let (client, drained) = (proxy.h1.clone(), async {
        proxy
            .until_metric("whipstitch_requests_in_flight", 1.0)
            .await;
        proxy.drain().await
    });
    let (mut io, _) = client.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut io, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(
        drained.await,
        Drained::Cut {
            exchanges: 1,
            sockets: 0
        }
    );
    // The drain does not wait for a silent connection either; the process would be gone by now.
    let _ = tokio::time::timeout(Duration::from_millis(1), io.read_u8()).await;
}

/// Over HTTP/1: the whole of what comes after a request that costs no lookup.
async fn answer(io: &mut Box<dyn Io>) -> String {
    let get = b"GET /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    io.write_all(get).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn silent(client: &Client, count: usize) -> Vec<Box<dyn Io>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(client.connect().await.0);
    }
    all
}

/// With socket activation the next process serves those in the kernel's queue, and never sees
/// these.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_connections_that_have_sent_nothing_are_still_served() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut speaking = silent(&proxy.plain, 20).await;
    speaking.extend(silent(&proxy.h1, 20).await);
    let mut mute = silent(&proxy.plain, 5).await;
    let mut h2 = raw_h2::open(&proxy.h2).await;
    proxy
        .until_metric("whipstitch_connections_open", 46.0)
        .await;
    let plain = proxy.plain.addr();
    let mut draining = tokio::task::JoinSet::new();
    draining.spawn(proxy.drain());
    // The listener is closed by the step before the connections are told.
    while tokio::net::TcpStream::connect(plain).await.is_ok() {}
    let ask = block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/live/whip/endpoint/s1"),
    ]);
    let ask = frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &ask);
    h2.write_all(&ask).await.unwrap();
    let answered = raw_h2::until(&mut h2, &[kind::HEADERS]).await;
    assert!(answered.is_some(), "no answer over HTTP/2");
    for answer in futures_util::future::join_all(speaking.iter_mut().map(answer)).await {
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    drop((speaking, h2));
    for io in &mut mute {
        assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
    }
    drop(mute);
    assert_eq!(draining.join_all().await, [Drained::Whole]);
}
