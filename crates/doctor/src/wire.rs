//! One connection for each request; size and time of everything are bounded.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    answer::{Answer, Exchange},
    tls,
    url::Url,
};

/// Longest body of an answer, in bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// Longest header of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Most redirects that are followed.
const MAX_HOPS: usize = 2;

/// A connection, with TLS or without.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How servers are reached.
#[derive(Clone)]
pub(crate) struct Wire {
    /// TLS; `None` if no certificates are known.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Longest wait for one answer, redirects included.
    pub(crate) patience: Duration,
    /// `Bearer` and the token.
    pub(crate) bearer: Option<HeaderValue>,
    /// The servers that the operator named. The token is sent to no other.
    pub(crate) named: Vec<Url>,
    /// Where the servers are, instead of what their names resolve to.
    pub(crate) address: Option<IpAddr>,
}

/// One request.
pub(crate) struct Ask {
    /// Its method.
    pub(crate) method: Method,
    /// Its URL.
    pub(crate) url: Url,
    /// Its header, without `Host` and `Authorization`.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: String,
    /// Whether the client sends the token with it.
    pub(crate) bearer: bool,
    /// The redirects that the client follows with the same method and body.
    pub(crate) follows: &'static [u16],
}

impl Ask {
    /// A request with nothing added.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: String::new(),
            bearer: false,
            follows: &[],
        }
    }
}

impl Wire {
    /// Asks, and follows at most two redirects.
    pub(crate) async fn ask(&self, mut ask: Ask) -> Exchange {
        let began = Instant::now();
        let until = began + self.patience;
        let mut hops = 0;
        loop {
            let once = timeout_at(until, self.once(&ask)).await;
            let mut answer = match once {
                Ok(Ok(answer)) => answer,
                Ok(Err(words)) => return Exchange::NoAnswer(words),
                Err(_) => {
                    return Exchange::NoAnswer(format!(
                        "timeout after {} s",
                        self.patience.as_secs()
                    ));
                }
            };
            let next = answer
                .header("location")
                .and_then(|location| ask.url.join(location));
            let follows = ask.follows.contains(&answer.status) && hops < MAX_HOPS;
            let Some(next) = next.filter(|_| follows) else {
                answer.hops = hops;
                answer.took = began.elapsed();
                return Exchange::Answer(Box::new(answer));
            };
            hops += 1;
            ask.url = next;
        }
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, String> {
        let io = self.connect(&ask.url).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| error.to_string())?;
        let request = self.request(ask)?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(words)?;
            read(response, ask.url.clone()).await
        };
        tokio::pin!(exchange, connection);
        // The connection has to be polled during the exchange, and may end before its last byte is
        // read.
        tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(words(error)),
            },
        }
    }

    /// A connection to the server of this URL.
    ///
    /// # Errors
    /// In words: unknown host name, connection refused, untrusted certificate.
    pub(crate) async fn connect(&self, url: &Url) -> Result<Box<dyn Io>, String> {
        let tcp = match self.address {
            Some(address) => TcpStream::connect((address, url.port())).await,
            None => TcpStream::connect((url.host(), url.port())).await,
        };
        let tcp = tcp.map_err(|error| unreachable(url, &error))?;
        let _ = tcp.set_nodelay(true);
        if !url.secure {
            return Ok(Box::new(tcp));
        }
        let config = self.tls.clone();
        let config =
            config.ok_or("this system has no certificates to trust: use --ca or --insecure")?;
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| format!("{} is not a valid name in a certificate", url.host()))?;
        let secured = TlsConnector::from(config).connect(name, tcp).await;
        Ok(Box::new(
            secured.map_err(|error| tls::refusal(url, &error))?,
        ))
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(ask.url.target())
            .header(header::HOST, &ask.url.authority)
            .body(Full::new(Bytes::from(ask.body.clone())))
            .map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.extend(ask.headers.clone());
        if let Some(bearer) = self
            .bearer
            .clone()
            .filter(|_| ask.bearer && self.is_named(&ask.url))
        {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        Ok(request)
    }

    /// Whether the operator named the server of this URL.
    pub(crate) fn is_named(&self, url: &Url) -> bool {
        self.named.iter().any(|named| named.same_server(url))
    }
}

async fn read(response: http::Response<Incoming>, url: Url) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(format!("an answer of more than {} KiB", MAX_BODY / 1024));
        }
        Err(error) => return Err(format!("the answer broke off: {error}")),
    };
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        url,
        hops: 0,
        took: Duration::ZERO,
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn words(error: hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "the connection was closed without an answer".to_owned()
    } else {
        error.to_string()
    }
}

fn unreachable(url: &Url, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "connection refused: nothing listens on port {} of {}",
                url.port(),
                url.host()
            )
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("no route to host {}", url.host())
        }
        _ => error.to_string(),
    }
}
