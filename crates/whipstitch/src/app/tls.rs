//! The certificate of `listen.https`.

use std::sync::Arc;

use prometheus::Registry;
use tokio_rustls::TlsAcceptor;
use whipstitch_config::Config;
use whipstitch_ingress::{self as ingress, CertStore};

use super::StartError;
use crate::shutdown::Shutdown;

/// The certificate in use, and how connections are accepted with it.
pub(super) struct Tls {
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) store: Option<Arc<CertStore>>,
    pub(super) metrics: ingress::Metrics,
}

/// Loads the certificate, if an address needs one, and watches its files.
pub(super) fn tls(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Tls, StartError> {
    let metrics = ingress::Metrics::register(registry)?;
    let store = match (&config.tls.cert, &config.tls.key) {
        _ if config.listen.https.is_empty() => None,
        (Some(cert), Some(key)) => {
            let store = CertStore::load(cert, key)?;
            store.serve(&config.proxy.hosts);
            let watched = store.clone();
            shutdown
                .background
                .spawn(watched.watch(shutdown.stop_accepting.clone(), metrics.clone()));
            Some(store)
        }
        _ => return Err(StartError::NoCertificate),
    };
    let acceptor = store.as_ref().map(CertStore::acceptor).transpose()?;
    Ok(Tls {
        acceptor,
        store,
        metrics,
    })
}
