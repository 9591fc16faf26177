//! The URL of a collector of spans: `tracing.otlp`.

use http::{
    Uri,
    uri::{PathAndQuery, Scheme},
};
use thiserror::Error;

/// The path of traces below a collector (OpenTelemetry Protocol Specification, OTLP/HTTP Request).
const PATH: &str = "/v1/traces";

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(Uri);

/// What is wrong with the URL of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CollectorUrlError {
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

impl CollectorUrl {
    /// Reads `http://host[:port][/path]`, or `https`. Without a path it is `/v1/traces`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, CollectorUrlError> {
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(CollectorUrlError::NotAUrl);
        };
        let mut parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (&parts.scheme, &parts.authority) else {
            return Err(CollectorUrlError::NotAUrl);
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(CollectorUrlError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(CollectorUrlError::UserInfo);
        }
        let has_port = authority.as_str() != authority.host();
        let port = authority.port_u16();
        if authority.host().is_empty() || (has_port && port.is_none_or(|port| port == 0)) {
            return Err(CollectorUrlError::NotAUrl);
        }
        let path = parts.path_and_query.take();
        if path.as_ref().is_some_and(|path| path.query().is_some()) || url.contains('#') {
            return Err(CollectorUrlError::Query);
        }
        let path = path.filter(|path| path.path() != "/");
        if port == Some(4317) && path.is_none() {
            return Err(CollectorUrlError::Grpc);
        }
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static(PATH)));
        Uri::from_parts(parts)
            .map(Self)
            .map_err(|_| CollectorUrlError::NotAUrl)
    }

    /// The URL that spans are sent to.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the collector is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }
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
            assert_eq!(CollectorUrl::parse(url).unwrap().0.to_string(), whole);
        }
        for (url, error) in [
            ("", CollectorUrlError::NotAUrl),
            ("collector:4318", CollectorUrlError::NotAUrl),
            ("/v1/traces", CollectorUrlError::NotAUrl),
            ("http://:4318", CollectorUrlError::NotAUrl),
            ("http://c:0", CollectorUrlError::NotAUrl),
            ("http://c:70000", CollectorUrlError::NotAUrl),
            ("grpc://c:4317", CollectorUrlError::Scheme),
            ("http://c:4317", CollectorUrlError::Grpc),
            ("http://user:word@c:4318", CollectorUrlError::UserInfo),
            ("http://c:4318/v1/traces?key=1", CollectorUrlError::Query),
            ("http://c:4318/#x", CollectorUrlError::Query),
        ] {
            assert_eq!(CollectorUrl::parse(url), Err(error), "{url}");
        }
    }
}
