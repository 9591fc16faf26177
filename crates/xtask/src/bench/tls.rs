//! One certificate for all targets, and one way to speak TLS to them: what is compared is the
//! proxies, not ciphers.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire;
use crate::Result;

/// The files of the certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    /// The chain, PEM.
    pub(super) chain: PathBuf,
    /// The key, PEM.
    pub(super) key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub(super) both: PathBuf,
}

/// Dials targets with TLS 1.3, AES-128-GCM and X25519, each time with a full handshake.
#[derive(Clone)]
pub(super) struct Dialer {
    http1: TlsConnector,
    http2: TlsConnector,
    roots: RootCertStore,
    name: ServerName<'static>,
}

/// Makes a certificate (ECDSA P-256) in `folder` and the dialer that trusts it.
pub(super) fn prepare(folder: &Path) -> Result<(Certificate, Dialer)> {
    let made = rcgen::generate_simple_self_signed([wire::NAME.to_owned()])?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let write = |name: &str, text: &str| -> io::Result<PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let certificate = Certificate {
        chain: write("chain.pem", &chain)?,
        key: write("key.pem", &key)?,
        both: write("both.pem", &format!("{chain}{key}"))?,
    };
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let dialer = Dialer {
        http1: connector(roots.clone(), b"http/1.1")?,
        http2: connector(roots.clone(), b"h2")?,
        roots,
        name: ServerName::try_from(wire::NAME)?,
    };
    Ok((certificate, dialer))
}

fn connector(roots: RootCertStore, protocol: &[u8]) -> Result<TlsConnector> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Dialer {
    /// One that agrees on keys as browsers do today (X25519MLKEM768), and that comes back with a
    /// ticket if it `resumes`.
    pub(super) fn as_browsers(&self, resumes: bool) -> Result<Self> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(self.roots.clone())
                .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        let http1 = TlsConnector::from(Arc::new(config));
        Ok(Self {
            http1,
            ..self.clone()
        })
    }

    /// A connection for HTTP/1.1 and WebSocket.
    pub(super) async fn http1(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.dial(&self.http1, address).await
    }

    /// A connection for HTTP/2.
    pub(super) async fn http2(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.dial(&self.http2, address).await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(stream),
            _ => Err(io::Error::other("the target did not choose h2")),
        }
    }

    async fn dial(
        &self,
        connector: &TlsConnector,
        address: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connector.connect(self.name.clone(), stream).await
    }
}
