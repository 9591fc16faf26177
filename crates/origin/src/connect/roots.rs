//! The certificates that the Stream Manager's own has to lead to, where they are not the system's.

use std::{fmt, fs::File, io::Read, path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

use super::pem;

/// Longest file that is read, in bytes; the bundle of a whole system takes a quarter of that.
const MAX_FILE: u64 = 1 << 20;

/// Certificates of authorities. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads a PEM file with at least one certificate, in any spelling that people have: glued,
    /// indented, any line end, a byte order mark. What else is in there counts for nothing.
    ///
    /// # Errors
    /// It cannot be read, holds no certificate, or one that is broken or would be dropped.
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
        let pem = pem::normalised(pem);
        let mut roots = RootCertStore::empty();
        for (before, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
            let broken = |why: String| RootsError::Broken(before + 1, why);
            let certificate = certificate.map_err(|error| broken(error.to_string()))?;
            let added = roots.add(certificate);
            // rustls's own words speak of a peer.
            added.map_err(|_| broken("what it holds is not an X.509 certificate".to_owned()))?;
        }
        if roots.is_empty() {
            return Err(RootsError::None);
        }
        let begun = pem::begun(&pem);
        if begun != roots.len() {
            return Err(RootsError::Dropped(begun, roots.len()));
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
    /// A marker that is misspelt, a block without end, or a label that rustls does not read.
    #[error(
        "holds {0} certificates, and only {1} of them can be read; each has to begin with -----BEGIN CERTIFICATE----- and end with -----END CERTIFICATE-----"
    )]
    Dropped(usize, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of an authority that signs nothing; its key was thrown away.
    const CA: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBbzCCARWgAwIBAgIUFOBKCzp9JYwypW4P0LanUS9IzPcwCgYIKoZIzj0EAwIw\n\
DDEKMAgGA1UEAwwBYTAgFw0yNjExMzAxMTQ2MDdaGA8yMTI2MTEwNjExNDYwN1ow\n\
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE1jZlsjyIgD\n\
UE4+KgnURFupz5alVk1TLfkdGHhm34ayR7R6dq2eA0dcuA65GNg2emmchgfWyhX0\n\
JF1mGpc+kI6jUzBRMB0GA1UdDgQWBBR8MIs3/VUN3ipct/SAckJdg+/YyjAfBgNV\n\
HSMEGDAWgBR8MIs3/VUN3ipct/SAckJdg+/YyjAPBgNVHRMBAf8EBTADAQH/MAoG\n\
CCqGSM49BAMCA0gAMEUCIAqrjwNmh0kalRHBOeRLZIBsum6fWPjxcBQz9cgNKLA+\n\
AiEAsnXNYlHS9mInkEEm3QeX5OO39q0U4VG7NpF8wWEIpvA=\n\
-----END CERTIFICATE-----";

    fn said(pem: &str) -> String {
        Roots::parse(pem.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_certificate_of_a_file_is_read_or_it_is_refused() {
        let read = |pem: &str| Roots::parse(pem.as_bytes()).unwrap().0.len();
        assert_eq!(read(CA), 1);
        for two in [
            format!("{CA}\n{CA}\n"),
            format!("{CA}{CA}"),
            format!("\u{feff}{CA}{CA}").replace('\n', "\r"),
            format!("# one\n{CA}\n# two\n{CA}").replace('\n', "\r\n    "),
        ] {
            assert_eq!(read(&two), 2, "{two}");
        }
        let begin = "-----BEGIN CERTIFICATE-----";
        for other in [
            CA.replace("-----BEGIN", "----BEGIN"),
            CA.replace(" CERT", " TRUSTED CERT"),
            CA.replace("-----BEGIN", "\u{2014}BEGIN"),
        ] {
            assert_eq!(
                said(&format!("{CA}\n{other}")),
                format!(
                    "holds 2 certificates, and only 1 of them can be read; each has to begin with {begin} and end with \
                     -----END CERTIFICATE-----"
                ),
                "{other}"
            );
        }
        let unended = CA.replace("-----END CERTIFICATE-----", "");
        assert!(Roots::parse(format!("{unended}\n{CA}").as_bytes()).is_err());
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
