//! TLS of the client: which certificates are trusted.

use std::{io, path::Path, sync::Arc};

use hyper_rustls::ConfigBuilderExt as _;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error as TlsError,
    InvalidMessage, RootCertStore, SignatureScheme, WantsVerifier,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};

use crate::{Error, Options, url::Url};

/// TLS as the options want it; `None` if the system has no certificates, which matters only to
/// `https`.
///
/// # Errors
/// The file of `--ca` cannot be read, or holds no certificate.
pub(crate) fn config(options: &Options) -> Result<Option<Arc<ClientConfig>>, Error> {
    let tls_error = |error: rustls::Error| Error::Option(error.to_string());
    if options.insecure {
        return any_certificate().map(Some).map_err(tls_error);
    }
    let builder = builder(Arc::new(aws_lc_rs::default_provider())).map_err(tls_error)?;
    let config = if let Some(file) = &options.ca {
        builder
            .with_root_certificates(roots(file)?)
            .with_no_client_auth()
    } else {
        match builder.with_native_roots() {
            Ok(builder) => builder.with_no_client_auth(),
            Err(_) => return Ok(None),
        }
    };
    Ok(Some(Arc::new(config)))
}

/// A client's TLS that trusts any certificate, as with `--insecure`.
///
/// # Errors
/// The TLS versions do not fit the cryptography: never with the one that is built in.
pub fn any_certificate() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = builder(provider.clone())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Why TLS failed, in words.
pub(crate) fn refusal(url: &Url, error: &io::Error) -> String {
    let source = error.get_ref().and_then(|inner| inner.downcast_ref());
    let words = match source {
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            return format!(
                "this port speaks plain HTTP: write http://{}",
                url.authority
            );
        }
        Some(TlsError::InvalidCertificate(certificate)) => certificate,
        _ => return format!("TLS: {error}"),
    };
    let words = match words {
        CertificateError::UnknownIssuer => {
            "its issuer is not known here: a private CA, a self-signed certificate, or a missing \
             intermediate in the server's chain"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for other names than this host"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        _ => return format!("the certificate cannot be trusted ({error})"),
    };
    format!(
        "the certificate cannot be trusted: {words}. Browsers and encoders refuse it too. --ca FILE \
         trusts an issuer, --insecure any certificate"
    )
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn roots(file: &Path) -> Result<RootCertStore, Error> {
    let wrong = |words: String| Error::File(file.display().to_string(), words);
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(roots)
}

/// Accepts every certificate whose private key the server holds: the handshake's signature is still
/// checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
