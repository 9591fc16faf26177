use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    time::advance,
};

use super::*;

/// A connection that waits for a request, and the node's end of it.
#[expect(
    clippy::disallowed_methods,
    reason = "no shutdown to wait for in a test"
)]
async fn connection() -> (Connection, DuplexStream) {
    let (ours, nodes) = duplex(1024);
    let (mut send, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap();
    (send, nodes)
}

/// Whether the proxy has closed it: then there is nothing to read, and never will be.
async fn is_closed(mut nodes: DuplexStream) -> bool {
    nodes.read(&mut [0]).await.unwrap() == 0
}

fn node(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

#[tokio::test]
async fn the_last_one_that_is_free_comes_first() {
    let pool = Pool::default();
    let (first, firsts) = connection().await;
    let (second, seconds) = connection().await;
    let (mut busy, _busys) = connection().await;
    let _unanswered = busy.send_request(Request::new(Full::default()));
    for connection in [first, second, busy] {
        pool.put(node(1), connection);
    }
    assert!(pool.take(node(2)).is_none());
    drop(pool.take(node(1)).unwrap());
    assert!(is_closed(seconds).await);
    drop(pool.take(node(1)).unwrap());
    assert!(is_closed(firsts).await);
    assert!(pool.take(node(1)).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_too_long_is_not_used_and_dropped_by_itself() {
    let pool = Pool::default();
    let (connection, nodes) = connection().await;
    pool.put(node(1), connection);
    advance(POOL_IDLE.mul_f32(0.9)).await;
    let connection = pool.take(node(1)).unwrap();
    pool.put(node(1), connection);
    advance(POOL_IDLE).await;
    assert!(pool.take(node(1)).is_none());
    assert!(is_closed(nodes).await);
    assert!(!pool.lock().is_swept && pool.lock().idle.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_task_that_drops_the_old_ends_with_the_pool() {
    let pool = Pool::default();
    pool.put(node(1), connection().await.0);
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    drop(pool);
    sleep(POOL_IDLE * 2).await;
    assert_eq!(before - tasks.num_alive_tasks(), 2, "and the connection's");
}

#[tokio::test]
async fn it_is_bounded_for_each_node_and_in_all() {
    let pool = Pool::default();
    let (oldest, oldests) = connection().await;
    pool.put(node(0), oldest);
    for _ in 0..POOL_SIZE {
        pool.put(node(0), connection().await.0);
    }
    assert!(is_closed(oldests).await);
    assert_eq!(pool.lock().idle[&node(0)].len(), POOL_SIZE);
    for port in 1..=u16::try_from(MAX_NODES).unwrap() {
        pool.put(node(port), connection().await.0);
    }
    assert_eq!(pool.lock().idle.len(), MAX_NODES);
}
