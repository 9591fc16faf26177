//! Why certificate files cannot be used.

use std::path::PathBuf;

use thiserror::Error;

use super::pem::PemError;

/// Certificate files that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// A file is not PEM.
    #[error("{} {_1}", _0.display())]
    NotPem(PathBuf, #[source] PemError),
    /// The certificate file has no certificate; what it has instead.
    #[error("{} holds no certificate in PEM form{_1}", _0.display())]
    NoCertificate(PathBuf, String),
    /// The key file has no key; what it has instead.
    #[error("{} holds no private key in PEM form{_1}", _0.display())]
    NoKey(PathBuf, String),
    /// A block of this line is no certificate.
    #[error("{}: the block in line {_1} is not a certificate (X.509)", _0.display())]
    Unreadable509(PathBuf, usize),
    /// The key has a passphrase.
    #[error("{} holds a key with a passphrase; take the passphrase away", _0.display())]
    Passphrase(PathBuf),
    /// The new certificate has expired or is not valid yet, and the one in use is valid.
    #[error("{}: the new certificate {_1}", _0.display())]
    Invalid(PathBuf, String),
    /// The new certificate is not for a host that is served and that the one in use is for.
    #[error("{}: the new certificate is not for {_1}, which is in proxy.hosts and which the one in use is for", _0.display())]
    Names(PathBuf, String),
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
