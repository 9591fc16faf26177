//! The TLS handshake, and what comes of one that fails.

use std::{io, net::SocketAddr, time::Duration};

use rustls::{AlertDescription, Error as TlsFault};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::Connections,
    metrics::{Handshake, Metrics},
    refusal::Refusal,
    refusals::Refusals,
    socket::Socket,
};

/// A TLS handshake that came about.
#[derive(Clone, Copy, Debug)]
pub struct TlsHandshake {
    /// When it began: the connection had been accepted.
    pub began: Instant,
    /// How long it took, the client's share included.
    pub took: Duration,
}

/// TLS, if there is to be any, and how long that took. `None` if the client did not get through.
pub(crate) async fn secure(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    limits: &Connections,
    refusals: &Refusals,
    metrics: &Metrics,
    client: SocketAddr,
) -> Option<(Socket, Option<TlsHandshake>)> {
    let Some(tls) = tls else {
        return Some((Socket::plain(tcp), None));
    };
    let began = Instant::now();
    let failed = |reason, result: Handshake, why: &dyn std::fmt::Display| {
        metrics.handshake(result, began.elapsed());
        metrics.handshake_failed(reason);
        refusals.handshake_failed(reason, client, why);
    };
    let agreed = async {
        let mut first = [0; 1];
        // No TLS begins with a letter; an HTTP request, and the PROXY protocol, do.
        if tcp.peek(&mut first).await? == 1 && first.iter().all(u8::is_ascii_uppercase) {
            return Ok(Err(tcp));
        }
        tls.accept(tcp).await.map(Ok)
    };
    match timeout(limits.handshake_timeout, agreed).await {
        Ok(Ok(Ok(socket))) => {
            let took = began.elapsed();
            metrics.handshake(Handshake::Done, took);
            Some((Socket::tls(socket), Some(TlsHandshake { began, took })))
        }
        Ok(Ok(Err(tcp))) => {
            failed("plain_http", Handshake::Failed, &Refusal::PlainToTls.what());
            refuse_plain(tcp, limits, refusals, client).await;
            None
        }
        Ok(Err(error)) => {
            failed(reason(&error), Handshake::Failed, &error);
            None
        }
        Err(_) => {
            let why = "the client did not complete it within connections.handshake_timeout";
            failed("timeout", Handshake::Timeout, &why);
            None
        }
    }
}

/// Answers a client that speaks plain HTTP here with what it should speak.
async fn refuse_plain(
    mut tcp: TcpStream,
    limits: &Connections,
    refusals: &Refusals,
    client: SocketAddr,
) {
    use tokio::io::AsyncReadExt as _;
    let said = async {
        // Part of the request at least, or the close resets what is said.
        let mut request = [0; 4096];
        let length = tcp.read(&mut request).await?;
        let is_proxy = request
            .get(..length)
            .is_some_and(|read| read.starts_with(b"PROXY "));
        let refusal = if is_proxy {
            Refusal::ProxyProtocol
        } else {
            Refusal::PlainToTls
        };
        tcp.write_all(&refusals.bytes(refusal, client)).await?;
        tcp.shutdown().await?;
        let mut rest = tcp.take(64 * 1024);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let _ = timeout(limits.handshake_timeout.min(Duration::from_secs(1)), said).await;
}

/// Why a handshake failed, of [`FAILURES`](crate::metrics::FAILURES).
fn reason(error: &io::Error) -> &'static str {
    use AlertDescription as A;
    if matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    ) {
        return "closed";
    }
    let fault = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsFault>());
    match fault {
        Some(TlsFault::AlertReceived(A::UnknownCA)) => "unknown_ca",
        Some(TlsFault::AlertReceived(
            A::BadCertificate
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::CertificateUnknown
            | A::UnsupportedCertificate,
        )) => "certificate_refused",
        Some(TlsFault::AlertReceived(_)) => "alert",
        Some(TlsFault::PeerIncompatible(_) | TlsFault::NoApplicationProtocol) => "incompatible",
        Some(
            TlsFault::InvalidMessage(_)
            | TlsFault::InappropriateMessage { .. }
            | TlsFault::InappropriateHandshakeMessage { .. }
            | TlsFault::PeerMisbehaved(_)
            | TlsFault::DecryptError
            | TlsFault::PeerSentOversizedRecord,
        ) => "broken",
        _ => "other",
    }
}
