//! The collector: where it is, and one request to it.

use std::{io, time::Duration};

use http::{
    Request, StatusCode, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::time::timeout;

use super::message;

/// The path of traces below a collector (OpenTelemetry Protocol Specification, OTLP/HTTP Request).
const PATH: &str = "/v1/traces";
/// Longest wait for a connection and the answer together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Below the keep-alive of any server.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Longest answer that is read, in bytes; it says how many spans were refused, and why.
const MAX_ANSWER: usize = 64 * 1024;

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

/// What is wrong with the URL of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// No scheme, no host, or characters that a URL cannot have.
    #[error("has no valid host and port after the scheme, as in \"http://127.0.0.1:4318\"")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("has to start with http:// or https://")]
    Scheme,
    /// Has a user or password.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// Has a query.
    #[error("has to end after host, port and path: no query")]
    Query,
    /// The port of gRPC.
    #[error("is port 4317, where collectors speak gRPC; OTLP over HTTP is port 4318 by default")]
    Grpc,
}

impl Endpoint {
    /// Reads `http://host[:port][/path]`, or `https`. Without a path it is `/v1/traces`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(EndpointError::NotAUrl);
        };
        let mut parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (&parts.scheme, &parts.authority) else {
            return Err(EndpointError::NotAUrl);
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(EndpointError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let has_port = authority.as_str() != authority.host();
        let port = authority.port_u16();
        if authority.host().is_empty() || (has_port && port.is_none_or(|port| port == 0)) {
            return Err(EndpointError::NotAUrl);
        }
        let path = parts.path_and_query.take();
        if path.as_ref().is_some_and(|path| path.query().is_some()) || url.contains('#') {
            return Err(EndpointError::Query);
        }
        let path = path.filter(|path| path.path() != "/");
        if port == Some(4317) && path.is_none() {
            return Err(EndpointError::Grpc);
        }
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static(PATH)));
        Uri::from_parts(parts)
            .map(Self)
            .map_err(|_| EndpointError::NotAUrl)
    }

    fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was taken, but for so many spans.
    Taken {
        /// How many were refused.
        rejected: u64,
    },
    /// The collector will never take it.
    Refused(String),
    /// It may work later.
    Failed(String),
}

/// Whoever takes requests.
pub(super) trait Takes: Send + Sync {
    /// Sends one request and waits for its answer, for a bounded time.
    fn send(&self, body: Bytes) -> impl Future<Output = Outcome> + Send;
}

/// The collector, over HTTP/1.1.
pub(super) struct Collector {
    endpoint: Endpoint,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Collector {
    /// # Errors
    /// The system's certificate roots cannot be read; only for `https`.
    pub(super) fn new(endpoint: Endpoint) -> io::Result<Self> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let builder = HttpsConnectorBuilder::new();
        let builder = if endpoint.is_https() {
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
        Ok(Self { endpoint, client })
    }

    async fn ask(&self, body: Bytes) -> Outcome {
        let request = Request::post(self.endpoint.0.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(
                USER_AGENT,
                concat!("whipstitch/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::new(body));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failed(causes(&error)),
        };
        let status = answer.status();
        // Read to its end, so that the connection serves again.
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        match status {
            _ if status.is_success() => Outcome::Taken {
                rejected: body.map_or(0, |body| message::rejected(&body.to_bytes())),
            },
            // OpenTelemetry Protocol Specification, OTLP/HTTP Response, Retryable Response Codes.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Failed(format!("status {status}")),
            _ => Outcome::Refused(format!("status {status}")),
        }
    }
}

impl Takes for Collector {
    async fn send(&self, body: Bytes) -> Outcome {
        match timeout(PATIENCE, self.ask(body)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
        }
    }
}

/// An error and what is behind it: hyper's own words are "client error (Connect)".
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_scheme_host_port_and_perhaps_a_path() {
        for (url, whole) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://[::1]", "https://[::1]/v1/traces"),
            (
                "https://tempo.example/otlp/v1/traces",
                "https://tempo.example/otlp/v1/traces",
            ),
            ("http://odd:4317/v1/traces", "http://odd:4317/v1/traces"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().0.to_string(), whole);
        }
        for (url, error) in [
            ("", EndpointError::NotAUrl),
            ("collector:4318", EndpointError::NotAUrl),
            ("/v1/traces", EndpointError::NotAUrl),
            ("http://:4318", EndpointError::NotAUrl),
            ("http://c:0", EndpointError::NotAUrl),
            ("http://c:70000", EndpointError::NotAUrl),
            ("grpc://c:4317", EndpointError::Scheme),
            ("http://c:4317", EndpointError::Grpc),
            ("http://user:word@c:4318", EndpointError::UserInfo),
            ("http://c:4318/v1/traces?key=1", EndpointError::Query),
            ("http://c:4318/#x", EndpointError::Query),
        ] {
            assert_eq!(Endpoint::parse(url), Err(error), "{url}");
        }
    }
}
