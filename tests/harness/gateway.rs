//! A gateway in front of the Stream Manager: it serves TLS with a certificate of a private
//! authority, and rewrites path prefixes.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::raw_node::read_head;

/// A request that reached a gateway.
#[derive(Clone, Debug)]
pub struct GatewayRequest {
    /// The name in the client's hello.
    pub server_name: Option<String>,
    /// The header of the request as it came.
    pub head: String,
}

impl GatewayRequest {
    /// Method, path and query.
    pub fn line(&self) -> &str {
        self.head
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(" HTTP/1.1")
    }

    /// A field, its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A running gateway; ends when dropped.
pub struct Gateway {
    addr: SocketAddr,
    folder: TempDir,
    asked: Arc<Mutex<Vec<GatewayRequest>>>,
    _task: AbortOnDropHandle<()>,
}

impl Gateway {
    /// With a certificate for this name. A path that begins with `from` begins with `to` at the
    /// manager; any other one is answered 404.
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    pub async fn start(
        name: &str,
        (from, to): (&'static str, &'static str),
        manager: SocketAddr,
    ) -> Self {
        let (folder, acceptor) = certificate(name);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), seen.clone());
                connections.spawn(async move {
                    let Ok(mut client) = acceptor.accept(socket).await else {
                        return;
                    };
                    let server_name = client.get_ref().1.server_name().map(str::to_owned);
                    let head = read_head(&mut client).await;
                    let changed = change(&head, from, to);
                    seen.lock().unwrap().push(GatewayRequest { server_name, head });
                    let Some(changed) = changed else {
                        let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                        let _ = client.write_all(none).await;
                        let _ = client.shutdown().await;
                        return;
                    };
                    let mut manager = TcpStream::connect(manager).await.unwrap();
                    manager.write_all(changed.as_bytes()).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut manager).await;
                });
            }
        });
        Self {
            addr,
            folder,
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Where, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.addr)
    }

    /// The certificate of the authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<GatewayRequest> {
        self.asked.lock().unwrap().clone()
    }
}

/// The header for the manager, for one request a connection, so that every one is seen; `None` if
/// the path is another.
fn change(head: &str, from: &str, to: &str) -> Option<String> {
    let (line, fields) = head.split_once("\r\n")?;
    let (method, target) = line.split_once(' ')?;
    let rest = target.strip_prefix(from)?;
    let upgrades = fields.to_ascii_lowercase().contains("\r\nupgrade:");
    let connection = if upgrades {
        ""
    } else {
        "Connection: close\r\n"
    };
    Some(format!(
        "{method} {to}{rest}\r\n{fields}\r\n{connection}\r\n"
    ))
}

/// A folder with the authority's certificate, and what speaks TLS with one that it signed.
fn certificate(name: &str) -> (TempDir, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let folder = tempfile::Builder::new().prefix("ca-").tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (folder, TlsAcceptor::from(Arc::new(config)))
}
