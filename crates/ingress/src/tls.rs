//! Certificates: read from PEM files, and read again when asked to.
//!
//! A certificate in use is replaced only by one that clients can use as well: not by one that has
//! expired or is not valid yet, and not by one that lacks a name of `proxy.hosts` which the former
//! has. One that has itself expired, or is not valid yet, is replaced by any other. What is refused
//! is judged anew at each read, so that a certificate from the future is used when its time has
//! come.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::certificate::{bundle::Bundle, error::TlsError, facts::Facts, summary::Certificates};

/// A certificate and its key, as they stand in two files.
pub struct CertStore {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
    /// Names of hosts that are served.
    hosts: RwLock<Vec<String>>,
}

struct Loaded {
    pem: (Vec<u8>, Vec<u8>),
    certified: Arc<CertifiedKey>,
    /// Of the server's own certificate, and then of its issuers'.
    facts: Vec<Facts>,
    notes: Vec<String>,
}

impl Loaded {
    /// Why clients do not take the server's own certificate now, whatever their roots are.
    fn invalid(&self) -> Option<String> {
        self.facts.first()?.invalid_at(SystemTime::now())
    }

    fn is_for(&self, host: &str) -> bool {
        self.facts.first().is_some_and(|own| own.is_for(host))
    }
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
            hosts: RwLock::default(),
        }))
    }

    /// The hosts that are served: a later certificate has to be for those of them that the present
    /// one is for.
    pub fn serve(&self, hosts: &[String]) {
        let mut served = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        *served = hosts.to_vec();
    }

    /// What an operator should know of the files, in words: what is not used, not in order, or
    /// missing.
    pub fn notes(&self) -> Vec<String> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let issuers = current.facts.iter().skip(1).filter_map(|issuer| {
            let why = issuer.invalid_at(SystemTime::now())?;
            Some(format!(
                "{}: the certificate of the issuer \"{}\" {why}",
                self.cert.display(),
                issuer.subject
            ))
        });
        current.notes.iter().cloned().chain(issuers).collect()
    }

    /// Why clients refuse the certificate now, if it has expired or is not valid yet.
    pub fn invalid(&self) -> Option<String> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let why = current.invalid()?;
        Some(format!("{}: the certificate {why}", self.cert.display()))
    }

    /// Those of these hosts that the certificate is not for.
    pub fn not_for<'h>(&self, hosts: &'h [String]) -> Vec<&'h str> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let lacks = |host: &&String| !current.is_for(host);
        hosts.iter().filter(lacks).map(String::as_str).collect()
    }

    /// Reads the files again if they changed; `true` if they did. After an error the former
    /// certificate stays.
    ///
    /// # Errors
    /// As for [`CertStore::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let loaded = read(&self.cert, &self.key)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let changed = current.pem != loaded.pem;
        if changed {
            self.is_no_worse(&loaded, &current)?;
            *current = loaded;
        }
        Ok(changed)
    }

    /// Whether clients can use the new certificate wherever they can use the present one.
    fn is_no_worse(&self, new: &Loaded, present: &Loaded) -> Result<(), TlsError> {
        // Clients refuse the present one for every name: nothing can be lost with it.
        if present.invalid().is_some() {
            return Ok(());
        }
        if let Some(why) = new.invalid() {
            return Err(TlsError::Invalid(self.cert.clone(), why));
        }
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let lost = hosts
            .iter()
            .find(|host| present.is_for(host) && !new.is_for(host));
        match lost {
            Some(host) => Err(TlsError::Names(self.cert.clone(), host.clone())),
            None => Ok(()),
        }
    }

    /// The file that the certificate is in.
    pub fn file(&self) -> &Path {
        &self.cert
    }

    /// Names and validity of the certificates that clients are shown.
    pub fn summary(&self) -> Certificates {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Certificates::of(&self.cert, &current.facts)
    }

    /// TLS 1.2 and 1.3 with this certificate; HTTP/2 and HTTP/1.1 by ALPN; sessions resume by
    /// stateless tickets.
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
    let bundle = Bundle::read((cert, &pem.0), (key, &pem.1))?;
    Ok(Loaded {
        pem,
        certified: Arc::new(bundle.certified),
        facts: bundle.facts,
        notes: bundle.notes,
    })
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
    fn an_expired_certificate_is_replaced_whatever_names_the_new_one_has() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let write = |names: &[&str], until: i32| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
            let own = rcgen::KeyPair::generate().unwrap();
            fs::write(&cert, params.self_signed(&own).unwrap().pem()).unwrap();
            fs::write(&key, own.serialize_pem()).unwrap();
        };
        for (until, taken) in [(2001, true), (2999, false)] {
            write(&["a.example", "b.example"], until);
            let store = CertStore::load(&cert, &key).unwrap();
            store.serve(&["a.example".to_owned(), "b.example".to_owned()]);
            write(&["a.example"], 2999);
            assert_eq!(store.reload().is_ok(), taken, "the present one: {until}");
            assert_eq!(store.invalid(), None);
        }
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
        assert!(matches!(error(&key, &key), TlsError::NoCertificate(..)));
        assert!(matches!(error(&cert, &cert), TlsError::NoKey(..)));
        assert!(matches!(error(&cert, &other_key), TlsError::Mismatch(..)));
    }
}
