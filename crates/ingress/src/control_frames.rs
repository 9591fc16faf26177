//! Counts what an HTTP/2 client makes the server answer or apply without asking for anything.
//!
//! h2 limits resets, empty frames and continuations, and acknowledges any number of SETTINGS and
//! PING (CVE-2019-9512, CVE-2019-9515). So the frames of the client are followed below hyper, by
//! their headers alone (RFC 9113 §4.1).

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{Socket, refusal::Refusal, refusals::Refusals};

/// Most SETTINGS and PING in [`WINDOW`]. Clients that measure their link send some ten a second.
const MOST: u32 = 300;
const WINDOW: Duration = Duration::from_secs(10);

/// The client's preface, before its frames (RFC 9113 §3.4).
const PREFACE: usize = 24;
const HEADER: usize = 9;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;

/// A client's socket with HTTP/2 on it; an error when it sends too many of them.
pub(crate) struct ControlFrames {
    socket: Socket,
    counter: Counter,
    refusals: Refusals,
    client: SocketAddr,
}

impl ControlFrames {
    pub(crate) fn new(socket: Socket, refusals: Refusals, client: SocketAddr) -> Self {
        Self {
            socket,
            counter: Counter::new(Instant::now()),
            refusals,
            client,
        }
    }
}

/// Follows the frames of one connection, however they are cut.
#[derive(Debug)]
struct Counter {
    /// Bytes that belong to no header.
    skip: usize,
    header: [u8; HEADER],
    /// How much of the header has come.
    filled: usize,
    count: u32,
    since: Instant,
}

impl Counter {
    fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE,
            header: [0; HEADER],
            filled: 0,
            count: 0,
            since: now,
        }
    }

    /// Takes in what came; whether that is within the limit.
    fn follow(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            for (place, byte) in self.header.iter_mut().skip(self.filled).zip(bytes) {
                *place = *byte;
                self.filled += 1;
                bytes = bytes.get(1..).unwrap_or_default();
            }
            if self.filled == HEADER {
                self.filled = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                self.skip = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
                if matches!(kind, SETTINGS | PING) && flags & ACK == 0 && !self.counts(now) {
                    return false;
                }
            }
        }
        true
    }

    fn counts(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.count = 0;
        }
        self.count += 1;
        self.count <= MOST
    }
}

impl AsyncRead for ControlFrames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if self.counter.follow(bytes, Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        self.refusals.count(Refusal::Http2Broken, self.client);
        buffer.set_filled(before);
        Poll::Ready(Err(io::Error::other("too many SETTINGS or PING frames")))
    }
}

impl AsyncWrite for ControlFrames {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 0];
        // A payload that looks like headers of PING frames.
        frame.extend(
            [0, 0, 0, PING, 0, 0, 0, 0, 0]
                .iter()
                .cycle()
                .take(length.into()),
        );
        frame
    }

    /// How many frames pass when they come in pieces of this size.
    fn passed(frames: &[Vec<u8>], piece: usize) -> usize {
        let now = Instant::now();
        let mut counter = Counter::new(now);
        assert!(counter.follow(&[b'P'; PREFACE], now));
        let passes = |frame: &&Vec<u8>| {
            let mut pieces = frame.chunks(piece);
            pieces.all(|piece| counter.follow(piece, now))
        };
        frames.iter().take_while(passes).count()
    }

    #[test]
    fn settings_and_pings_are_counted_and_nothing_else_however_they_are_cut() {
        let most = usize::try_from(MOST).unwrap();
        for piece in [1, 2, 8, 9, 10, 1_000] {
            for kind in [SETTINGS, PING] {
                assert_eq!(passed(&vec![frame(kind, 0, 8); 2 * most], piece), most);
                let acknowledgements = vec![frame(kind, ACK, 0); 2 * most];
                assert_eq!(passed(&acknowledgements, piece), 2 * most);
            }
            assert_eq!(passed(&vec![frame(0, 0, 90); 2 * most], piece), 2 * most);
        }
    }

    #[test]
    fn a_client_that_pings_now_and_then_is_no_flood() {
        let mut now = Instant::now();
        let mut counter = Counter::new(now);
        counter.follow(&[b'P'; PREFACE], now);
        for _ in 0..10 * MOST {
            assert!(counter.follow(&frame(PING, 0, 8), now));
            now += Duration::from_millis(50);
        }
    }
}
