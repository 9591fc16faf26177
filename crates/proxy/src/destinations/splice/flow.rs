//! One direction of a session: raw bytes, and a goodbye between frames.
//!
//! An idle direction keeps no buffer: bytes are read into a scratch of the thread and written at
//! once; only what the sink does not take stays, and nothing more is read until it is gone (so a
//! slow reader slows the sender).

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::Frames,
    goodbye::{Goodbye, ping},
};

/// One read; a 16 KiB message with its header, or two TLS records, fit (measured: 16 KiB buffers
/// cost 1.4 times the CPU for 16 KiB messages, 64 KiB ones gain nothing more).
const SCRATCH: usize = 32 * 1024;
thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes go through.
    Relaying,
    /// The rest of the current frame goes through, then our Close.
    Stopping(Goodbye),
    /// Our Close is on its way; what still comes is read and dropped.
    Silent,
    /// The pending bytes are written, then the sink is shut down.
    Finishing,
    Done,
}

/// An end of a direction that is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Sink,
}

/// What happened since the last [`Flow::signs`].
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    /// Bytes came from the source.
    read: bool,
    /// The sink took bytes.
    written: bool,
}

/// One direction.
pub(super) struct Flow {
    to_node: bool,
    state: State,
    frames: Frames,
    /// What the sink has not taken yet.
    pending: Vec<u8>,
    unflushed: bool,
    moved: Moved,
    pub(super) gone: Option<End>,
    pub(super) bytes: u64,
}

impl Flow {
    /// `read` is what hyper had read already. It is dropped here even if it is empty: it keeps
    /// hyper's buffers alive.
    pub(super) fn new(read: Bytes, to_node: bool) -> Self {
        let mut flow = Self {
            to_node,
            state: State::Relaying,
            frames: Frames::default(),
            pending: read.to_vec(),
            unflushed: false,
            moved: Moved::default(),
            gone: None,
            bytes: read.len() as u64,
        };
        flow.frames.follow(&read);
        drop(read);
        flow
    }

    /// Sends a Close as soon as the current frame is over.
    pub(super) fn stop(&mut self, goodbye: Goodbye) {
        if self.state == State::Relaying {
            self.state = State::Stopping(goodbye);
            self.say_goodbye_at_boundary(goodbye);
        }
    }

    /// Shuts the sink down next; `false` if that has begun already. An HTTP/2 stream takes its time
    /// for it, and is not to be asked again before it wakes the task.
    pub(super) fn finish(&mut self) -> bool {
        let begins = !matches!(self.state, State::Finishing | State::Done);
        if begins {
            self.state = State::Finishing;
        }
        begins
    }

    /// Whether our Close went out this way, or theirs did, and the source has said its own or is
    /// gone.
    ///
    /// A source that answered may have ended its connection at once, as a server should (RFC 6455
    /// §7.1.1); then this direction is finished already.
    pub(super) fn is_answered(&self) -> bool {
        match self.state {
            State::Silent => self.frames.closed(),
            State::Finishing | State::Done => true,
            State::Relaying | State::Stopping(_) => false,
        }
    }

    /// What both ends did since the last call: whether the source may have sent bytes, and whether
    /// bytes wait for the sink that took none. While bytes wait for the sink nothing is read, so
    /// the source cannot be called silent.
    pub(super) fn signs(&mut self) -> (bool, bool) {
        let Moved { read, written } = std::mem::take(&mut self.moved);
        let waiting = !self.pending.is_empty();
        (read || waiting, waiting && !written)
    }

    /// Puts a Ping between two frames; whether there is such a place now.
    pub(super) fn ping(&mut self) -> bool {
        let possible =
            self.state == State::Relaying && self.frames.at_boundary() && !self.frames.closed();
        if possible {
            self.pending.extend_from_slice(&ping(self.to_node));
        }
        possible
    }

    /// The source has vanished.
    pub(super) fn source_vanished(&mut self) {
        if !matches!(self.state, State::Finishing | State::Done) {
            self.source_ended();
        }
    }

    /// The sink has vanished.
    pub(super) fn sink_vanished(&mut self) {
        if self.state != State::Done {
            self.gone.get_or_insert(End::Sink);
            self.pending = Vec::new();
            self.state = State::Done;
        }
    }

    /// Whether a Close has passed this way.
    pub(super) fn is_closed(&self) -> bool {
        self.frames.closed()
    }

    /// The code of that Close.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.frames.close_code()
    }

    fn say_goodbye_at_boundary(&mut self, goodbye: Goodbye) {
        if !self.frames.at_boundary() {
            return;
        }
        // Nothing may follow a Close (RFC 6455 §5.5.1), not even ours.
        if !self.frames.closed() {
            self.pending.extend_from_slice(&goodbye.frame(self.to_node));
        }
        self.state = State::Silent;
    }

    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<()>
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
                State::Relaying | State::Stopping(_) | State::Silent => match self
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
            self.moved.written = true;
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
            self.moved.read = true;
            let passed = self.pass(read);
            if !passed.is_empty() && self.pending.is_empty() {
                let written = match Pin::new(sink).poll_write(cx, passed) {
                    Poll::Ready(written) => written.unwrap_or(0),
                    Poll::Pending => 0,
                };
                self.unflushed = true;
                self.moved.written |= written > 0;
                self.pending
                    .extend_from_slice(passed.get(written..).unwrap_or_default());
            } else {
                self.pending.extend_from_slice(passed);
            }
            if let State::Stopping(goodbye) = self.state {
                self.say_goodbye_at_boundary(goodbye);
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    /// The part of the read bytes that passes.
    fn pass<'b>(&mut self, read: &'b [u8]) -> &'b [u8] {
        let passed = match self.state {
            State::Stopping(goodbye) => {
                let end = self.frames.follow_to_boundary(read);
                let (passed, dropped) = read.split_at_checked(end).unwrap_or((read, &[]));
                if !dropped.is_empty() {
                    self.say_after(passed, goodbye, dropped);
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

    /// The current frame ended in the middle of a read: passes its end, then our Close, and nothing
    /// more.
    fn say_after(&mut self, passed: &[u8], goodbye: Goodbye, dropped: &[u8]) {
        self.bytes += passed.len() as u64;
        self.pending.extend_from_slice(passed);
        self.say_goodbye_at_boundary(goodbye);
        self.frames.follow(dropped);
    }

    fn source_ended(&mut self) {
        self.gone = Some(End::Source);
        if matches!(self.state, State::Relaying | State::Stopping(_)) {
            self.say_goodbye_at_boundary(if self.to_node {
                Goodbye::ClientGone
            } else {
                Goodbye::NodeGone
            });
        }
        self.state = State::Finishing;
    }
}
