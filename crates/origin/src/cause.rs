//! Why the Stream Manager or a node could not be reached, or did not answer as it should: one
//! closed set of words for log, metrics, `/status`, `/nodes` and commands.
//!
//! Clients of hyper wrap the reason in several errors. [`Cause::of`] is the one place that looks
//! for it there.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use rustls::{CertificateError, InvalidMessage};

use crate::resolve::ResolveError;

/// The peer answered the TLS handshake with something that is not TLS.
const NO_TLS: &str = "the port does not speak TLS";
/// Longest text of another library that is kept, in characters.
const MAX_DETAIL: usize = 160;

/// Why a server could not be reached, or what it did instead of answering.
///
/// `Display` gives the words for the operator. They hold no URL and no query, so no token can be in
/// them. They are not for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing listens on the port.
    Refused,
    /// No route to the host or to its network.
    NoRoute,
    /// The name of the server is not resolved.
    Name(ResolveError),
    /// No connection, or no answer, after this time.
    Timeout(Duration),
    /// The TLS handshake failed, or the certificate was not accepted; the words of the TLS library,
    /// cut and printable.
    Tls(Arc<str>),
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before its answer was whole.
    Closed,
    /// The answer is not HTTP/1.1.
    NotHttp,
    /// An answer with a status that says the server cannot serve.
    Status(u16),
    /// An answer that is not the JSON of the Stream Manager's API.
    NotJson,
    /// An answer longer than this many bytes.
    TooLong(usize),
    /// This process is stopping.
    Stopping,
    /// Something else, in the operating system's words, cut and printable.
    Other(Arc<str>),
}

impl Cause {
    /// Every value of [`Cause::kind`].
    pub const KINDS: [&'static str; 6] = ["refused", "name", "timeout", "tls", "answer", "other"];

    /// The word for log fields.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoRoute => "no_route",
            Self::Name(ResolveError::NoSuchName) => "no_such_name",
            Self::Name(ResolveError::Failed | ResolveError::Timeout | ResolveError::Busy) => {
                "name_resolution"
            }
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::NotHttp => "not_http",
            Self::Status(_) => "status",
            Self::NotJson => "not_json",
            Self::TooLong(_) => "too_long",
            Self::Stopping => "stopping",
            Self::Other(_) => "other",
        }
    }

    /// The value of the label `cause` in metrics: coarser than [`Cause::label`], since each value
    /// is a series.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Name(_) => "name",
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::NotHttp | Self::Status(_) | Self::NotJson | Self::TooLong(_) => "answer",
            Self::NoRoute | Self::Reset | Self::Closed | Self::Stopping | Self::Other(_) => "other",
        }
    }

    /// Whether the peer answered the TLS handshake with something that is not TLS.
    pub fn is_without_tls(&self) -> bool {
        matches!(self, Self::Tls(detail) if &**detail == NO_TLS)
    }

    /// Finds the reason in an error of a client or of a socket. `waited` is how long the caller had
    /// waited, for a time-out that does not say so itself.
    pub fn of(error: &(dyn Error + 'static), waited: Duration) -> Self {
        search(error, waited).unwrap_or_else(|| Self::Other("the connection failed".into()))
    }

    fn of_io(error: &io::Error, waited: Duration) -> Option<Self> {
        use io::ErrorKind as Kind;
        Some(match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::NoRoute,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            Kind::UnexpectedEof => Self::Closed,
            Kind::TimedOut => Self::Timeout(waited),
            // The kind says nothing where another error is wrapped; the words of the system do.
            _ if error.raw_os_error().is_some() => Self::Other(printable(&error.to_string())),
            _ => return None,
        })
    }

    fn of_hyper(error: &hyper::Error) -> Option<Self> {
        if error.is_parse() {
            Some(Self::NotHttp)
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Some(Self::Closed)
        } else {
            None
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let text = match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::UnknownIssuer => "unknown issuer of the certificate",
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the certificate has expired"
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "the certificate is not valid yet"
                }
                CertificateError::NotValidForName => "the certificate is for another name",
                CertificateError::Revoked => "the certificate was revoked",
                _ => return Self::Tls(printable(&error.to_string())),
            },
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => NO_TLS,
            _ => return Self::Tls(printable(&error.to_string())),
        };
        Self::Tls(text.into())
    }
}

/// The first error of the chain that says why. An [`io::Error`] hides the error that it wraps from
/// `source`.
fn search(error: &(dyn Error + 'static), waited: Duration) -> Option<Cause> {
    let mut hyper_says = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(Cause::of_tls(tls));
        }
        if let Some(name) = error.downcast_ref::<ResolveError>() {
            return Some(Cause::Name(*name));
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let wrapped = io.get_ref().and_then(|inner| search(inner, waited));
            if let Some(cause) = wrapped.or_else(|| Cause::of_io(io, waited)) {
                return Some(cause);
            }
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            hyper_says = hyper_says.or_else(|| Cause::of_hyper(hyper));
        }
        next = error.source();
    }
    hyper_says
}

/// A foreign text that can stand in a log line: cut, and without control characters.
fn printable(text: &str) -> Arc<str> {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_DETAIL)
        .collect::<String>()
        .into()
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::NoRoute => f.write_str("no route to host"),
            Self::Name(ResolveError::NoSuchName) => f.write_str("no such name"),
            Self::Name(ResolveError::Timeout) => f.write_str("name resolution timed out"),
            Self::Name(ResolveError::Failed) => f.write_str("name resolution failed"),
            Self::Name(ResolveError::Busy) => {
                f.write_str("name resolution failed: too many names are being resolved")
            }
            Self::Timeout(after) => write!(f, "timeout after {}", Seconds(*after)),
            Self::Tls(detail) => write!(f, "TLS: {detail}"),
            Self::Reset => f.write_str("connection reset"),
            Self::Closed => f.write_str("connection closed before the answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP; does the port speak TLS?"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::NotJson => f.write_str("the answer is not the JSON of a Stream Manager"),
            Self::TooLong(limit) => write!(f, "the answer is longer than {} KiB", limit / 1024),
            Self::Stopping => f.write_str("this process is stopping"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}

/// A time as a person reads it: `500 ms`, `2 s`, `1.5 s`.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A timer may fire a few milliseconds late.
        let tenths = (self.0.as_millis() + 50) / 100;
        match (self.0.as_millis(), tenths % 10) {
            (millis @ ..950, _) => write!(f, "{millis} ms"),
            (_, 0) => write!(f, "{} s", tenths / 10),
            (_, tenth) => write!(f, "{}.{tenth} s", tenths / 10),
        }
    }
}

#[cfg(test)]
mod tests;
