//! Shutdown: the order of a drain.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use whipstitch::shutdown::Drained;
use whipstitch_minicluster::Fault;
use whipstitch_tests::{Deployment, websocket::Dialogue};

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
