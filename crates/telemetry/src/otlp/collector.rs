//! The collector, and one request to it.

use std::{io, time::Duration};

use http::{
    Request, StatusCode,
    header::{CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;

use super::message;
use whipstitch_config::CollectorUrl;

/// Longest wait for a connection and the answer together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Below the keep-alive of any server.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Longest answer that is read, in bytes; it says how many spans were refused, and why.
const MAX_ANSWER: usize = 64 * 1024;

/// The result of one export request.
#[derive(Debug)]
pub(super) enum Export {
    /// The collector accepted it, except for some spans.
    Accepted {
        /// How many spans it rejected.
        rejected: u64,
    },
    /// The collector will never accept it.
    Rejected(String),
    /// A retry may succeed.
    Failed(String),
}

/// The receiver of export requests.
pub(super) trait Receiver: Send + Sync {
    /// Sends one request and waits for its answer, for a bounded time.
    fn send(&self, body: Bytes) -> impl Future<Output = Export> + Send;
}

/// The collector, over HTTP/1.1.
pub(super) struct Collector {
    url: CollectorUrl,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Collector {
    /// # Errors
    /// The system's certificate roots cannot be read; only for `https`.
    pub(super) fn new(url: CollectorUrl) -> io::Result<Self> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let builder = HttpsConnectorBuilder::new();
        let builder = if url.is_https() {
            builder.with_native_roots()?
        } else {
            builder.with_tls_config(no_roots())
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { url, client })
    }

    async fn ask(&self, body: Bytes) -> Export {
        let request = Request::post(self.url.uri().clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(
                USER_AGENT,
                concat!("whipstitch/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::new(body));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Export::Rejected(error.to_string()),
        };
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => return Export::Failed(causes(&error)),
        };
        let status = answer.status();
        // Read to its end, so that the connection is reused.
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        match status {
            _ if status.is_success() => Export::Accepted {
                rejected: body.map_or(0, |body| message::rejected(&body.to_bytes())),
            },
            // OpenTelemetry Protocol Specification, OTLP/HTTP Response, Retryable Response Codes.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Export::Failed(format!("status {status}")),
            _ => Export::Rejected(format!("status {status}")),
        }
    }
}

impl Receiver for Collector {
    async fn send(&self, body: Bytes) -> Export {
        match timeout(TIMEOUT, self.ask(body)).await {
            Ok(export) => export,
            Err(_) => Export::Failed(format!("no answer within {TIMEOUT:?}")),
        }
    }
}

/// An error with its causes: hyper's own text is only "client error (Connect)".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn no_roots() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
