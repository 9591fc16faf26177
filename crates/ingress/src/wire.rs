//! An HTTP/1 connection below hyper: what hyper neither reports nor lets be configured.
//!
//! - hyper answers what it cannot parse by itself, with a bare status. It is recognised on its way
//!   out, when no request is pending, and replaced by an answer that says why.
//! - hyper has one timer for the header and for the wait before it. Here an end that is due is told
//!   to hyper as the client's own: an end of input where a request could begin. Before that the
//!   kernel is asked whether bytes have come in this very moment; if so, they are served.
//! - hyper accepts framing that others may read otherwise ([`crate::framing`]). The line at fault
//!   does not reach it; the request is answered here. What comes behind a request for an upgrade
//!   waits until it is known whether it is a frame or a request.
//! - After our last word bytes are read and dropped for a moment. A socket that is closed with
//!   unread bytes is reset, and the client may lose what was said.

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Socket,
    activity::{Activity, End},
    framing::{Fault, Framing, Stop},
    refusal::Refusal,
    refusals::Refusals,
};

/// How long what a client still sends is read and dropped.
const LINGER: Duration = Duration::from_secs(1);
/// Longest answer of hyper's own, in bytes.
const MAX_BARE: usize = 256;
/// What a header begins with, as much as is needed to recognise another protocol.
const BEGINNING: usize = 16;

/// A client's socket with HTTP/1 on it.
pub(crate) struct Wire {
    socket: Socket,
    activity: Activity,
    refusals: Refusals,
    client: SocketAddr,
    /// The first bytes of the header that is being received.
    beginning: Vec<u8>,
    /// Whether the request line is complete.
    line_ended: bool,
    framing: Framing,
    /// What is wrong with the framing of the request that is being received.
    fault: Option<Fault>,
    /// Whether an upgrade was asked for and is not answered.
    upgrading: bool,
    /// What came behind that.
    held: Vec<u8>,
    /// What is said instead of hyper, and how much of it has been sent.
    instead: Option<(Vec<u8>, usize)>,
    /// Whether this connection is ended by us, so that it lingers.
    lingers: bool,
    /// Until when.
    until: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(
        socket: Socket,
        activity: Activity,
        refusals: Refusals,
        client: SocketAddr,
    ) -> Self {
        Self {
            socket,
            activity,
            refusals,
            client,
            beginning: Vec::new(),
            line_ended: false,
            framing: Framing::default(),
            fault: None,
            upgrading: false,
            held: Vec::new(),
            instead: None,
            lingers: false,
            until: None,
        }
    }

    /// The socket alone, after an upgrade, and what was read of it and held back.
    pub(crate) fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.held)
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.activity.received() {
            self.beginning.clear();
            self.line_ended = false;
        }
        let room = BEGINNING.saturating_sub(self.beginning.len());
        self.beginning.extend(bytes.iter().take(room));
        self.line_ended = self.line_ended || bytes.contains(&b'\n');
    }

    /// Takes in what was read behind `before`: what hyper must not get yet, or at all, is taken out
    /// of the buffer again.
    fn poll_admit(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        before: usize,
    ) -> Poll<io::Result<()>> {
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if self.upgrading {
            // A frame, or a request: the answer decides.
            self.held.extend_from_slice(bytes);
            buffer.set_filled(before);
            self.activity.hold();
            return Poll::Pending;
        }
        self.received(bytes);
        let Some((stop, at)) = self.framing.feed(bytes) else {
            return Poll::Ready(Ok(()));
        };
        match stop {
            Stop::Upgrade => {
                self.upgrading = true;
                self.held.splice(..0, bytes.iter().copied().skip(at));
            }
            Stop::Fault(fault) => {
                self.fault = Some(fault);
                // No bytes at all would be the end of input.
                if at == 0 {
                    buffer.set_filled(before);
                    return self.poll_refusal(cx, fault).map(Err);
                }
            }
        }
        buffer.set_filled(before + at);
        Poll::Ready(Ok(()))
    }

    /// Ends the connection with the answer to a request whose framing is at fault.
    ///
    /// Requests before it are answered first. A fault in a body is an error of
    /// that body, and what reads it answers.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, fault: Fault) -> Poll<io::Error> {
        let refusal = match fault {
            Fault::Line => Refusal::Malformed,
            Fault::Length => Refusal::AmbiguousLength,
            Fault::Body => return Poll::Ready(io::ErrorKind::InvalidData.into()),
        };
        if self.instead.is_none() {
            if self.activity.is_busy() || self.activity.is_flushing() {
                self.activity.hold();
                return Poll::Pending;
            }
            self.say(b"", refusal);
        }
        let _ = ready!(self.poll_goodbye(cx));
        Poll::Ready(io::ErrorKind::InvalidData.into())
    }

    /// What an answer of hyper's own with this status stands for.
    fn refusal(&self, status: u16) -> Refusal {
        match (status, &*self.beginning) {
            (414, _) => Refusal::TargetTooLong,
            (431, _) if !self.line_ended => Refusal::TargetTooLong,
            (431, _) => Refusal::HeaderTooLarge,
            (_, [0x16, 0x03, ..]) => Refusal::TlsToPlain,
            (_, [b'P', b'R', b'O', b'X', b'Y', b' ', ..] | [0x0d, 0x0a, 0x0d, 0x0a, 0, ..]) => {
                Refusal::ProxyProtocol
            }
            _ => Refusal::Malformed,
        }
    }

    /// Says it in the place of what hyper says, behind what it had said before.
    fn say(&mut self, before: &[u8], refusal: Refusal) {
        let answer = self.refusals.bytes(refusal, self.client);
        self.instead = Some(([before, &answer].concat(), 0));
        self.lingers = true;
    }

    /// Sends what is said instead of hyper.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, sent)) = &mut self.instead
            && let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty())
        {
            let wrote = ready!(Pin::new(&mut self.socket).poll_write(cx, rest))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += wrote;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends all that is left, says that it is the end, and lingers if the end is ours.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        if !self.lingers {
            return Poll::Ready(Ok(()));
        }
        let until = &mut self.until;
        let timer = until.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        loop {
            let mut scratch = [0; 1024];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(()))
                    if !buffer.filled().is_empty() && Instant::now() < timer.deadline() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return timer.as_mut().poll(cx).map(Ok),
            }
        }
    }

    /// An end that is due, where hyper waits for bytes and there are none.
    fn poll_end(&mut self, cx: &mut Context<'_>, end: End) -> Poll<io::Result<()>> {
        match end {
            End::Idle if self.socket.has_unread() => {
                // They are served; this task is woken for them.
                self.received(b"");
                Poll::Pending
            }
            End::Idle => {
                self.lingers = true;
                Poll::Ready(Ok(()))
            }
            End::SlowHeader => {
                if !self.lingers {
                    self.say(b"", Refusal::HeaderTooSlow);
                }
                let _ = ready!(self.poll_goodbye(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// Where an answer of hyper's own begins in what it writes, and its status.
fn bare(written: &[u8]) -> Option<(usize, u16)> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = written.len().saturating_sub(MAX_BARE);
    let tail = written.get(from..)?;
    let at = tail.windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = std::str::from_utf8(tail.get(at..)?).ok()?;
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let status = lines.next()?.get(9..12)?.parse().ok()?;
    let is_bare = lines.all(|line| {
        let line = line.to_ascii_lowercase();
        matches!(&*line, "content-length: 0" | "connection: close") || line.starts_with("date: ")
    });
    let is_own = is_bare
        && matches!(status, 400 | 414 | 431)
        && head.to_ascii_lowercase().contains("content-length: 0");
    is_own.then_some((from + at, status))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.instead.is_some() {
            // The client was told that its request is refused: the rest of it must not be served.
            let _ = ready!(this.poll_goodbye(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if let Some(fault) = this.fault {
            return this.poll_refusal(cx, fault).map(Err);
        }
        if this.upgrading && !this.activity.is_busy() {
            // It was refused.
            this.upgrading = false;
        }
        if this.upgrading && !this.held.is_empty() {
            this.activity.hold();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = if this.held.is_empty() {
            Pin::new(&mut this.socket).poll_read(cx, buffer)
        } else {
            let length = this.held.len().min(buffer.remaining());
            buffer.put_slice(this.held.get(..length).unwrap_or_default());
            this.held.drain(..length);
            Poll::Ready(Ok(()))
        };
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => this.poll_admit(cx, buffer, before),
            Poll::Pending => match this.activity.ending() {
                Some(end) => this.poll_end(cx, end),
                None => Poll::Pending,
            },
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none()
            && !this.activity.is_busy()
            && let Some((at, status)) = bare(bytes)
        {
            this.say(bytes.get(..at).unwrap_or_default(), this.refusal(status));
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.activity.sent(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.activity.sent(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        match flushed {
            Poll::Pending => self.activity.sent(true),
            Poll::Ready(_) => self.activity.flushed(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_goodbye(cx)
    }
}

impl Socket {
    /// Whether the kernel has bytes, or an end, that were not read. Asks it, since the runtime may
    /// not know yet.
    fn has_unread(&self) -> bool {
        let tcp = socket2::SockRef::from(self.tcp());
        matches!(tcp.peek(&mut [MaybeUninit::uninit()]), Ok(1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_hypers_own_is_told_from_any_other() {
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 30 Nov 2026 10:00:00 GMT\r\n\r\n";
        assert_eq!(bare(own), Some((0, 400)));
        let behind = [b"the end of a body".as_slice(), own].concat();
        assert_eq!(bare(&behind), Some((17, 400)));
        let ours = String::from_utf8(own.to_vec()).unwrap();
        for other in [
            ours.replace("connection: close", "x-request-id: 1"),
            ours.replace("400 Bad Request", "404 Not Found"),
            ours.replace("content-length: 0\r\n", ""),
            ours.trim_end().to_owned(),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            "\r\n\r\n".to_owned(),
        ] {
            assert_eq!(bare(other.as_bytes()), None, "{other}");
        }
    }
}
