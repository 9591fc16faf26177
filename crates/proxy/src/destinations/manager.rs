//! Manager: everything else goes to the Stream Manager, streamed. WebSockets to it are carried by
//! [`crate::destinations::splice`].
//!
//! An answer of its event API is read on the way: that is how `RTCPublisher` learns the node for
//! its WebSocket, and how we learn that the node is genuine, before the page can ask for it.

use std::{error::Error as _, net::SocketAddr, sync::Arc, time::Duration};

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{ACCEPT_ENCODING, HOST, LOCATION},
    uri::PathAndQuery,
};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tower::BoxError;
use tracing::debug;
use whipstitch_origin::{
    AllowedOrigins, BaseUrl, Cause, ManagerFault,
    connect::{Clients, Connection, ManagerAddress},
    stream_manager,
};
use whipstitch_signaling::{
    coding::{self, Coding, IDENTITY},
    headers::strip_hop_by_hop,
};

use crate::{
    Body, BodyError, Error, Exchange, RequestBody,
    nodes::pool::POOL_SIZE,
    request::phases::{Phase, Phases},
    words::{body, config::Timeouts, error::defect},
};

/// Carries HTTP to the Stream Manager.
pub(crate) struct Manager {
    clients: Clients<RequestBody>,
    base: BaseUrl,
    allowed: Arc<AllowedOrigins>,
    patience: Duration,
}

impl Manager {
    pub(crate) fn new(
        manager: ManagerAddress,
        allowed: Arc<AllowedOrigins>,
        timeouts: &Timeouts,
    ) -> std::io::Result<Self> {
        let base = manager.base().clone();
        Ok(Self {
            clients: Clients::new(manager, timeouts.connect, POOL_SIZE)?,
            base,
            allowed,
            patience: timeouts.manager_answer,
        })
    }

    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        names_nodes: bool,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Error> {
        if names_nodes {
            // What is read on the way has to be readable.
            request.headers_mut().insert(ACCEPT_ENCODING, IDENTITY);
        }
        let target = request.uri().path_and_query();
        let uri = self.base.uri(target.map_or("/", PathAndQuery::as_str));
        let uri = uri.map_err(defect("a URL of the Stream Manager"))?;
        let answer = self.answer(request, uri, exchange.phases()).await?;
        let mut response = answer.map(body::incoming);
        strip_hop_by_hop(response.headers_mut());
        self.relocate(response.headers_mut());
        if names_nodes && response.status() == StatusCode::OK {
            response = self.learn(response).await?;
        }
        Ok(response)
    }

    async fn answer(
        &self,
        mut request: Request<RequestBody>,
        uri: Uri,
        phases: &Phases,
    ) -> Result<Response<Incoming>, Error> {
        // It may have come over HTTP/2.
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.base.host().clone());
        let client = self.clients.current().await;
        let (timer, began) = (request.body_mut().timed(), Instant::now());
        let answer = tokio::select! {
            answer = client.request(request) => answer,
            () = timer.expired(self.patience) => {
                return Err(Error::Manager(ManagerFault::Timeout(self.patience)));
            }
        };
        let waited = Phase::since(began);
        match &answer {
            Ok(_) => phases.first_byte(waited),
            Err(error) if error.is_connect() => phases.connect(waited),
            Err(_) => {}
        }
        answer.map_err(|error| blame(&error, waited.took))
    }

    /// A redirect to the manager's own address would lead clients past us: only its path is kept.
    fn relocate(&self, headers: &mut HeaderMap) {
        let location = headers.get(LOCATION);
        let path = location
            .and_then(|location| self.base.at_clients(location.to_str().ok()?))
            .and_then(|path| HeaderValue::from_str(&path).ok());
        if let Some(path) = path {
            headers.insert(LOCATION, path);
        }
    }

    /// Dials for a WebSocket.
    ///
    /// # Errors
    /// See [`Clients::dial`].
    pub(crate) async fn dial(&self) -> Result<(Connection, Option<SocketAddr>), BoxError> {
        self.clients.dial().await
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Longest wait for the header of an answer.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// What it answered to the handshake of a WebSocket, which is not 101.
    pub(crate) fn not_switched(&self, answer: Response<Incoming>) -> Result<Response<Body>, Error> {
        let status = answer.status();
        // A client of RFC 8441 would take a 200 for a WebSocket.
        if status.is_success() || status.is_informational() {
            return Err(Error::ManagerHandshake("its status is not 101"));
        }
        let mut answer = answer.map(body::incoming);
        strip_hop_by_hop(answer.headers_mut());
        self.relocate(answer.headers_mut());
        Ok(answer)
    }

    /// Learns from all of an answer, which passes as it came.
    fn read(&self, headers: &HeaderMap, whole: &[u8]) {
        let coding = coding::of(headers);
        if coding == Coding::None {
            stream_manager::learn(&self.allowed, whole);
        } else if let Some(plain) = coding.decoded(whole, stream_manager::MAX_LIST) {
            stream_manager::learn(&self.allowed, &plain);
        } else {
            debug!(
                ?coding,
                "answer of the Stream Manager not read: content coding unknown or broken"
            );
        }
    }

    async fn learn(&self, response: Response<Body>) -> Result<Response<Body>, Error> {
        let (parts, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        let reading = body::read_up_to(stream_manager::MAX_LIST, &mut body, &mut read);
        let began = Instant::now();
        let collected = tokio::time::timeout(self.patience, reading).await;
        match collected {
            Ok(Ok(true)) => {
                let whole = read.freeze();
                self.read(&parts.headers, &whole);
                Ok(Response::from_parts(parts, body::full(whole)))
            }
            // Longer than an answer of the event API: it passes, and no node is learned.
            Ok(Ok(false)) => Ok(Response::from_parts(
                parts,
                body::resumed(read.freeze(), body),
            )),
            Ok(Err(error)) => {
                let cause = Cause::of(&error, began.elapsed());
                Err(Error::Manager(ManagerFault::Unreachable(cause)))
            }
            Err(_) => Err(Error::Manager(ManagerFault::Timeout(self.patience))),
        }
    }
}

/// What failed: an error of the request's body is the cause of hyper's error, which is the cause of
/// the client's. `waited` is for the log.
fn blame(error: &legacy::Error, waited: Duration) -> Error {
    let body = error
        .source()
        .and_then(|hyper| hyper.source())
        .and_then(|cause| cause.downcast_ref::<BodyError>());
    if let Some(body) = body {
        return body.clone().into();
    }
    debug!(
        error = error as &dyn std::error::Error,
        "no answer of the Stream Manager"
    );
    Error::Manager(ManagerFault::Unreachable(Cause::of(error, waited)))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_util::task::TaskTracker;
    use whipstitch_origin::{Claim, Metrics, Resolver, config::Nodes};

    use bytes::Bytes;
    use http_body_util::BodyExt;

    use super::*;

    /// A manager that answers one request with this body.
    async fn answer(body: String, names_nodes: bool) -> (Arc<AllowedOrigins>, Bytes) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let allowed = Arc::new(AllowedOrigins::new(&Nodes::default(), Metrics::default()));
        let address = ManagerAddress::new(base, Resolver::system(TaskTracker::new()));
        let manager = Manager::new(address, allowed.clone(), &Timeouts::default()).unwrap();
        let exchange = Exchange::begin(&HeaderMap::new(), None);
        let request = Request::get("/streammanager/api/4.0/event/live/s1")
            .body(RequestBody::default())
            .unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(body.as_bytes()).await.unwrap();
            socket
        };
        let read = async {
            let response = manager.send(request, names_nodes, &exchange).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let (read, _socket) = tokio::join!(read, serve);
        (allowed, read)
    }

    const NODE: &str = r#"{"name":"s1","serverAddress":"10.0.0.7"}"#;

    #[tokio::test]
    async fn a_node_that_the_manager_names_to_a_client_may_be_dialled() {
        let (allowed, read) = answer(NODE.to_owned(), true).await;
        assert_eq!(read, NODE);
        assert!(allowed.admit(Claim::client("10.0.0.7")).await.is_ok());
        assert!(allowed.admit(Claim::client("10.0.0.8")).await.is_err());
    }

    #[tokio::test]
    async fn other_answers_name_nobody() {
        let (allowed, read) = answer(NODE.to_owned(), false).await;
        assert_eq!(read, NODE);
        assert!(allowed.admit(Claim::client("10.0.0.7")).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_passes_whole_and_names_nobody() {
        let long = format!("{NODE}{}", " ".repeat(3_000_000));
        let (allowed, read) = answer(long.clone(), true).await;
        assert_eq!(read, long);
        assert!(allowed.admit(Claim::client("10.0.0.7")).await.is_err());
    }
}
