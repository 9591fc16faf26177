//! A page with the clients, of another origin than the proxy's.

use std::{fs, net::Ipv4Addr};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use whipstitch_tests::raw_node::read_head;

use crate::{program, programs};

const PAGE: &str = include_str!("page.html");

/// Serves the page and the packages as long as it is held.
pub(crate) struct Pages {
    port: u16,
    _serves: AbortOnDropHandle<()>,
}

impl Pages {
    pub(crate) async fn serve() -> Self {
        program("node/pinned");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serves = TaskTracker::new().spawn(async move {
            // One connection at a time is enough for one page; a browser that gives up does no
            // harm.
            while let Ok((socket, _)) = listener.accept().await {
                let _ = answer(socket).await;
            }
        });
        Self {
            port,
            _serves: AbortOnDropHandle::new(serves),
        }
    }

    /// On `localhost`, where pages may use the camera without TLS.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }
}

async fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    let head = read_head(&mut socket).await;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = match path {
        "/" => ("200 OK", "text/html", PAGE.as_bytes().to_vec()),
        "/favicon.ico" => ("204 No Content", "image/png", Vec::new()),
        _ => {
            let file = programs().join("node").join(path.trim_start_matches('/'));
            ("200 OK", "text/javascript", fs::read(file)?)
        }
    };
    let header = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(header.as_bytes()).await?;
    socket.write_all(&body).await?;
    socket.shutdown().await
}
