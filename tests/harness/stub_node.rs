//! A node that accepts every request and keeps no state, so that tests can have thousands of
//! sessions without media.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{Method, Request, Response, StatusCode, header::LOCATION};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use whipstitch::config::Config;
use whipstitch_minicluster::Lie;

use crate::{Deployment, Proxy};

/// Connections over which sessions are created concurrently.
const CONNECTIONS: usize = 8;

/// A running node; ends when dropped.
pub struct StubNode {
    addr: SocketAddr,
    ended: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl StubNode {
    /// Listens on a free port of this loopback address.
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    pub async fn start(last: u8) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).await;
        let listener = listener.unwrap();
        let addr = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let count = count.clone();
                connections.spawn(async move {
                    let answer = service_fn(|request| answer(request, &count));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Self {
            addr,
            ended,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// A proxy in front of this node and of no other.
    pub fn proxy(&self, deployment: &Deployment) -> Proxy {
        deployment.proxy_with(self.config(deployment))
    }

    /// The configuration of that proxy.
    pub fn config(&self, deployment: &Deployment) -> Config {
        let mut config = deployment.config();
        config.nodes.port = self.addr.port();
        config.nodes.allow = vec![self.addr.ip().into()];
        let here = Lie::ServerAddress(self.addr.ip().to_string());
        deployment.cluster.manager().lie(here);
        config
    }

    /// Number of sessions that were deleted.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

async fn answer(
    request: Request<Incoming>,
    ended: &AtomicUsize,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (asked, body) = request.into_parts();
    let _ = body.collect().await;
    let mut response = Response::new(Full::default());
    match asked.method {
        Method::POST => {
            *response.status_mut() = StatusCode::CREATED;
            let place = asked.uri.to_string().replace("/endpoint/", "/resource/");
            let headers = response.headers_mut();
            headers.insert(LOCATION, place.parse().unwrap());
        }
        Method::DELETE => {
            ended.fetch_add(1, Ordering::Relaxed);
        }
        _ => {}
    }
    Ok(response)
}

/// Creates a session at each of these endpoints, over a few connections, as a load balancer does.
///
/// # Panics
/// An endpoint refuses.
pub async fn create_sessions(proxy: &Proxy, endpoints: &[String]) {
    let share = endpoints.len().div_ceil(CONNECTIONS).max(1);
    let made = endpoints.chunks(share).map(|share| async move {
        let mut connection = proxy.plain.keep().await;
        for endpoint in share {
            let request = Request::post(endpoint).header("content-type", "application/sdp");
            let made = connection.send(request.body("v=0\r\n").unwrap()).await;
            if made.status != StatusCode::CREATED {
                return Err(format!("{endpoint}: {}", made.text()));
            }
        }
        Ok(())
    });
    try_join_all(made).await.unwrap();
}
