//! The certificate of `listen.https`.

use std::sync::Arc;

use prometheus::Registry;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};
use whipstitch_config::Config;
use whipstitch_ingress::{self as ingress, CertStore};

use super::StartError;
use crate::{
    file_watch::{self, ReadRequests, ReloadMetrics, Watched},
    shutdown::Shutdown,
};

/// The certificate in use, and how connections are accepted with it.
pub(super) struct Tls {
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) store: Option<Arc<CertStore>>,
    pub(super) metrics: ingress::Metrics,
    /// Requests a read of its files.
    pub(super) read_now: Option<ReadRequests>,
}

/// Loads the certificate, if an address needs one, and watches its files.
pub(super) fn tls(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Tls, StartError> {
    let metrics = ingress::Metrics::register(registry)?;
    let reloads = ReloadMetrics::of_certificates(registry)?;
    let store = match (&config.tls.cert, &config.tls.key) {
        _ if config.listen.https.is_empty() => None,
        (Some(cert), Some(key)) => {
            let store = CertStore::load(cert, key)?;
            store.serve(&config.proxy.hosts);
            Some(store)
        }
        _ => return Err(StartError::NoCertificate),
    };
    let acceptor = store.as_ref().map(CertStore::acceptor).transpose()?;
    let watched = store.clone();
    Ok(Tls {
        acceptor,
        store,
        metrics,
        read_now: watched.map(|store| file_watch::watch(store, reloads, shutdown)),
    })
}

impl Watched for CertStore {
    const WHAT: &'static str = "certificate";

    fn read(&self) -> Result<bool, String> {
        let changed = self.reload().map_err(|error| error.to_string())?;
        if changed {
            info!(cert = %self.file().display(), "the changed certificate is in use");
            for note in self.notes().into_iter().chain(self.invalid()) {
                warn!("{note}");
            }
        }
        Ok(changed)
    }
}
