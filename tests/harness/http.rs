//! A small HTTP client: one connection a request, no redirects, no retries, nothing added.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::StreamBody;
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// Longest wait of a test for anything that should happen at once.
pub const SOON: Duration = Duration::from_secs(10);

/// Any connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client of one address.
#[derive(Clone)]
pub struct Client {
    addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    /// What is sent before anything else.
    announced: Bytes,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// A header as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The slug of this problem; checks that it is a complete one.
    pub fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.header("access-control-allow-origin"), "*", "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["instance"], self.header("x-request-id"));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem["type"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:whipstitch:problem:")
            .unwrap()
            .to_owned()
    }
}

impl Client {
    /// Over TLS.
    pub fn tls(addr: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self {
            addr,
            tls: Some(config),
            announced: Bytes::new(),
        }
    }

    /// Without TLS.
    pub fn plain(addr: SocketAddr) -> Self {
        Self {
            addr,
            tls: None,
            announced: Bytes::new(),
        }
    }

    /// The same client of another address.
    #[must_use]
    pub fn at(&self, addr: SocketAddr) -> Self {
        Self {
            addr,
            ..self.clone()
        }
    }

    /// The same client behind a balancer that sends these bytes first.
    #[must_use]
    pub fn announced(&self, header: &[u8]) -> Self {
        Self {
            announced: Bytes::copy_from_slice(header),
            ..self.clone()
        }
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A connection, and whether it speaks HTTP/2.
    pub async fn connect(&self) -> (Box<dyn Io>, bool) {
        let mut tcp = TcpStream::connect(self.addr).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.write_all(&self.announced).await.unwrap();
        match &self.tls {
            None => (Box::new(tcp), false),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let tls = TlsConnector::from(config.clone())
                    .connect(name, tcp)
                    .await
                    .unwrap();
                let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                (Box::new(tls), h2)
            }
        }
    }

    /// Sends a request over a connection of its own; `Host` is `localhost:PORT` if it has none.
    pub async fn send(&self, request: Request<impl Into<Bytes>>) -> Reply {
        let answer = async { self.keep().await.send(request).await };
        tokio::time::timeout(SOON, answer)
            .await
            .expect("an answer in time")
    }

    /// POST over HTTP/2 with a body that is sent piece by piece; the status of the answer.
    pub async fn upload(&self, target: &str, mut pieces: mpsc::Receiver<Bytes>) -> StatusCode {
        let (io, h2) = self.connect().await;
        assert!(h2);
        let frames = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
        let frames =
            futures_util::StreamExt::map(frames, |piece| Ok::<_, Infallible>(Frame::data(piece)));
        let request = Request::post(format!("https://localhost{target}"))
            .header("content-type", "application/sdp");
        let request = request.body(StreamBody::new(frames)).unwrap();
        let (mut send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
        let _connection = spawn(connection);
        send.send_request(request).await.unwrap().status()
    }

    /// GET.
    pub async fn get(&self, target: &str) -> Reply {
        self.send(Request::get(target).body("").unwrap()).await
    }

    /// Any method, with an SDP body where the method takes one.
    pub async fn sdp(&self, method: &str, target: &str, sdp: &str) -> Reply {
        if matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            return self.bare(method, target).await;
        }
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("content-type", "application/sdp");
        self.send(request.body(sdp.to_owned()).unwrap()).await
    }

    /// A method without a body.
    pub async fn bare(&self, method: &str, target: &str) -> Reply {
        self.send(
            Request::builder()
                .method(method)
                .uri(target)
                .body("")
                .unwrap(),
        )
        .await
    }
}

/// Polls a connection until the handle is dropped.
#[expect(clippy::disallowed_methods, reason = "the handle ends it")]
pub(crate) fn spawn<F>(connection: F) -> AbortOnDropHandle<()>
where
    F: Future<Output = hyper::Result<()>> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = connection.await;
    }))
}

/// The path and query of a URL, absolute or not.
pub fn path_of(url: &str) -> String {
    let uri: http::Uri = url.parse().unwrap();
    uri.path_and_query().unwrap().to_string()
}
