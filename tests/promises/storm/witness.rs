//! The Stream Manager and the node of the storm: a socket that parses strictly, remembers the first
//! broken promise, and answers each request with its own target.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::strict::{self, Request};

/// The fields that a lookup may have.
const LOOKUP: &[&str] = &["accept-encoding", "host", "accept", "x-forwarded-for"];

/// A listening server; it ends when dropped.
pub(super) struct Witness {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _serving: JoinSet<()>,
}

/// What came, together.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Requests that kept every promise.
    pub(super) good: usize,
    /// The first broken promise, with the bytes that broke it.
    pub(super) broken: Option<String>,
}

impl Witness {
    /// On a free port of this address.
    pub(super) async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let writes = seen.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, writes.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            seen,
            _serving: serving,
        }
    }

    /// What came so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, seen: Arc<Mutex<Seen>>) {
    let mut read = Vec::new();
    loop {
        match strict::request(&read).and_then(checked) {
            Err(reason) => {
                let bytes = String::from_utf8_lossy(&read);
                let mut seen = seen.lock().unwrap();
                seen.broken
                    .get_or_insert_with(|| format!("{reason}: {bytes:?}"));
                return;
            }
            Ok(Some((request, length))) => {
                seen.lock().unwrap().good += 1;
                read.drain(..length);
                let (answer, goes_on) = answer(&request);
                if socket.write_all(answer.as_bytes()).await.is_err() || !goes_on {
                    return;
                }
            }
            Ok(None) => {
                if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
                    return;
                }
            }
        }
    }
}

/// The two fields that are ours on every request of a client.
fn checked(parsed: Option<(Request, usize)>) -> Result<Option<(Request, usize)>, String> {
    if let Some((request, _)) = &parsed {
        let ids: Vec<_> = request.all("x-request-id").collect();
        let clients: Vec<_> = request.all("x-forwarded-for").collect();
        let is_ours = ids.len() == 1 && !ids[0].is_empty() && clients == ["127.0.0.1"];
        // A lookup is the proxy's own: all who wait for it share it, and their network at most.
        let is_lookup = request.has_only(LOOKUP) && clients.iter().all(|ip| *ip == "127.0.0.1");
        if !is_ours && !is_lookup {
            return Err(format!(
                "x-request-id: {ids:?}, x-forwarded-for: {clients:?}"
            ));
        }
    }
    Ok(parsed)
}

/// The answer, and whether HTTP continues after it.
fn answer(request: &Request) -> (String, bool) {
    if let Some(key) = request.all("sec-websocket-key").next() {
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        return (answer, false);
    }
    let target = &request.target;
    let (status, kind, body) = if let Some(stream) = stream(target) {
        let node = r#""serverAddress":"127.0.0.2","region":"r""#;
        let body = format!(r#"{{"name":"{stream}","scope":"/live",{node}}}"#);
        ("200 OK", "application/json", body)
    } else if request.method == "POST" && target.starts_with("/live/wh") {
        let location = "201 Created\r\nLocation: /live/whip/resource/s1";
        (location, "application/sdp", target.clone())
    } else {
        ("200 OK", "text/plain", target.clone())
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n");
    let body = if request.method == "HEAD" { "" } else { &*body };
    (format!("{head}\r\n{body}"), true)
}

/// The stream that a lookup asks for.
fn stream(target: &str) -> Option<&str> {
    let rest = target.strip_prefix("/streammanager/api/4.0/event/live/")?;
    let name = rest.split('?').next()?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain && rest.contains("action=")).then_some(name)
}
