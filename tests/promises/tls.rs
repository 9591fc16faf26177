//! TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, resumption, and a certificate that changes.

use std::sync::Arc;

use rustls::{ClientConfig, ProtocolVersion, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use whipstitch_tests::{Deployment, Proxy};

async fn connect(proxy: &Proxy, config: Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(proxy.h1.addr()).await.unwrap();
    TlsConnector::from(config)
        .connect(ServerName::try_from("localhost").unwrap(), tcp)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_protocols_are_agreed() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let both = deployment.certificate.client(&[b"h2", b"http/1.1"]);
    let modern = connect(&proxy, both).await;
    let session = modern.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);

    let older = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS12])
    .unwrap()
    .with_root_certificates(deployment.certificate.roots())
    .with_no_client_auth();
    let older = connect(&proxy, Arc::new(older)).await;
    assert_eq!(
        older.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    assert_eq!(older.get_ref().1.alpn_protocol(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_resumes() {
    use rustls::HandshakeKind;
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let config = deployment.certificate.client(&[b"http/1.1"]);
    let client = whipstitch_tests::Client::tls(proxy.h1.addr(), config.clone());
    assert_eq!(client.get("/").await.status, 404);
    let again = connect(&proxy, config).await;
    assert_eq!(
        again.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed)
    );
}
