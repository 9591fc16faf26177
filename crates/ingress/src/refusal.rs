//! Why a request is refused before the service sees it, and the limits for its header.

use http::StatusCode;

/// Largest header of a request, in bytes, in both versions of HTTP: the request line and all
/// fields, as HTTP/1.1 writes them.
pub const MAX_HEADER: usize = 64 * 1024;
/// Longest request target, in bytes.
pub const MAX_TARGET: usize = 32 * 1024;
/// Most fields in the header of a request.
pub const MAX_FIELDS: usize = 100;

/// Why a request was refused before anything could look at what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request line or a field breaks HTTP/1.1.
    Malformed,
    /// The request does not say in one way how long its body is.
    AmbiguousLength,
    /// The header is longer than [`MAX_HEADER`] or has more fields than [`MAX_FIELDS`].
    HeaderTooLarge,
    /// The request target is longer than [`MAX_TARGET`].
    TargetTooLong,
    /// The header did not arrive within `connections.header_timeout`.
    HeaderTooSlow,
    /// TLS on an address that speaks plain HTTP.
    TlsToPlain,
    /// HTTP without TLS on an address that speaks TLS.
    PlainToTls,
    /// HTTP/2 on an address without TLS.
    Http2ToPlain,
    /// The PROXY protocol.
    ProxyProtocol,
    /// HTTP/2 that breaks RFC 9113, or a limit against floods; the connection was ended with a
    /// GOAWAY.
    Http2Broken,
}

impl Refusal {
    pub(crate) const ALL: [Self; 10] = [
        Self::Malformed,
        Self::AmbiguousLength,
        Self::HeaderTooLarge,
        Self::TargetTooLong,
        Self::HeaderTooSlow,
        Self::TlsToPlain,
        Self::PlainToTls,
        Self::Http2ToPlain,
        Self::ProxyProtocol,
        Self::Http2Broken,
    ];

    /// Its value in metrics and in the log.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::AmbiguousLength => "ambiguous_length",
            Self::HeaderTooLarge => "header_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::HeaderTooSlow => "header_too_slow",
            Self::TlsToPlain => "tls_to_plain",
            Self::PlainToTls => "plain_to_tls",
            Self::Http2ToPlain => "http2_to_plain",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Http2Broken => "http2_broken",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeaderTooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong, and what is allowed.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Malformed => {
                "the request line or a header field is not valid HTTP/1.1; each line ends with CR LF"
            }
            Self::AmbiguousLength => {
                "the request does not say in one way how long its body is: one Content-Length, or Transfer-Encoding: chunked, is allowed"
            }
            Self::HeaderTooLarge => {
                "the header of the request is longer than 64 KiB or has more than 100 fields"
            }
            Self::TargetTooLong => "the request target is longer than 32 KiB",
            Self::HeaderTooSlow => "the header of the request did not arrive in time",
            Self::TlsToPlain => "this is TLS, and this port speaks plain HTTP",
            Self::PlainToTls => "this is plain HTTP, and this port speaks TLS: use https",
            Self::Http2ToPlain => "this is HTTP/2, which is spoken over TLS only: use HTTP/1.1",
            Self::ProxyProtocol => {
                "this is the PROXY protocol, which is not spoken with this address: list the balancer in listen.proxy_protocol, or switch it off there"
            }
            Self::Http2Broken => {
                "the client broke HTTP/2 or a limit against floods; the connection was ended"
            }
        }
    }
}
