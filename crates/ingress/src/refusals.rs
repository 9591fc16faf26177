//! Answers a refused request, counts it, and logs it at a bounded rate.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header};
use tokio::time::Instant;
use tracing::info;

use crate::{metrics::Metrics, proxy_protocol::Fault, refusal::Refusal};

/// One line of a reason in so much time; the next one says how many were left out.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Makes the answer to a refused client.
pub type Render = Arc<dyn Fn(Refusal) -> Response<Bytes> + Send + Sync>;

/// Answers clients, counts and logs. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Refusals {
    render: Render,
    lines: Lines,
    /// Those of the PROXY protocol.
    headers: Lines,
    metrics: Metrics,
}

impl Refusals {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            render: Arc::new(plain),
            lines: Lines::default(),
            headers: Lines::default(),
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

    /// Counts and logs a balancer's connection that named no client.
    pub(crate) fn no_client(&self, fault: Fault, balancer: SocketAddr) {
        self.metrics.no_client(fault);
        let reason = fault.label();
        if let Some(unsaid) = self.headers.due(reason) {
            info!(%balancer, reason, unsaid, "a connection without PROXY header was closed: {fault}");
        }
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
