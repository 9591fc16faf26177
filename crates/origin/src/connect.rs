//! The connector to the Stream Manager, `http` or `https`.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

use crate::BaseUrl;

/// A connector for clients of the Stream Manager: names are resolved, redirects are nobody's business here.
///
/// # Errors
/// The system's certificate roots cannot be read; only for `https`.
pub fn connector(
    manager: &BaseUrl,
    timeout: Duration,
) -> std::io::Result<HttpsConnector<HttpConnector>> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(timeout));
    http.enforce_http(false);
    let builder = HttpsConnectorBuilder::new();
    // Reading the system's roots costs milliseconds and memory that a plain manager does not need.
    let builder = if manager.is_https() {
        builder.with_native_roots()?
    } else {
        builder.with_tls_config(no_roots())
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

fn no_roots() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
