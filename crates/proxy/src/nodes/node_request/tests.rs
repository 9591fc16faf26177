use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{future::BoxFuture, poll};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
};
use whipstitch_origin::{
    AllowedOrigins, Asker, Candidates, Claim, Directory, Lookup, LookupError, Metrics, Outcome,
    Purpose, config,
};
use whipstitch_signaling::StreamKey;

use super::*;
use crate::words::config::Timeouts;

/// Counts the new connections.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Directory for Counting {
    fn locate<'a>(
        &'a self,
        _: &'a Lookup,
        _: Asker,
        _: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async { Err(LookupError::NotFound(None)) })
    }

    fn forget(&self, _: &Lookup) {}
    fn ended(&self, _: &StreamKey) {}
    fn published(&self, _: &StreamKey) {}
    fn report(&self, _: &Origin, _: Outcome) {}

    fn connected(&self, _: std::net::SocketAddr, _: Duration) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A node that does what the test says, and its client.
struct Node {
    listener: TcpListener,
    origin: Origin,
    counting: Arc<Counting>,
    client: NodeClient,
    phases: Phases,
}

impl Node {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let nodes = config::Nodes {
            port: address.port(),
            allow: vec![address.ip().into()],
            ..config::Nodes::default()
        };
        let gate = AllowedOrigins::new(&nodes, Metrics::default());
        let origin = gate.admit(Claim::Manager("127.0.0.1")).await.unwrap();
        let counting = Arc::new(Counting::default());
        let client = NodeClient::new(&Timeouts::default(), counting.clone());
        Self {
            listener,
            origin,
            counting,
            client,
            phases: Phases::default(),
        }
    }

    fn connections(&self) -> usize {
        self.counting.0.load(Ordering::Relaxed)
    }

    fn post(&self) -> NodeRequest<'_> {
        let request = Request::post("/live/whip/endpoint/s1?a=b").body("v=0".into());
        NodeRequest::new(&self.client, &self.origin, request.unwrap()).unwrap_or_else(|_| panic!())
    }

    /// Sends a `POST`, which the node takes over `socket`, or over a new connection; the answer,
    /// and the socket.
    async fn serve(
        &self,
        socket: Option<TcpStream>,
        answer: &str,
    ) -> (Result<Response<Incoming>, Failed>, TcpStream) {
        let mut budget = Budget::new(SECOND * 6, SECOND);
        let mut sent = self.post();
        let node = async {
            let mut socket = match socket {
                Some(socket) => socket,
                None => self.listener.accept().await.unwrap().0,
            };
            assert_eq!(request(&mut socket).await, wanted(&self.origin));
            socket.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                socket.shutdown().await.unwrap();
            }
            socket
        };
        tokio::join!(sent.answered(&mut budget, &self.phases), node)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn wanted(origin: &Origin) -> String {
    let host = origin.authority();
    format!(
        "POST /live/whip/endpoint/s1?a=b HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\n\r\nv=0"
    )
}

async fn request(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"v=0") {
        assert!(socket.read_buf(&mut read).await.unwrap() > 0);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let node = Node::start().await;
    let (answer, socket) = node.serve(None, OK).await;
    assert!(answer.is_ok());
    let times = node.phases.times();
    assert!(times.connect.is_some() && times.first_byte.is_some());
    node.phases.next_try();
    let (answer, _socket) = node.serve(Some(socket), OK).await;
    assert!(answer.is_ok());
    let times = node.phases.times();
    assert!(times.connect.is_none() && times.first_byte.is_some());
    assert_eq!(node.connections(), 1);
}

#[tokio::test]
async fn what_an_idle_connection_gives_back_goes_over_a_new_one() {
    let node = Node::start().await;
    let (ours, _nodes) = duplex(1024);
    let (sender, idle) = http1::handshake(TokioIo::new(ours)).await.unwrap();
    let mut idle = Box::pin(idle);
    assert!(poll!(&mut idle).is_pending());
    node.client.pool.put(node.origin.addr(), sender);
    let mut budget = Budget::new(SECOND * 6, SECOND);
    let mut sent = node.post();
    let mut answered = Box::pin(sent.answered(&mut budget, &node.phases));
    assert!(poll!(&mut answered).is_pending());
    // It had not been taken out of hyper's queue.
    drop(idle);
    let serve = async {
        let (mut socket, _) = node.listener.accept().await.unwrap();
        assert_eq!(request(&mut socket).await, wanted(&node.origin));
        socket.write_all(OK.as_bytes()).await.unwrap();
        socket
    };
    let (answer, _socket) = tokio::join!(answered, serve);
    assert!(answer.is_ok() && node.connections() == 1);
}

#[tokio::test]
async fn what_a_node_has_taken_is_not_sent_again() {
    let node = Node::start().await;
    let (answer, socket) = node.serve(None, OK).await;
    assert!(answer.is_ok());
    let (answer, _socket) = node.serve(Some(socket), "").await;
    assert!(matches!(answer, Err(Failed::Broken(Cause::Closed))));
    assert_eq!(node.connections(), 1);
    // Nor is that connection used again.
    let (answer, _socket) = node.serve(None, OK).await;
    assert!(answer.is_ok() && node.connections() == 2);
}

#[tokio::test]
async fn an_answer_can_still_come_once_a_connection_has_the_request() {
    let node = Node::start().await;
    let mut budget = Budget::new(SECOND * 6, SECOND);
    let mut sent = node.post();
    // It still connects.
    assert!(poll!(Box::pin(sent.answered(&mut budget, &node.phases))).is_pending());
    assert!(sent.left_alone().is_none());

    let node = Node::start().await;
    let mut sent = node.post();
    let client = async {
        tokio::select! {
            _ = sent.answered(&mut budget, &node.phases) => None,
            came = async {
                let (mut socket, _) = node.listener.accept().await.unwrap();
                request(&mut socket).await;
                Some(socket)
            } => came,
        }
    };
    let mut socket = client.await.unwrap();
    let late = sent.left_alone().unwrap();
    socket.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(late.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_that_is_answered_before_it_has_sent_all_is_not_used_again() {
    let node = Node::start().await;
    let mut budget = Budget::new(SECOND * 6, SECOND);
    // More than the sockets hold.
    let request = Request::post("/live/whip/endpoint/s1").body(vec![b'a'; 16 << 20].into());
    let sent = NodeRequest::new(&node.client, &node.origin, request.unwrap());
    let mut sent = sent.unwrap_or_else(|_| panic!());
    let refuse = async {
        let (mut socket, _) = node.listener.accept().await.unwrap();
        assert!(socket.read(&mut [0; 16]).await.unwrap() > 0);
        socket.write_all(OK.as_bytes()).await.unwrap();
        socket
    };
    let (answer, _socket) = tokio::join!(sent.answered(&mut budget, &node.phases), refuse);
    assert!(answer.is_ok());
    assert!(node.client.pool.take(node.origin.addr()).is_none());
    let (answer, _socket) = node.serve(None, OK).await;
    assert!(answer.is_ok() && node.connections() == 2);
}

#[tokio::test]
async fn a_connection_sends_at_once_and_notices_a_node_without_power() {
    let node = Node::start().await;
    let mut budget = Budget::new(SECOND * 6, SECOND);
    let dialled = node.client.dial(&node.origin, &mut budget, &node.phases);
    let socket = dialled.await.unwrap_or_else(|_| panic!()).into_inner();
    let socket = SockRef::from(&socket);
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    let unheard = socket.tcp_keepalive_time().unwrap()
        + socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
    let unacknowledged = socket.tcp_user_timeout().unwrap().unwrap();
    assert!(unheard.max(unacknowledged) <= SECOND * 60);
}
