use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hyper_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::*;

struct Ends<N = TcpStream> {
    client: DuplexStream,
    node: N,
    close: CancellationToken,
    relay: JoinHandle<Outcome>,
}

async fn ends() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (to_node, node) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    around(to_node.unwrap(), node.unwrap().0)
}

/// No kernel between them, so that a paused clock waits for what is on its way.
fn ends_in_memory() -> Ends<DuplexStream> {
    let (to_node, node) = tokio::io::duplex(256 * 1024);
    around(to_node, node)
}

#[expect(
    clippy::disallowed_methods,
    reason = "no shutdown to wait for in a test"
)]
fn around<N: Duplex + 'static, M>(to_node: N, node: M) -> Ends<M> {
    let (client, ours) = tokio::io::duplex(64 * 1024);
    let close = CancellationToken::new();
    let asked = close.clone();
    let relay = tokio::spawn(async move {
        let client = Detached {
            io: Box::new(ours),
            read: Bytes::new(),
        };
        relay(
            client,
            to_node,
            Bytes::new(),
            async move {
                asked.cancelled().await;
                Goodbye::Draining
            },
            &Traffic::new(),
        )
        .await
    });
    Ends {
        client,
        node,
        close,
        relay,
    }
}

fn frame(payload: &'static [u8], masked: bool) -> Vec<u8> {
    let mut frame = Frame::message(payload, OpCode::Data(Data::Text), true);
    frame.header_mut().mask = masked.then_some([9, 8, 7, 6]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

async fn rest<R: AsyncRead + Unpin>(from: &mut R) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn the_last_frame_before_a_close_is_delivered() {
    let mut ends = ends().await;
    let mut sent = frame(br#"{"switchChannel":"red5pro"}"#, true);
    sent.extend([0x88, 0x80, 1, 2, 3, 4]);
    ends.client.write_all(&sent).await.unwrap();
    ends.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut ends.node).await, sent);
    ends.node.write_all(&[0x88, 0x00]).await.unwrap();
    drop(ends.node);
    assert_eq!(rest(&mut ends.client).await, [0x88, 0x00]);
    let outcome = ends.relay.await.unwrap();
    assert_eq!(
        (outcome.ended, outcome.from_client, outcome.from_node),
        (Ended::Client, sent.len() as u64, 2)
    );
}

#[tokio::test]
async fn on_shutdown_both_sides_get_a_close_between_frames() {
    let mut ends = ends().await;
    let whole = frame(b"half of this is in flight", true);
    let (first, second) = whole.split_at(9);
    ends.client.write_all(first).await.unwrap();
    let mut begun = vec![0; 9];
    ends.node.read_exact(&mut begun).await.unwrap();
    ends.close.cancel();
    // The client's side is between frames: it gets its Close at once.
    let goodbye = Goodbye::Draining.frame(false);
    let mut got = vec![0; goodbye.len()];
    ends.client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, goodbye);
    // The node's side is in the middle of one: it gets the rest first, and nothing that comes
    // after it.
    let mut more = second.to_vec();
    more.extend(frame(b"too late", true));
    more.extend([0x88, 0x80, 1, 2, 3, 4]);
    ends.client.write_all(&more).await.unwrap();
    let mut expected = second.to_vec();
    expected.extend(Goodbye::Draining.frame(true));
    let mut got = vec![0; expected.len()];
    ends.node.read_exact(&mut got).await.unwrap();
    assert_eq!(got, expected);
    // Both have answered: it is over without waiting.
    ends.node.write_all(&[0x88, 0x00]).await.unwrap();
    assert_eq!(ends.relay.await.unwrap().ended, Ended::Proxy);
}

#[tokio::test]
async fn a_close_under_way_when_the_end_comes_arrives_whole() {
    let mut ends = ends().await;
    let close = [0x88, 0x85, 1, 2, 3, 4, 2, 234, 98, 125, 100];
    ends.client.write_all(&close[..4]).await.unwrap();
    let mut got = vec![0; 4];
    ends.node.read_exact(&mut got).await.unwrap();
    ends.close.cancel();
    let goodbye = Goodbye::Draining.frame(false);
    let mut for_client = vec![0; goodbye.len()];
    ends.client.read_exact(&mut for_client).await.unwrap();
    ends.client.write_all(&close[4..]).await.unwrap();
    ends.node.write_all(&[0x88, 0x00]).await.unwrap();
    got.extend(rest(&mut ends.node).await);
    assert_eq!(got, close);
    ends.relay.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sides_that_do_not_answer_are_not_waited_for() {
    let ends = ends().await;
    ends.close.cancel();
    assert_eq!(ends.relay.await.unwrap().ended, Ended::Proxy);
}

#[tokio::test]
async fn a_node_that_vanishes_is_told_to_the_client() {
    let mut ends = ends().await;
    drop(ends.node);
    assert_eq!(rest(&mut ends.client).await, Goodbye::NodeGone.frame(false));
    drop(ends.client);
    assert_eq!(ends.relay.await.unwrap().ended, Ended::NodeLost);
}

#[tokio::test]
async fn a_client_that_vanishes_is_told_to_the_node() {
    let mut ends = ends().await;
    drop(ends.client);
    assert_eq!(rest(&mut ends.node).await, Goodbye::ClientGone.frame(true));
    drop(ends.node);
    assert_eq!(ends.relay.await.unwrap().ended, Ended::ClientLost);
}

/// What a side that answers no Ping gets, and how long that takes.
#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_given_up() {
    let mut ends = ends_in_memory();
    let began = Instant::now();
    let mut pings = [0; 12];
    ends.client.read_exact(&mut pings).await.unwrap();
    assert_eq!(&pings[..2], [0x89, 10]);
    // The node answers its own, so that only the client is silent.
    let mut to_node = [0; 16];
    ends.node.read_exact(&mut to_node).await.unwrap();
    assert_eq!(&to_node[..2], [0x89, 0x8a]);
    ends.node.write_all(&[0x8a, 0x00]).await.unwrap();
    assert_eq!(rest(&mut ends.node).await, Goodbye::ClientGone.frame(true));
    assert!(began.elapsed() <= Duration::from_secs(41));
    assert_eq!(ends.relay.await.unwrap().ended, Ended::ClientLost);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_answers_no_ping_is_given_up() {
    let mut ends = ends_in_memory();
    let began = Instant::now();
    let mut ping = [0; 12];
    ends.client.read_exact(&mut ping).await.unwrap();
    ends.client
        .write_all(&[0x8a, 0x80, 1, 2, 3, 4])
        .await
        .unwrap();
    assert_eq!(rest(&mut ends.client).await, Goodbye::NodeGone.frame(false));
    assert!(began.elapsed() <= Duration::from_secs(41));
    assert_eq!(ends.relay.await.unwrap().ended, Ended::NodeLost);
}

#[tokio::test(start_paused = true)]
async fn sides_that_answer_pings_stay() {
    let mut ends = ends_in_memory();
    for _ in 0..20 {
        let mut ping = [0; 12];
        ends.client.read_exact(&mut ping).await.unwrap();
        let answer = [0x8a, 0x80, 1, 2, 3, 4];
        ends.client.write_all(&answer).await.unwrap();
        let mut got = [0; 22];
        ends.node.read_exact(&mut got).await.unwrap();
        ends.node.write_all(&[0x8a, 0x00]).await.unwrap();
        let mut from_node = [0; 2];
        ends.client.read_exact(&mut from_node).await.unwrap();
        assert_eq!(from_node, [0x8a, 0x00]);
    }
    assert!(!ends.relay.is_finished());
    ends.relay.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up_however_much_it_sends() {
    let mut ends = ends_in_memory();
    // More than the client's pipe holds.
    for _ in 0..8 {
        let flood = frame(&[b'x'; 16_000], false);
        ends.node.write_all(&flood).await.unwrap();
    }
    for _ in 0..40 {
        let said = ends.client.write_all(&frame(b"hello", true)).await;
        if said.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let heard = rest(&mut ends.node).await;
    assert!(heard.ends_with(&Goodbye::ClientGone.frame(true)));
    assert_eq!(ends.relay.await.unwrap().ended, Ended::ClientLost);
}

/// RFC 6455 §7.1.1: after both Closes the server ends the connection, and this proxy is one to
/// its client.
#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_client_that_leaves_ending_tcp_to_the_server() {
    let mut ends = ends_in_memory();
    let began = Instant::now();
    ends.close.cancel();
    let mut goodbye = vec![0; Goodbye::Draining.frame(true).len()];
    ends.node.read_exact(&mut goodbye).await.unwrap();
    ends.node.write_all(&[0x88, 0x00]).await.unwrap();
    ends.node.shutdown().await.unwrap();
    ends.client
        .write_all(&[0x88, 0x80, 1, 2, 3, 4])
        .await
        .unwrap();
    assert_eq!(rest(&mut ends.client).await, Goodbye::Draining.frame(false));
    assert_eq!(ends.relay.await.unwrap().ended, Ended::Proxy);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_reader_that_stops_holds_the_sender() {
    let mut ends = ends().await;
    // The client's end is not read: what the node can send is what the buffers on the way
    // hold.
    let chunk = vec![0x82; 64 * 1024];
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(200), ends.node.write(&chunk)).await
    {
        sent += written.unwrap();
        assert!(sent < 32 * 1024 * 1024, "nothing holds the sender");
    }
    ends.relay.abort();
}

/// A node's socket that takes its time to shut down, as a stream of HTTP/2 does.
struct Slow {
    inner: DuplexStream,
    gate: tokio::sync::oneshot::Receiver<()>,
    shutdowns: Arc<AtomicUsize>,
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.shutdowns.fetch_add(1, Ordering::Relaxed);
        let _ = std::task::ready!(Pin::new(&mut self.gate).poll(cx));
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_that_takes_time_is_waited_for_and_not_asked_for_without_end() {
    let (to_node, node) = tokio::io::duplex(64 * 1024);
    let (open, gate) = tokio::sync::oneshot::channel();
    let shutdowns = Arc::new(AtomicUsize::new(0));
    let slow = Slow {
        inner: to_node,
        gate,
        shutdowns: shutdowns.clone(),
    };
    let mut ends = around(slow, node);
    ends.close.cancel();
    for (side, masked) in [(&mut ends.client, true), (&mut ends.node, false)] {
        let goodbye = Goodbye::Draining.frame(!masked);
        let mut read = vec![0; goodbye.len()];
        side.read_exact(&mut read).await.unwrap();
        side.write_all(&Goodbye::Draining.frame(masked))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ends.relay.is_finished());
    open.send(()).unwrap();
    let outcome = tokio::time::timeout(LINGER / 2, ends.relay).await;
    assert!(outcome.is_ok(), "it has to be woken");
    let shutdowns = shutdowns.load(Ordering::Relaxed);
    assert!(shutdowns < 10, "{shutdowns}");
}
