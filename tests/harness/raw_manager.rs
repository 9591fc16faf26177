//! A Stream Manager whose answers the test chooses: it answers every lookup with the JSON body that
//! the test gives.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Target and `X-Forwarded-For` of a lookup.
pub type Lookup = (String, Option<String>);

/// A manager on a free port of loopback, until it is dropped.
pub struct RawManager {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Lookup>>>,
    _serving: JoinSet<()>,
}

impl RawManager {
    /// Answers every GET with 200 and the result of `body`, which gets the target and
    /// `X-Forwarded-For`.
    pub async fn start(
        body: impl Fn(&str, Option<&str>) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, body) = (Arc::<Mutex<Vec<Lookup>>>::default(), Arc::new(body));
        let keeps = asked.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (keeps, body) = (keeps.clone(), body.clone());
                connections.spawn(serve(socket, move |head| answer(head, &keeps, &*body)));
            }
        });
        Self {
            address,
            asked,
            _serving: serving,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The lookups since the last call, without the proxy's own probes.
    pub fn asked(&self) -> Vec<Lookup> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn serve(mut socket: TcpStream, answer: impl Fn(&str) -> String) {
    let mut read = Vec::new();
    loop {
        while let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            let answer = answer(&head);
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

fn answer(
    head: &str,
    asked: &Mutex<Vec<Lookup>>,
    body: &dyn Fn(&str, Option<&str>) -> String,
) -> String {
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let clients: Vec<&str> = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"))
        .map(|(_, value)| value)
        .collect();
    let client = (!clients.is_empty()).then(|| clients.join("; "));
    let body = body(&target, client.as_deref());
    if !target.contains("whipstitch-probe") {
        asked.lock().unwrap().push((target, client));
    }
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
