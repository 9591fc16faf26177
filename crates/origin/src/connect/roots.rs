//! The certificates that the Stream Manager's own has to lead to, where they are not the system's.

use std::{fmt, fs::File, io::Read, path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

/// Longest file that is read, in bytes; the bundle of a whole system takes a quarter of that.
const MAX_FILE: u64 = 1 << 20;

/// Certificates of authorities. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads a PEM file with at least one certificate. What else is in there counts for nothing.
    ///
    /// # Errors
    /// It cannot be read, holds no certificate, or one that is broken.
    pub fn read(path: &Path) -> Result<Self, RootsError> {
        let mut pem = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut pem))
            .map_err(RootsError::Unreadable)?;
        if pem.len() as u64 > MAX_FILE {
            return Err(RootsError::TooLong);
        }
        Self::parse(&pem)
    }

    fn parse(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        for (before, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let broken = |why: String| RootsError::Broken(before + 1, why);
            let certificate = certificate.map_err(|error| broken(error.to_string()))?;
            let added = roots.add(certificate);
            // rustls's own words speak of a peer.
            added.map_err(|_| broken("what it holds is not an X.509 certificate".to_owned()))?;
        }
        if roots.is_empty() {
            return Err(RootsError::None);
        }
        Ok(Self(Arc::new(roots)))
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.0.len()).finish()
    }
}

/// Why a file of certificates cannot be used; to follow its name.
#[derive(Debug, Error)]
pub enum RootsError {
    /// It is not there, or not ours to read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// Longer than any bundle.
    #[error("is longer than 1048576 bytes")]
    TooLong,
    /// Nothing that begins with `-----BEGIN CERTIFICATE-----`.
    #[error("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    None,
    /// Something that should be one.
    #[error("certificate {0} in it is broken: {1}")]
    Broken(usize, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pem: &str) -> String {
        Roots::parse(pem.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_holds_no_certificate_is_refused_with_the_reason() {
        let none = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)";
        assert_eq!(said(""), none);
        assert_eq!(said("{\"a\":1}"), none);
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(said(key), none);
        let bytes = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(
            said(bytes).starts_with("certificate 1 in it is broken: "),
            "{}",
            said(bytes)
        );
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(
            said(cut).starts_with("certificate 1 in it is broken: "),
            "{}",
            said(cut)
        );
        let missing = Roots::read(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(
            missing.to_string().starts_with("cannot be read: "),
            "{missing}"
        );
    }
}
