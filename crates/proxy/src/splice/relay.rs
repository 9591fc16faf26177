//! Relays raw bytes both ways, and says goodbye between frames.
//!
//! An idle session keeps no buffer: bytes are read into a scratch of the thread and written at once; only what the
//! other side does not take stays, and nothing more is read until it is gone (so a slow reader slows the sender).

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Detached, Duplex, Ended,
    frames::{Frames, Goodbye},
};

/// One read; a 16 KiB message with its header, or two TLS records, fit (measured: 16 KiB buffers cost 1.4 times the
/// CPU for 16 KiB messages, 64 KiB ones gain nothing more).
const SCRATCH: usize = 32 * 1024;
/// How long a session may go on after one side, or this proxy, has ended it.
const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// What a session carried, and how it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) ended: Ended,
    pub(super) from_client: u64,
    pub(super) from_node: u64,
}

/// Relays until both sides are done, or `close` asks for an end.
pub(super) async fn relay(
    client: Detached,
    node: TcpStream,
    read: Bytes,
    close: &CancellationToken,
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
        relay.poll(cx)
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
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    }

    /// Who ended it: the first to send a Close, or to vanish.
    fn note_end(&mut self) {
        if self.ended.is_none() {
            self.ended = match (self.up.gone, self.down.gone) {
                _ if self.up.frames.closed() => Some(Ended::Client),
                _ if self.down.frames.closed() => Some(Ended::Node),
                (Some(End::Source), _) | (_, Some(End::Sink)) => Some(Ended::ClientLost),
                (Some(End::Sink), _) | (_, Some(End::Source)) => Some(Ended::NodeLost),
                (None, None) => None,
            };
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            ended: self.ended.unwrap_or(Ended::Proxy),
            from_client: self.up.bytes,
            from_node: self.down.bytes,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes go through.
    Relaying,
    /// The rest of the frame under way goes through, then our Close.
    Stopping,
    /// Our Close is on its way; what still comes is read and dropped.
    Silent,
    /// What is pending is written, then the sink is shut down.
    Finishing,
    Done,
}

/// An end of a direction that is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Sink,
}

/// One direction.
struct Flow {
    to_node: bool,
    state: State,
    frames: Frames,
    /// What the sink has not taken yet.
    pending: Vec<u8>,
    unflushed: bool,
    gone: Option<End>,
    bytes: u64,
}

impl Flow {
    /// `read` is what hyper had read already. It is let go here even if it is empty: it keeps hyper's buffers alive.
    fn new(read: Bytes, to_node: bool) -> Self {
        let mut flow = Self {
            to_node,
            state: State::Relaying,
            frames: Frames::default(),
            pending: read.to_vec(),
            unflushed: false,
            gone: None,
            bytes: read.len() as u64,
        };
        flow.frames.follow(&read);
        drop(read);
        flow
    }

    fn stop(&mut self) {
        if self.state == State::Relaying {
            self.state = State::Stopping;
            self.say_goodbye_at_boundary(Goodbye::Draining);
        }
    }

    fn finish(&mut self) {
        if self.state != State::Done {
            self.state = State::Finishing;
        }
    }

    /// Whether our Close went out this way, or theirs did, and the source has said its own.
    fn is_answered(&self) -> bool {
        self.state == State::Silent && self.frames.closed()
    }

    fn say_goodbye_at_boundary(&mut self, goodbye: Goodbye) {
        if self.frames.closed() {
            self.state = State::Silent;
        } else if self.frames.at_boundary() {
            self.pending.extend_from_slice(&goodbye.frame(self.to_node));
            self.state = State::Silent;
        }
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_pending(cx, sink)).is_err() {
                self.gone = Some(End::Sink);
                self.state = State::Done;
            }
            match self.state {
                State::Done => return Poll::Ready(()),
                State::Finishing => {
                    // A sink that cannot be shut down is gone, which is as good.
                    let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                    self.state = State::Done;
                }
                State::Relaying | State::Stopping | State::Silent => match self
                    .poll_some(cx, source, sink)
                {
                    Poll::Ready(Ok(0) | Err(_)) => self.source_ended(),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => {
                        if self.unflushed {
                            self.unflushed = ready!(Pin::new(&mut *sink).poll_flush(cx)).is_err();
                        }
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// Writes what the sink did not take before.
    fn poll_pending<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut W,
    ) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.pending.drain(..written);
            if self.pending.is_empty() {
                self.pending = Vec::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and passes on what came; the number of bytes, 0 at the end.
    fn poll_some<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            let passed = self.pass(read);
            if !passed.is_empty() && self.pending.is_empty() {
                let written = match Pin::new(sink).poll_write(cx, passed) {
                    Poll::Ready(written) => written.unwrap_or(0),
                    Poll::Pending => 0,
                };
                self.unflushed = true;
                self.pending
                    .extend_from_slice(passed.get(written..).unwrap_or_default());
            } else {
                self.pending.extend_from_slice(passed);
            }
            if self.state == State::Stopping {
                self.say_goodbye_at_boundary(Goodbye::Draining);
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    /// The part of what came that goes on.
    fn pass<'b>(&mut self, read: &'b [u8]) -> &'b [u8] {
        let passed = match self.state {
            State::Stopping => {
                let end = self.frames.follow_to_boundary(read);
                let (passed, dropped) = read.split_at_checked(end).unwrap_or((read, &[]));
                if !dropped.is_empty() {
                    self.say_after(passed, dropped);
                    return &[];
                }
                passed
            }
            State::Relaying => {
                self.frames.follow(read);
                read
            }
            State::Silent | State::Finishing | State::Done => {
                self.frames.follow(read);
                return &[];
            }
        };
        self.bytes += passed.len() as u64;
        passed
    }

    /// The frame under way ended in the middle of a read: its end, our Close, and then nothing more.
    fn say_after(&mut self, passed: &[u8], dropped: &[u8]) {
        self.bytes += passed.len() as u64;
        self.pending.extend_from_slice(passed);
        self.say_goodbye_at_boundary(Goodbye::Draining);
        self.frames.follow(dropped);
    }

    fn source_ended(&mut self) {
        self.gone = Some(End::Source);
        if matches!(self.state, State::Relaying | State::Stopping) {
            self.say_goodbye_at_boundary(if self.to_node {
                Goodbye::ClientGone
            } else {
                Goodbye::NodeGone
            });
        }
        self.state = State::Finishing;
    }
}

#[cfg(test)]
mod tests {
    use hyper_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        net::TcpListener,
        task::JoinHandle,
    };

    use super::*;

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
            relay(client, to_node, Bytes::new(), &asked).await
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
