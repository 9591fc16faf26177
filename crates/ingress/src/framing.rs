//! The framing of HTTP/1 requests, followed byte by byte: what hyper accepts without a word, and a
//! server behind us or in front of us may read otherwise.
//!
//! | in a header section | RFC 9112 | here |
//! |---|---|---|
//! | a line that ends with a bare LF | §2.2: a recipient may accept it | refused |
//! | Content-Length beside Transfer-Encoding | §6.1: may be refused, and is an attack as a rule | refused |
//! | Content-Length more than once, also with one value | §6.3: may be accepted | refused |
//!
//! hyper removes the one field or the other before anything above it sees the request, so this is
//! looked for below it. Whatever else is wrong hyper refuses itself, and this does not judge it:
//! it stops following until the next request begins ([`Framing::restart`]).

/// Bytes of a line that are kept when it arrives in pieces: more than any field takes that decides
/// here, with spaces around it.
const MAX_KEPT: usize = 256;

/// What a header section must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line that ends with a bare LF, or a length in a line that is too long to be one.
    Line,
    /// More than one statement of how long the body is.
    Length,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    part: Part,
    /// The beginning of a line of which the end has not arrived.
    line: Vec<u8>,
    /// The last byte of what has arrived of it.
    last: u8,
}

#[derive(Debug)]
enum Part {
    Header(Header),
    /// Bytes of a body with a length.
    Body(u64),
    /// The line with the size of a chunk.
    ChunkSize,
    /// The bytes of a chunk and the line end behind them.
    Chunk(u64),
    Trailers,
    /// Not followed: an upgrade that was asked for, or something that hyper refuses.
    Unknown,
}

/// What a header section has said so far.
#[derive(Debug, Default)]
struct Header {
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
}

impl Default for Part {
    fn default() -> Self {
        Self::Header(Header::default())
    }
}

impl Framing {
    /// The next byte is the first one of a request.
    pub(crate) fn restart(&mut self) {
        self.part = Part::default();
        self.line.clear();
    }

    /// Follows what has arrived: the first fault, and where its line ends in `bytes`. After a fault
    /// nothing is followed until [`Self::restart`].
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<(Fault, usize)> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match &mut self.part {
                Part::Unknown => return None,
                Part::Body(left) | Part::Chunk(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    at += taken;
                    if *left == 0 {
                        self.part = match self.part {
                            Part::Chunk(_) => Part::ChunkSize,
                            _ => Part::default(),
                        };
                    }
                }
                Part::Header(_) | Part::ChunkSize | Part::Trailers => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        self.keep(rest);
                        return None;
                    };
                    let line = rest.get(..end).unwrap_or_default();
                    if let Err(fault) = self.line(line) {
                        self.part = Part::Unknown;
                        return Some((fault, at + end));
                    }
                    at += end + 1;
                }
            }
        }
        None
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = MAX_KEPT.saturating_sub(self.line.len());
        self.line.extend(piece.iter().take(room));
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    /// A line is complete; `end` is the last piece of it, without the LF.
    fn line(&mut self, end: &[u8]) -> Result<(), Fault> {
        let last = end.last().copied();
        let whole = if self.line.is_empty() {
            self.part.line(end, last)
        } else {
            self.keep(end);
            let last = Some(self.last);
            self.part.line(&self.line, last)
        };
        self.line.clear();
        self.part = whole?.unwrap_or_else(|| std::mem::take(&mut self.part));
        Ok(())
    }
}

impl Part {
    /// Judges a line, without its LF, whose last byte is `last`. The next part, if this one is
    /// over.
    fn line(&mut self, line: &[u8], last: Option<u8>) -> Result<Option<Self>, Fault> {
        let is_bare = last != Some(b'\r');
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(match self {
            Self::Header(_) if is_bare => return Err(Fault::Line),
            Self::Header(header) if line.is_empty() => header.end(),
            Self::Header(header) => {
                header.field(line)?;
                None
            }
            Self::ChunkSize => Some(match chunk_size(line) {
                Some(0) => Self::Trailers,
                // With the CR LF behind it.
                Some(size) => size.checked_add(2).map_or(Self::Unknown, Self::Chunk),
                None => Self::Unknown,
            }),
            Self::Trailers if line.is_empty() => Some(Self::default()),
            _ => None,
        })
    }
}

impl Header {
    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        if !self.has_request_line {
            self.has_request_line = true;
            self.is_upgrade = line.starts_with(b"CONNECT ");
            return Ok(());
        }
        let named = |name: &str| {
            let (found, rest) = line.split_at_checked(name.len())?;
            let is_it = found.eq_ignore_ascii_case(name.as_bytes());
            rest.strip_prefix(b":").filter(|_| is_it)
        };
        if let Some(value) = named("content-length") {
            if self.length.is_some() || self.is_chunked {
                return Err(Fault::Length);
            }
            if line.len() >= MAX_KEPT {
                return Err(Fault::Line);
            }
            // What is no number hyper refuses.
            let value = std::str::from_utf8(value.trim_ascii()).ok();
            self.length = Some(value.and_then(|value| value.parse().ok()).unwrap_or(0));
        } else if named("transfer-encoding").is_some() {
            if self.length.is_some() {
                return Err(Fault::Length);
            }
            self.is_chunked = true;
        } else if named("upgrade").is_some() {
            self.is_upgrade = true;
        }
        Ok(())
    }

    /// The section is complete: what comes after it. Empty lines before a request say nothing
    /// (RFC 9112 §2.2).
    fn end(&self) -> Option<Part> {
        if !self.has_request_line {
            return None;
        }
        Some(if self.is_upgrade {
            Part::Unknown
        } else if self.is_chunked {
            Part::ChunkSize
        } else {
            match self.length {
                None | Some(0) => Part::default(),
                Some(length) => Part::Body(length),
            }
        })
    }
}

/// The size that begins a chunk (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fault in `bytes`, whichever way they are cut in two, and one by one.
    fn fault(bytes: &str) -> Option<(Fault, usize)> {
        let whole = Framing::default().feed(bytes.as_bytes());
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.as_bytes().split_at(cut);
            let mut framing = Framing::default();
            let found = framing.feed(first).or_else(|| {
                let (fault, at) = framing.feed(second)?;
                Some((fault, at + cut))
            });
            assert_eq!(found, whole, "cut at {cut}: {bytes:?}");
        }
        let mut framing = Framing::default();
        let found = bytes.bytes().enumerate().find_map(|(at, byte)| {
            let (fault, _) = framing.feed(&[byte])?;
            Some((fault, at))
        });
        assert_eq!(found, whole, "byte by byte: {bytes:?}");
        whole
    }

    const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\n";

    #[test]
    fn a_body_has_one_length() {
        for fields in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length:3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "CONTENT-LENGTH: 3\r\nContent-Length: 4\r\n",
        ] {
            let found = fault(&format!("{POST}{fields}\r\nabc"));
            assert_eq!(
                found.map(|(fault, _)| fault),
                Some(Fault::Length),
                "{fields}"
            );
        }
    }

    #[test]
    fn lines_end_with_cr_lf() {
        for header in [
            "GET /a HTTP/1.1\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\n\n",
            "\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let found = fault(header).map(|(fault, _)| fault);
            assert_eq!(found, Some(Fault::Line), "{header:?}");
        }
    }

    #[test]
    fn the_request_behind_a_body_is_judged_too_and_no_body_is() {
        let bad = "GET / HTTP/1.1\nHost: a\r\n\r\n";
        let bodies = [
            "\r\n".to_owned(),
            format!("Content-Length: {}\r\n\r\n{bad}", bad.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{bad}\r\n0\r\nX: y\r\n\r\n",
                bad.len()
            ),
            "Content-Length: 0\r\n\r\n\r\n\r\n".to_owned(),
        ];
        for body in bodies {
            let good = format!("{POST}{body}");
            assert_eq!(fault(&good), None, "{good:?}");
            let found = fault(&format!("{good}{bad}"));
            let at = good.len() + "GET / HTTP/1.1".len();
            assert_eq!(found, Some((Fault::Line, at)), "{good:?}");
        }
    }

    #[test]
    fn bytes_behind_an_upgrade_are_no_request() {
        let upgrade = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        let frames = "\u{1}a\nContent-Length: 1\nContent-Length: 1\n";
        assert_eq!(fault(&format!("{upgrade}{frames}")), None);
        let mut framing = Framing::default();
        assert_eq!(framing.feed(upgrade.as_bytes()), None);
        framing.restart();
        assert_eq!(framing.feed(b"GET / HTTP/1.1\n"), Some((Fault::Line, 14)));
    }

    #[test]
    fn a_length_in_an_endless_line_is_refused() {
        let spaces = " ".repeat(MAX_KEPT);
        let found = fault(&format!("{POST}Content-Length:{spaces}3\r\n\r\nabc"));
        assert_eq!(found.map(|(fault, _)| fault), Some(Fault::Line));
    }

    #[test]
    fn what_hyper_refuses_is_not_followed() {
        for request in [
            format!("{POST}Content-Length: x\r\n\r\n"),
            format!("{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n\nabc"),
            format!("{POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"),
        ] {
            assert_eq!(fault(&request), None, "{request:?}");
        }
    }
}
