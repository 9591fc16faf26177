//! One PROXY header, version 1 or 2, off a socket: its bytes and none behind it.

use std::{io, net::SocketAddr, time::Duration};

use proxy_header::{Error as HeaderError, ParseConfig, Protocol, ProxyHeader};
use tokio::{io::AsyncReadExt, net::TcpStream, time::sleep};

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, with its CR LF.
const MAX_V1: usize = 107;
/// What stands before the addresses of version 2.
const START_V2: usize = 16;
/// Longest rest of a header of version 2, addresses and TLVs: enough for a client's certificate.
const MAX_V2: u16 = 4096;
/// Time between two looks at a first piece that both a header and something else begin with.
const AGAIN: Duration = Duration::from_millis(10);

/// Why a connection has no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Something else than a header came.
    #[error(
        "no PROXY header came; switch it on at the balancer, or set listen.proxy_protocol_optional"
    )]
    Missing,
    /// A header that breaks the protocol.
    #[error("the PROXY header is malformed")]
    Malformed,
    /// A header that is longer than any balancer needs.
    #[error("the PROXY header is longer than 107 bytes (version 1) or 4112 bytes (version 2)")]
    TooLong,
    /// The connection ended within it.
    #[error("the connection ended before the PROXY header did")]
    Closed,
    /// It took too long.
    #[error("the PROXY header did not come within connections.handshake_timeout")]
    Timeout,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] = [
        Self::Missing,
        Self::Malformed,
        Self::TooLong,
        Self::Closed,
        Self::Timeout,
    ];

    /// Its value in metrics and in the log.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
        }
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<HeaderError> for Fault {
    fn from(_: HeaderError) -> Self {
        Self::Malformed
    }
}

/// Whether a header comes next. Reads nothing of it.
pub(super) async fn is_next(tcp: &TcpStream) -> Result<bool, Fault> {
    loop {
        let mut first = [0; V2.len()];
        let length = tcp.peek(&mut first).await?;
        let seen = first.get(..length).unwrap_or_default();
        if seen.is_empty() || seen.starts_with(V1) || seen.starts_with(V2) {
            return Ok(!seen.is_empty());
        }
        if !V1.starts_with(seen) && !V2.starts_with(seen) {
            return Ok(false);
        }
        // The kernel says once that there are bytes, and not that there are more.
        sleep(AGAIN).await;
    }
}

/// Reads a header; the client that it names, if it names one.
pub(super) async fn read(tcp: &mut TcpStream) -> Result<Option<SocketAddr>, Fault> {
    let mut first = [0; 1];
    let header = match (tcp.peek(&mut first).await?, first) {
        // A balancer that looks whether this port is open.
        (0, _) => return Err(Fault::Closed),
        (_, [b'P']) => read_v1(tcp).await?,
        (_, [b'\r']) => read_v2(tcp).await?,
        _ => return Err(Fault::Missing),
    };
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    let (named, length) = ProxyHeader::parse(&header, config)?;
    if length != header.len() {
        return Err(Fault::Malformed);
    }
    let Some(address) = named.proxied_address() else {
        return Ok(None);
    };
    let source = address.source.ip().to_canonical();
    match address.protocol {
        Protocol::Stream if source.is_unspecified() => Ok(None),
        Protocol::Stream => Ok(Some(SocketAddr::new(source, address.source.port()))),
        Protocol::Datagram => Err(Fault::Malformed),
    }
}

/// A line. Each piece is looked at before it is taken, so that nothing behind it is.
async fn read_v1(tcp: &mut TcpStream) -> Result<Vec<u8>, Fault> {
    let mut line = Vec::with_capacity(MAX_V1);
    while !line.ends_with(b"\n") {
        let mut piece = [0; MAX_V1];
        let room = MAX_V1.saturating_sub(line.len());
        if room == 0 {
            return Err(Fault::TooLong);
        }
        let length = tcp.peek(piece.get_mut(..room).unwrap_or_default()).await?;
        let seen = piece.get(..length).unwrap_or_default();
        let end = seen.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(length, |end| end + 1);
        let taken = piece.get_mut(..take).unwrap_or_default();
        tcp.read_exact(taken).await?;
        line.extend_from_slice(taken);
        if taken.is_empty() {
            return Err(Fault::Closed);
        }
        let known = V1.len().min(line.len());
        if line.get(..known) != V1.get(..known) {
            return Err(Fault::Missing);
        }
    }
    Ok(line)
}

async fn read_v2(tcp: &mut TcpStream) -> Result<Vec<u8>, Fault> {
    let mut start = [0; START_V2];
    tcp.read_exact(&mut start).await?;
    let Some([_, _, high, low]) = start.strip_prefix(V2) else {
        return Err(Fault::Missing);
    };
    let rest = u16::from_be_bytes([*high, *low]);
    if rest > MAX_V2 {
        return Err(Fault::TooLong);
    }
    let mut header = start.to_vec();
    header.resize(START_V2 + usize::from(rest), 0);
    let behind = header.get_mut(START_V2..).unwrap_or_default();
    tcp.read_exact(behind).await?;
    Ok(header)
}
