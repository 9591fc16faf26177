//! Relays both directions of a session until both are done, and notes who ended it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{io::AsyncWrite, net::TcpStream, time::Sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Detached, Duplex, Ended,
    flow::{End, Flow},
};
use crate::live::Traffic;

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

/// Relays until both sides are done, or `close` asks for an end.
pub(super) async fn relay(
    client: Detached,
    node: TcpStream,
    read: Bytes,
    close: &CancellationToken,
    traffic: &Traffic,
) -> Outcome {
    let mut relay = Relay {
        up: Flow::new(client.read, true),
        down: Flow::new(read, false),
        client: client.io,
        node,
        ended: None,
        linger: None,
    };
    let mut asked = std::pin::pin!(close.cancelled());
    let mut stopped = false;
    std::future::poll_fn(|cx| {
        if !stopped && asked.as_mut().poll(cx).is_ready() {
            stopped = true;
            relay.stop();
        }
        let over = relay.poll(cx);
        relay.tell(traffic);
        over
    })
    .await;
    relay.outcome()
}

struct Relay {
    client: Box<dyn Duplex>,
    node: TcpStream,
    up: Flow,
    down: Flow,
    ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Relay {
    fn stop(&mut self) {
        self.ended.get_or_insert(Ended::Proxy);
        self.up.stop();
        self.down.stop();
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
                // Not waited for any longer, but told: a TLS client would take the bare end for a cut.
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
        net::TcpListener,
        task::JoinHandle,
    };

    use super::{super::frames::Goodbye, *};

    struct Ends {
        client: DuplexStream,
        node: TcpStream,
        close: CancellationToken,
        relay: JoinHandle<Outcome>,
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "no shutdown to wait for in a test"
    )]
    async fn ends() -> Ends {
        let (client, ours) = tokio::io::duplex(64 * 1024);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to_node, node) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        let close = CancellationToken::new();
        let (asked, to_node) = (close.clone(), to_node.unwrap());
        let relay = tokio::spawn(async move {
            let client = Detached {
                io: Box::new(ours),
                read: Bytes::new(),
            };
            relay(client, to_node, Bytes::new(), &asked, &Traffic::new()).await
        });
        Ends {
            client,
            node: node.unwrap().0,
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
        // The node's side is in the middle of one: it gets the rest first, and nothing that comes after it.
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

    #[tokio::test]
    async fn a_reader_that_stops_holds_the_sender() {
        let mut ends = ends().await;
        // Nobody reads at the client's end: what the node can send is what the buffers on the way hold.
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
