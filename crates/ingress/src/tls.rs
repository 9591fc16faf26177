//! Certificates: read from PEM files, and read again when the files change.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::Metrics;

/// How often the files are looked at. Their content is compared, not their times: a Kubernetes secret changes by
/// swapping a symbolic link, and a watch on the file would be lost with it.
const LOOK: Duration = Duration::from_secs(10);

/// A certificate and its key, as they stand in two files.
pub struct CertStore {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
}

struct Loaded {
    pem: (Vec<u8>, Vec<u8>),
    certified: Arc<CertifiedKey>,
}

impl CertStore {
    /// Reads both files and checks that they belong together.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(read(cert, key)?);
        Ok(Arc::new(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current,
        }))
    }

    /// Reads the files again if they changed; `true` if they did. After an error the former certificate stays.
    ///
    /// # Errors
    /// As for [`CertStore::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let loaded = read(&self.cert, &self.key)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let changed = current.pem != loaded.pem;
        if changed {
            *current = loaded;
        }
        Ok(changed)
    }

    /// Looks at the files every 10 s until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken, metrics: Metrics) {
        let mut last_error = None;
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOK))
            .await
            .is_some()
        {
            let store = self.clone();
            let Ok(result) = tokio::task::spawn_blocking(move || store.reload()).await else {
                continue;
            };
            metrics.files_unusable(result.is_err());
            match result {
                Ok(changed) => {
                    last_error = None;
                    self.tell(changed, &metrics);
                }
                // Said once, not every 10 s: a rotation may take a moment to write both files.
                Err(error) if last_error.as_ref() != Some(&error.to_string()) => {
                    metrics.reloaded(false);
                    error!(%error, "the changed certificate cannot be used; the former one stays");
                    last_error = Some(error.to_string());
                }
                Err(_) => {}
            }
        }
    }

    /// Looks at the files now, without waiting for the next time; `true` if they changed.
    ///
    /// # Errors
    /// As for [`CertStore::load`]; the former certificate stays.
    pub async fn look(self: &Arc<Self>, metrics: &Metrics) -> Result<bool, TlsError> {
        let store = self.clone();
        let looked = tokio::task::spawn_blocking(move || store.reload()).await;
        let looked = looked.unwrap_or_else(|_| Ok(false));
        metrics.files_unusable(looked.is_err());
        match &looked {
            Ok(changed) => self.tell(*changed, metrics),
            Err(_) => metrics.reloaded(false),
        }
        looked
    }

    fn tell(&self, changed: bool, metrics: &Metrics) {
        if changed {
            metrics.reloaded(true);
            info!(cert = %self.cert.display(), "the changed certificate is in use");
        }
    }

    /// The file that the certificate is in.
    pub fn file(&self) -> &Path {
        &self.cert
    }

    /// The certificates that clients are shown, in DER: the server's own, and those of its issuers that stand behind it.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.certified.cert.clone()
    }

    /// TLS 1.2 and 1.3 with this certificate; HTTP/2 and HTTP/1.1 by ALPN; sessions resume by stateless tickets.
    ///
    /// # Errors
    /// The crypto library has no randomness to give.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Library)?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Library)?;
        // A second ticket costs 5 % of a handshake, and clients here open one connection at a time.
        config.send_tls13_tickets = 1;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertStore")
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

/// The same certificate for every name.
#[derive(Debug)]
struct Resolver(Arc<CertStore>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self
            .0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Some(current.certified.clone())
    }
}

fn read(cert: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let open =
        |path: &Path| fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error));
    let pem = (open(cert)?, open(key)?);
    let chain = CertificateDer::pem_slice_iter(&pem.0)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::NotPem(cert.to_owned()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let private =
        PrivateKeyDer::from_pem_slice(&pem.1).map_err(|_| TlsError::NoKey(key.to_owned()))?;
    let certified = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|error| TlsError::Mismatch(cert.to_owned(), key.to_owned(), error))?;
    Ok(Loaded {
        pem,
        certified: Arc::new(certified),
    })
}

/// Certificate files that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// A file is not PEM.
    #[error("{}: is not a PEM file", _0.display())]
    NotPem(PathBuf),
    /// The certificate file has no certificate.
    #[error("{}: holds no certificate (BEGIN CERTIFICATE)", _0.display())]
    NoCertificate(PathBuf),
    /// The key file has no key.
    #[error("{}: holds no private key (BEGIN PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY)", _0.display())]
    NoKey(PathBuf),
    /// The two do not belong together, or one of them is of a kind that is not supported.
    #[error(
        "{} does not hold the key of the certificate in {}, or one of a kind that is not supported ({_2})",
        _1.display(), _0.display()
    )]
    Mismatch(PathBuf, PathBuf, #[source] rustls::Error),
    /// The TLS library cannot start.
    #[error("TLS: {0}")]
    Library(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (cert, key)
    }

    #[test]
    fn a_changed_pair_is_taken_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write(dir.path());
        let store = CertStore::load(&cert, &key).unwrap();
        assert!(!store.reload().unwrap());
        let first = store.current.read().unwrap().certified.clone();
        write(dir.path());
        assert!(store.reload().unwrap());
        let second = store.current.read().unwrap().certified.clone();
        assert_ne!(first.cert, second.cert);
        fs::write(
            &cert,
            first
                .cert
                .iter()
                .fold(String::new(), |_, _| "junk".to_owned()),
        )
        .unwrap();
        assert!(store.reload().is_err());
        assert_eq!(store.current.read().unwrap().certified.cert, second.cert);
    }

    #[test]
    fn each_mistake_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write(dir.path());
        let other = tempfile::tempdir().unwrap();
        let (_, other_key) = write(other.path());
        let error = |cert: &Path, key: &Path| CertStore::load(cert, key).unwrap_err();
        assert!(matches!(
            error(&dir.path().join("none"), &key),
            TlsError::Unreadable(..)
        ));
        assert!(matches!(error(&key, &key), TlsError::NoCertificate(_)));
        assert!(matches!(error(&cert, &cert), TlsError::NoKey(_)));
        assert!(matches!(error(&cert, &other_key), TlsError::Mismatch(..)));
    }
}
