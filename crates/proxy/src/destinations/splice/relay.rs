//! Relays both directions of a session until both are done, and notes who ended it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep},
};

use super::{
    Detached, Duplex, Ended,
    flow::{End, Flow},
    liveness::{Action, Liveness, Signs, TICK},
};
use crate::sessions::traffic::Traffic;

/// How long a session may go on after one side, or this proxy, has ended it.
const LINGER: Duration = Duration::from_secs(5);

/// What a session carried, and how it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// The code of the first Close, if somebody else than this proxy sent it.
    pub(super) close_code: Option<u16>,
    pub(super) from_client: u64,
    pub(super) from_node: u64,
}

/// Relays until both sides are done, or an end is `asked` for.
pub(super) async fn relay<N: Duplex>(
    client: Detached,
    node: N,
    read: Bytes,
    asked: impl Future<Output = ()>,
    traffic: &Traffic,
) -> Outcome {
    let mut relay = Relay {
        up: Flow::new(client.read, true),
        down: Flow::new(read, false),
        client: client.io,
        node,
        ended: None,
        linger: None,
        client_liveness: Liveness::default(),
        node_liveness: Liveness::default(),
    };
    let mut tick = std::pin::pin!(tokio::time::sleep(TICK));
    let mut asked = std::pin::pin!(asked);
    let mut stopped = false;
    std::future::poll_fn(|cx| {
        if !stopped && asked.as_mut().poll(cx).is_ready() {
            stopped = true;
            relay.stop();
        }
        while tick.as_mut().poll(cx).is_ready() {
            tick.as_mut().reset(Instant::now() + TICK);
            relay.tick();
        }
        let over = relay.poll(cx);
        relay.tell(traffic);
        over
    })
    .await;
    relay.outcome()
}

struct Relay<N> {
    client: Box<dyn Duplex>,
    node: N,
    up: Flow,
    down: Flow,
    ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
    client_liveness: Liveness,
    node_liveness: Liveness,
}

impl<N: Duplex> Relay<N> {
    fn stop(&mut self) {
        self.ended.get_or_insert(Ended::Proxy);
        self.up.stop();
        self.down.stop();
    }

    /// Pings a side that is silent, and gives up one that has vanished.
    fn tick(&mut self) {
        let (client_sent, node_blocked) = self.up.signs();
        let (node_sent, client_blocked) = self.down.signs();
        let client = Signs {
            sent: client_sent,
            blocked: client_blocked,
        };
        let node = Signs {
            sent: node_sent,
            blocked: node_blocked,
        };
        match self.client_liveness.tick(client) {
            Action::Ping if self.down.ping() => self.client_liveness.pinged(),
            Action::Wait | Action::Ping => {}
            Action::GiveUp => {
                self.up.source_vanished();
                self.down.sink_vanished();
            }
        }
        match self.node_liveness.tick(node) {
            Action::Ping if self.up.ping() => self.node_liveness.pinged(),
            Action::Wait | Action::Ping => {}
            Action::GiveUp => {
                self.down.source_vanished();
                self.up.sink_vanished();
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let up = self.up.poll(cx, &mut self.client, &mut self.node);
            let down = self.down.poll(cx, &mut self.node, &mut self.client);
            self.note_end();
            if up.is_ready() && down.is_ready() {
                return Poll::Ready(());
            }
            if self.up.is_answered() && self.down.is_answered() {
                // Both sides have had our Close and answered it.
                self.up.finish();
                self.down.finish();
                continue;
            }
            if self.ended.is_some() {
                let linger = self
                    .linger
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                ready!(linger.as_mut().poll(cx));
                // Not waited for any longer, but told: a TLS client would take the bare end for a
                // cut.
                let _ = Pin::new(&mut self.client).poll_shutdown(cx);
                let _ = Pin::new(&mut self.node).poll_shutdown(cx);
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    }

    /// Who ended it: the first to send a Close, or to vanish.
    fn note_end(&mut self) {
        if self.ended.is_none() {
            self.ended = match (self.up.gone, self.down.gone) {
                _ if self.up.is_closed() => Some(Ended::Client),
                _ if self.down.is_closed() => Some(Ended::Node),
                (Some(End::Source), _) | (_, Some(End::Sink)) => Some(Ended::ClientLost),
                (Some(End::Sink), _) | (_, Some(End::Source)) => Some(Ended::NodeLost),
                (None, None) => None,
            };
        }
    }

    /// Publishes what whoever looks is shown.
    fn tell(&self, traffic: &Traffic) {
        traffic.passed(self.up.bytes, self.down.bytes);
        // Nothing is gone as long as nobody has ended it, and that is nearly always.
        if self.ended.is_some() {
            if is_gone(&self.up, &self.down) {
                traffic.client_gone();
            }
            if is_gone(&self.down, &self.up) {
                traffic.node_gone();
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let ended = self.ended.unwrap_or(Ended::Proxy);
        Outcome {
            ended,
            close_code: match ended {
                Ended::Client => self.up.close_code(),
                Ended::Node => self.down.close_code(),
                Ended::ClientLost | Ended::NodeLost | Ended::Proxy => None,
            },
            from_client: self.up.bytes,
            from_node: self.down.bytes,
        }
    }
}

/// Whether the side from which `from` reads and to which `to` writes is no longer there.
fn is_gone(from: &Flow, to: &Flow) -> bool {
    from.gone == Some(End::Source) || to.gone == Some(End::Sink)
}

#[cfg(test)]
mod tests {
    use hyper_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    use tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
    };
    use tokio_util::sync::CancellationToken;

    use super::{super::frames::Goodbye, *};

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
    fn around<N: Duplex + 'static>(to_node: N, node: N) -> Ends<N> {
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
                asked.cancelled(),
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
        let whole = frame(b"half of this is under way", true);
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
        // Nobody reads at the client's end: what the node can send is what the buffers on the way
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
}
