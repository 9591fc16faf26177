//! What the HTTP parser and the header limits refuse: told to the client, counted, and logged at a
//! bounded rate.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use tokio::time::Instant;
use tracing::info;

use crate::Metrics;

/// Largest header of a request, in bytes, in both versions of HTTP: the request line and all
/// fields, as HTTP/1.1 writes them.
pub const MAX_HEADER: usize = 64 * 1024;
/// Longest request target, in bytes.
pub const MAX_TARGET: usize = 32 * 1024;
/// Most fields in the header of a request.
pub const MAX_FIELDS: usize = 100;

/// One line of a reason in so much time; the next one says how many were left out.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Why a request was refused before anything could look at what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request line or a field breaks HTTP/1.1.
    Malformed,
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
    pub(crate) const ALL: [Self; 9] = [
        Self::Malformed,
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
            Self::Malformed => "the request line or a header field is not valid HTTP/1.1",
            Self::HeaderTooLarge => {
                "the header of the request is longer than 64 KiB or has more than 100 fields"
            }
            Self::TargetTooLong => "the request target is longer than 32 KiB",
            Self::HeaderTooSlow => "the header of the request did not arrive in time",
            Self::TlsToPlain => "this is TLS, and this port speaks plain HTTP",
            Self::PlainToTls => "this is plain HTTP, and this port speaks TLS: use https",
            Self::Http2ToPlain => "this is HTTP/2, which is spoken over TLS only: use HTTP/1.1",
            Self::ProxyProtocol => {
                "this is the PROXY protocol, which is not spoken here: switch it off at the balancer, which can tell the client in X-Forwarded-For"
            }
            Self::Http2Broken => {
                "the client broke HTTP/2 or a limit against floods; the connection was ended"
            }
        }
    }
}

/// Makes the answer that tells a client of a refusal.
pub type Render = Arc<dyn Fn(Refusal) -> Response<Bytes> + Send + Sync>;

/// Tells clients, counts and logs. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Refusals {
    render: Render,
    lines: Lines,
    metrics: Metrics,
}

impl Refusals {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            render: Arc::new(plain),
            lines: Lines::default(),
            metrics,
        }
    }

    pub(crate) fn rendered_by(mut self, render: Render) -> Self {
        self.render = render;
        self
    }

    /// Counts and logs it; the answer.
    pub(crate) fn refuse(&self, refusal: Refusal, client: SocketAddr) -> Response<Bytes> {
        self.count(refusal, client);
        (self.render)(refusal)
    }

    /// Counts and logs one that cannot be answered.
    pub(crate) fn count(&self, refusal: Refusal, client: SocketAddr) {
        self.metrics.refused(refusal);
        let reason = refusal.label();
        if let Some(unsaid) = self.lines.due(reason) {
            info!(%client, reason, unsaid, "a request was refused: {}", refusal.what());
        }
    }

    /// The answer over HTTP/1.1, as bytes; the last one of its connection.
    pub(crate) fn bytes(&self, refusal: Refusal, client: SocketAddr) -> Vec<u8> {
        let answer = self.refuse(refusal, client);
        let (head, body) = answer.into_parts();
        let status = head.status;
        let reason = status.canonical_reason().unwrap_or_default();
        let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in &head.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        let rest = format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        bytes.extend_from_slice(rest.as_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Logs a TLS handshake that failed.
    pub(crate) fn handshake_failed(
        &self,
        reason: &'static str,
        client: SocketAddr,
        why: &dyn fmt::Display,
    ) {
        if let Some(unsaid) = self.lines.due(reason) {
            info!(%client, reason, unsaid, "a TLS handshake failed: {why}");
        }
    }
}

fn plain(refusal: Refusal) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(refusal.what().as_bytes()));
    *response.status_mut() = refusal.status();
    let text = header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// When each reason had its last line, and how often it was left out since. Reasons are of a closed
/// set.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<LastLine>>>);

/// A reason, when it had its last line, and how many were left out since.
type LastLine = (&'static str, Instant, u64);

impl Lines {
    /// How many were left out since the last line; `None` if this one has to be left out, too.
    fn due(&self, reason: &'static str) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some((_, last, unsaid)) = lines.iter_mut().find(|(known, ..)| *known == reason) else {
            lines.push((reason, now, 0));
            return Some(0);
        };
        if now.duration_since(*last) < LINE_EVERY {
            *unsaid += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_has_one_line_in_ten_seconds_which_says_what_was_left_out() {
        let lines = Lines::default();
        assert_eq!(lines.due("a"), Some(0));
        for _ in 0..1_000 {
            assert_eq!(lines.due("a"), None);
        }
        assert_eq!(lines.due("b"), Some(0));
        tokio::time::advance(LINE_EVERY).await;
        assert_eq!(lines.due("a"), Some(1_000));
        assert_eq!(lines.due("a"), None);
    }
}
