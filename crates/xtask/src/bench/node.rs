//! What the targets talk to: a Stream Manager and a node in one process, quick and always right.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, LOCATION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;

use super::{frame, wire};
use crate::Result;

/// Start of the manager's lookup API.
const EVENT: &str = "/streammanager/api/4.0/event/";

/// Serves both on ports that it prints, `MANAGER NODE`, until it is ended.
pub(crate) fn serve() -> Result {
    super::runtime()?.block_on(async {
        let manager = TcpListener::bind(("127.0.0.1", 0)).await?;
        let node = TcpListener::bind((wire::NODE, 0)).await?;
        let ports = (manager.local_addr()?.port(), node.local_addr()?.port());
        println!("{} {}", ports.0, ports.1);
        std::io::stdout().flush()?;
        let tasks = TaskTracker::new();
        tokio::try_join!(accept(manager, &tasks), accept(node, &tasks))?;
        Ok(())
    })
}

async fn accept(listener: TcpListener, tasks: &TaskTracker) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let of_sockets = tasks.clone();
        let service = service_fn(move |request| {
            let answer = answer(request, of_sockets.clone());
            async { Ok::<_, Infallible>(answer.await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A target that closes in the middle is its own affair: the generator notices.
        tasks.spawn(async { drop(connection.with_upgrades().await) });
    }
}

async fn answer(request: Request<Incoming>, tasks: TaskTracker) -> Response<Full<Bytes>> {
    if request.headers().contains_key(UPGRADE) {
        return upgraded(request, &tasks);
    }
    if let Some(stream) = request.uri().path().strip_prefix(EVENT) {
        return typed("application/json", lookup(stream));
    }
    match *request.method() {
        Method::GET => typed("text/html", wire::BODY.as_str().into()),
        Method::POST => whip(request).await,
        Method::PATCH => {
            let length = request.into_body().collect().await;
            status(length.map_or(StatusCode::BAD_REQUEST, |_| StatusCode::NO_CONTENT))
        }
        Method::DELETE => status(StatusCode::OK),
        Method::OPTIONS => status(StatusCode::NO_CONTENT),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The manager's word on where a stream is: always our one node.
fn lookup(stream: &str) -> Bytes {
    let (scope, name) = stream.rsplit_once('/').unwrap_or(("", stream));
    let node = wire::NODE;
    format!(r#"{{"name":"{name}","scope":"/{scope}","serverAddress":"{node}","region":"bench"}}"#)
        .into()
}

async fn whip(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let length = body.collect().await.map(|body| body.to_bytes().len());
    if !matches!(length, Ok(wire::OFFER_LENGTH)) {
        return status(StatusCode::BAD_REQUEST);
    }
    let resource = head.uri.path().replace("/endpoint/", "/resource/");
    let mut response = typed("application/sdp", wire::ANSWER.as_str().into());
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(resource) = HeaderValue::try_from(resource) {
        response.headers_mut().insert(LOCATION, resource);
    }
    response
}

fn upgraded(mut request: Request<Incoming>, tasks: &TaskTracker) -> Response<Full<Bytes>> {
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let accept = key.map(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())));
    let Some(Ok(accept)) = accept else {
        return status(StatusCode::BAD_REQUEST);
    };
    let socket = hyper::upgrade::on(&mut request);
    tasks.spawn(async {
        if let Ok(socket) = socket.await {
            drop(echo(TokioIo::new(socket)).await);
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

async fn echo(mut socket: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    let mut inbox = BytesMut::with_capacity(512);
    loop {
        while let Some(found) = frame::front(&inbox) {
            inbox.advance(found.taken);
            let reply = frame::from_node(found.opcode, &found.payload);
            socket.write_all(&reply).await?;
            if found.opcode == frame::CLOSE {
                return socket.shutdown().await;
            }
        }
        if inbox.capacity() - inbox.len() < 512 {
            inbox.reserve(32 * 1024);
        }
        if socket.read_buf(&mut inbox).await? == 0 {
            return Ok(());
        }
    }
}

fn typed(kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
