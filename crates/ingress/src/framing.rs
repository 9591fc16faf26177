//! The framing of HTTP/1 requests, followed byte by byte: what hyper accepts without a word, and a
//! server behind us or in front of us may read otherwise.
//!
//! | in a header section | RFC 9112 | here |
//! |---|---|---|
//! | a line that ends with a bare LF | §2.2: a recipient may accept it | refused |
//! | Content-Length beside Transfer-Encoding | §6.1: may be refused, and is an attack as a rule | refused |
//! | Content-Length more than once, also with one value | §6.3: may be accepted | refused |
//! | Transfer-Encoding more than once, or other than `chunked` | §6.1: 501 for what is not understood | refused |
//!
//! hyper removes the one field or the other before anything above it sees the request, so this is
//! looked for below it. The lines of a chunked body must end with CR LF as well: hyper and a more
//! lenient reader would find the end of the body at two places. Whatever else is wrong hyper
//! refuses itself, and ends the connection; this stops following then.

/// Bytes of a line that are kept when it arrives in pieces: more than any field takes that decides
/// here, with spaces around it.
const MAX_KEPT: usize = 256;

/// What a request must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line of the header that ends with a bare LF, or a length in a line that is too long to be
    /// one.
    Line,
    /// Not one statement of how long the body is, but several or an unknown one.
    Length,
    /// A line of a chunked body that ends with a bare LF, or a chunk size without end.
    Body,
}

/// Where following stops for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing is followed any more.
    Fault(Fault),
    /// Behind the header of a request for an upgrade: what comes next is a request only if the
    /// upgrade is refused.
    Upgrade,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    part: Part,
    /// The beginning of a line whose end has not arrived.
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
    /// Not followed: a fault, or something that hyper refuses.
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

/// What a complete line makes of the part that it stands in.
enum Next {
    Same,
    Part(Part),
    /// The header of a request for an upgrade is complete, and it has no body.
    Upgrade,
}

impl Default for Part {
    fn default() -> Self {
        Self::Header(Header::default())
    }
}

impl Framing {
    /// Follows what has arrived, up to the first stop, which comes with its place in `bytes`: that
    /// of the LF at fault, or the one behind the header. What is behind an upgrade's place has not
    /// been followed and is to be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<(Stop, usize)> {
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
                    let next = self.line(rest.get(..end).unwrap_or_default());
                    match next {
                        Ok(Next::Same) => {}
                        Ok(Next::Part(part)) => self.part = part,
                        Ok(Next::Upgrade) => {
                            self.part = Part::default();
                            return Some((Stop::Upgrade, at + end + 1));
                        }
                        Err(fault) => {
                            self.part = Part::Unknown;
                            return Some((Stop::Fault(fault), at + end));
                        }
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
    fn line(&mut self, end: &[u8]) -> Result<Next, Fault> {
        if self.line.is_empty() {
            return self.part.line(end, end.last().copied());
        }
        self.keep(end);
        let next = self.part.line(&self.line, Some(self.last));
        self.line.clear();
        next
    }
}

impl Part {
    /// Judges a line, without its LF, whose last byte is `last`.
    fn line(&mut self, line: &[u8], last: Option<u8>) -> Result<Next, Fault> {
        let is_bare = last != Some(b'\r');
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self {
            Self::Header(_) if is_bare => Err(Fault::Line),
            Self::Header(header) if line.is_empty() => Ok(header.end()),
            Self::Header(header) => header.field(line).map(|()| Next::Same),
            _ if is_bare => Err(Fault::Body),
            Self::ChunkSize if line.len() >= MAX_KEPT && !line.contains(&b';') => Err(Fault::Body),
            Self::ChunkSize => Ok(Next::Part(match chunk_size(line) {
                Some(0) => Self::Trailers,
                // With the CR LF behind it.
                Some(size) => size.checked_add(2).map_or(Self::Unknown, Self::Chunk),
                None => Self::Unknown,
            })),
            Self::Trailers if line.is_empty() => Ok(Next::Part(Self::default())),
            _ => Ok(Next::Same),
        }
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
        let has_length = self.length.is_some() || self.is_chunked;
        if let Some(value) = named("content-length") {
            if has_length {
                return Err(Fault::Length);
            }
            if line.len() >= MAX_KEPT {
                return Err(Fault::Line);
            }
            // What is no number hyper refuses.
            let value = std::str::from_utf8(value.trim_ascii()).ok();
            self.length = Some(value.and_then(|value| value.parse().ok()).unwrap_or(0));
        } else if let Some(value) = named("transfer-encoding") {
            if has_length || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
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
    fn end(&self) -> Next {
        if !self.has_request_line {
            return Next::Same;
        }
        match self.length {
            _ if self.is_chunked => Next::Part(Part::ChunkSize),
            Some(length) if length > 0 => Next::Part(Part::Body(length)),
            _ if self.is_upgrade => Next::Upgrade,
            _ => Next::Part(Part::default()),
        }
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

    /// The fault in `bytes`, fed in these pieces; every upgrade counts as refused.
    fn fault_in(pieces: &[&[u8]]) -> Option<(Fault, usize)> {
        let mut framing = Framing::default();
        let mut before = 0;
        for piece in pieces {
            let mut from = 0;
            while let Some((stop, at)) = framing.feed(&piece[from..]) {
                from += at;
                if let Stop::Fault(fault) = stop {
                    return Some((fault, before + from));
                }
            }
            before += piece.len();
        }
        None
    }

    /// The fault in `bytes`, whichever way they are cut in two, and one by one.
    fn fault(bytes: &str) -> Option<(Fault, usize)> {
        let whole = fault_in(&[bytes.as_bytes()]);
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.as_bytes().split_at(cut);
            assert_eq!(fault_in(&[first, second]), whole, "cut at {cut}: {bytes:?}");
        }
        let single: Vec<_> = bytes.as_bytes().chunks(1).collect();
        assert_eq!(fault_in(&single), whole, "byte by byte: {bytes:?}");
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
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
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
    fn lines_of_a_chunked_body_end_with_cr_lf_and_have_an_end() {
        let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
        let zeros = "0".repeat(MAX_KEPT);
        for body in [
            "3\nabc\r\n0\r\n\r\n",
            "0\r\n\nGET / HTTP/1.1\r\n",
            "0\r\nX: y\n\r\n",
            &format!("{zeros}3\r\nabc\r\n0\r\n\r\n"),
        ] {
            let found = fault(&format!("{chunked}{body}")).map(|(fault, _)| fault);
            assert_eq!(found, Some(Fault::Body), "{body:?}");
        }
    }

    #[test]
    fn behind_an_upgrade_following_waits_for_its_answer() {
        let upgrade = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        let bad = "GET / HTTP/1.1\n";
        let both = format!("{upgrade}{bad}");
        let mut framing = Framing::default();
        let stop = framing.feed(both.as_bytes());
        assert_eq!(stop, Some((Stop::Upgrade, upgrade.len())));
        let found = fault(&both);
        assert_eq!(found, Some((Fault::Line, upgrade.len() + bad.len() - 1)));
        let with_body = format!(
            "GET / HTTP/1.1\r\nUpgrade: x\r\nContent-Length: {}\r\n\r\n{bad}",
            bad.len()
        );
        assert_eq!(fault(&with_body), None);
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
