//! The Stream Manager as the proxy sees it: the page's files and the demo's own calls are answered
//! here, and everything else by the real manager behind it.
//!
//! So the page has the origin of the proxy, with any manager, and the proxy needs no code for the
//! demo. It listens on loopback only.

mod live;
mod nodes;
mod qr;
mod same_origin;
mod state;
mod upstream;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whipstitch_minicluster::Page;

pub use self::upstream::Silent;
pub(crate) use self::{
    nodes::Nodes,
    state::{Facts, State},
    upstream::Upstream,
};

/// Most connections at once; only the proxy connects.
const CONNECTIONS: usize = 512;
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// After a failed accept, most likely for want of descriptors, an immediate retry would spin.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What the demo's own calls begin with.
const CALLS: &str = "/demo/";

type Reply = Response<Full<Bytes>>;

/// What a request is answered from.
pub(crate) struct Front {
    pub(crate) files: Vec<Page>,
    pub(crate) state: State,
    pub(crate) upstream: Arc<Upstream>,
}

impl Front {
    /// Listens on a free port, and serves until `stop`.
    ///
    /// # Errors
    /// That of binding the port.
    pub(crate) async fn start(
        self: Arc<Self>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tasks.spawn(self.accept(listener, tasks.clone(), stop));
        Ok(address)
    }

    async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else {
                return;
            };
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = stream else {
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            };
            let (front, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move {
                let _ = stop.run_until_cancelled(front.serve(stream)).await;
                drop(permit);
            });
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let front = self.clone();
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_WITHIN)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of the proxy ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Either<Full<Bytes>, Incoming>> {
        let path = request.uri().path();
        if let Some(call) = path.strip_prefix(CALLS) {
            return self.call(call, &request).await.map(Either::Left);
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let file = self.files.iter().find(|file| file.path == path);
        match file.filter(|_| reads) {
            Some(file) => bytes(file.content_type, file.body).map(Either::Left),
            None => match self.upstream.pass(request).await {
                Ok(answer) => answer.map(Either::Right),
                Err(cause) => {
                    let words = format!("The Stream Manager does not answer: {cause}.");
                    text(StatusCode::BAD_GATEWAY, words).map(Either::Left)
                }
            },
        }
    }

    async fn call(&self, call: &str, request: &Request<Incoming>) -> Reply {
        match (request.method(), call.split_once('/')) {
            (&Method::GET, None) if call == "state" => self.state.show(&self.upstream).await,
            (&Method::GET, None) if call == "qr.svg" => qr::picture(request.uri().query()),
            (&Method::POST, Some(("nodes", change))) => {
                if same_origin::is(request.headers()) {
                    self.state.nodes.change(change).await
                } else {
                    text(
                        StatusCode::FORBIDDEN,
                        "Only the demo's own page may do this.",
                    )
                }
            }
            _ => text(StatusCode::NOT_FOUND, "No such call."),
        }
    }
}

fn bytes(content_type: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    let headers = reply.headers_mut();
    if let Ok(value) = content_type.parse() {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-cache"));
    reply
}

fn text(status: StatusCode, words: impl Into<String>) -> Reply {
    let mut reply = bytes("text/plain; charset=utf-8", words.into());
    *reply.status_mut() = status;
    reply
}
