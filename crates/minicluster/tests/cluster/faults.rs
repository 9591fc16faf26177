//! Each fault, as a client sees it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use whipstitch_minicluster::{Cluster, Config, Fault, Lie};

use crate::client::{SOON, get, send};
use crate::media::publish;
use crate::socket::Socket;

/// What a bare TCP client gets from this address.
async fn knock(address: SocketAddr, wait: Duration) -> Result<Vec<u8>, ErrorKind> {
    let knock = move || {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(wait))?;
        stream.write_all(
            b"OPTIONS /live/whip/endpoint/s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    };
    let outcome: std::io::Result<Vec<u8>> = tokio::task::spawn_blocking(knock).await.unwrap();
    outcome.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_node_that_misbehaves() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let node = &cluster.nodes()[0];
    let url = format!("http://{}/live/whip/endpoint/s", node.address());
    let options = || send("OPTIONS", &url, "", "");
    assert!(
        knock(node.address(), SOON)
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 200")
    );

    node.fail(Fault::Refuse).await;
    assert_eq!(
        knock(node.address(), SOON).await,
        Err(ErrorKind::ConnectionRefused)
    );
    node.fail(Fault::Reset).await;
    assert_eq!(
        knock(node.address(), SOON).await,
        Err(ErrorKind::ConnectionReset)
    );
    node.fail(Fault::BlackHole).await;
    assert_eq!(
        knock(node.address(), Duration::from_millis(200)).await,
        Err(ErrorKind::WouldBlock)
    );
    node.fail(Fault::Delay(Duration::from_millis(150))).await;
    let before = Instant::now();
    assert_eq!(options().await.unwrap().status, 200);
    assert!(before.elapsed() >= Duration::from_millis(150));
    node.fail(Fault::Status(503, "busy".to_owned())).await;
    let answer = options().await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (503, "busy")
    );
    assert!(Socket::open(node, "id=s").await.is_err());
    node.fail(Fault::WrongAccept).await;
    assert_eq!(options().await.unwrap().status, 200);
    let error = Socket::open(node, "id=s").await.err().unwrap().to_string();
    assert!(error.contains("Accept"), "{error}");

    node.heal().await;
    Socket::open(node, "id=s").await.unwrap();
    // The other node is not affected.
    assert!(knock(cluster.nodes()[1].address(), SOON).await.is_ok());
    cluster.shutdown().await;
}

/// Else a request over an idle connection would be recorded after the fault has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_refuses_has_closed_its_connections() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let node = &cluster.nodes()[0];
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        let options = b"OPTIONS /live/whip/endpoint/s HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(options).await.unwrap();
        let mut answer = [0; 8192];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        idle.push(stream.into_std().unwrap());
    }
    node.fail(Fault::Refuse).await;
    for mut stream in idle {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is open");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_node_that_dies_and_lives_again() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let node = &cluster.nodes()[0];
    let publisher = publish(&cluster, 0, "s").await;
    publisher.wait_connected(SOON).await.unwrap();
    let mut socket = Socket::open(node, "id=t").await.unwrap();

    node.die().await;
    assert!(socket.is_cut_off().await);
    assert_eq!(
        knock(node.address(), SOON).await,
        Err(ErrorKind::ConnectionRefused)
    );
    let lookup = format!(
        "{}/streammanager/api/4.0/event/live/t?action=broadcast&endpoints=2",
        cluster.manager_url()
    );
    assert_eq!(get(&lookup).await.json().as_array().unwrap().len(), 1);

    node.revive().await.unwrap();
    assert_eq!(get(&lookup).await.json().as_array().unwrap().len(), 2);
    let again = publish(&cluster, 0, "s").await;
    again.wait_connected(SOON).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_manager_that_misbehaves() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let manager = cluster.manager();
    let lookup = format!(
        "{}/streammanager/api/4.0/event/live/s?action=broadcast",
        cluster.manager_url()
    );
    manager.fail(Fault::Refuse).await;
    assert_eq!(
        knock(manager.address(), SOON).await,
        Err(ErrorKind::ConnectionRefused)
    );
    manager.heal().await;

    manager.lie(Lie::Html);
    let answer = get(&lookup).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("<!doctype html>"));
    manager.lie(Lie::Array);
    assert!(get(&lookup).await.json()[0]["serverAddress"].is_string());
    manager.lie(Lie::ErrorMessage("no".to_owned()));
    assert_eq!(get(&lookup).await.json()["errorMessage"], "no");
    manager.lie(Lie::Huge(1 << 20));
    assert_eq!(get(&lookup).await.body.len(), 1 << 20);
    manager.lie(Lie::Garbage);
    assert!(serde_json::from_slice::<serde_json::Value>(&get(&lookup).await.body).is_err());
    manager.lie(Lie::ServerAddress("169.254.169.254".to_owned()));
    assert_eq!(
        get(&lookup).await.json()["serverAddress"],
        "169.254.169.254"
    );
    manager.heal().await;
    assert_eq!(get(&lookup).await.json()["serverAddress"], "127.0.0.2");
    cluster.shutdown().await;
}

#[tokio::test]
async fn shutdown_closes_every_listener_and_session() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let _publisher = publish(&cluster, 0, "s").await;
    let mut socket = Socket::open(&cluster.nodes()[1], "id=s").await.unwrap();
    let (manager, node) = (cluster.manager().address(), cluster.nodes()[0].address());
    cluster.nodes()[1].fail(Fault::BlackHole).await;
    tokio::time::timeout(SOON, cluster.shutdown())
        .await
        .unwrap();
    assert!(socket.is_cut_off().await);
    assert_eq!(
        knock(manager, SOON).await,
        Err(ErrorKind::ConnectionRefused)
    );
    assert_eq!(knock(node, SOON).await, Err(ErrorKind::ConnectionRefused));
}

/// Sends a lookup over a kept connection; `None` if the connection ends instead.
async fn over(connection: &mut TcpStream) -> Option<String> {
    let ask =
        b"GET /streammanager/api/4.0/event/live/s?action=broadcast HTTP/1.1\r\nhost: x\r\n\r\n";
    connection.write_all(ask).await.ok()?;
    let mut answer = vec![0; 4096];
    let length = connection.read(&mut answer).await.ok()?;
    (length > 0).then(|| String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn faults_reach_the_connections_that_clients_keep_and_heal_at_once() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let manager = cluster.manager();
    for (fault, keeps) in [
        (Fault::Refuse, false),
        (Fault::Reset, false),
        (Fault::BlackHole, false),
        (Fault::Status(500, "broken".to_owned()), true),
        (Fault::Delay(SOON * 2), true),
    ] {
        let mut kept = TcpStream::connect(manager.address()).await.unwrap();
        assert!(over(&mut kept).await.unwrap().starts_with("HTTP/1.1 200"));
        manager.fail(fault.clone()).await;
        let pending = tokio::time::timeout(Duration::from_millis(200), over(&mut kept)).await;
        match fault {
            Fault::Refuse | Fault::Reset => assert_eq!(pending, Ok(None), "{fault:?}"),
            Fault::Status(..) => assert!(pending.unwrap().unwrap().ends_with("broken")),
            _ => assert!(pending.is_err(), "{fault:?}"),
        }
        manager.heal().await;
        let mut answer = vec![0; 4096];
        match fault {
            // A hung connection is cut off, a late one continues.
            Fault::BlackHole => assert_eq!(kept.read(&mut answer).await.unwrap_or(0), 0),
            Fault::Delay(_) => assert!(kept.read(&mut answer).await.unwrap() > 0),
            _ => {}
        }
        assert_eq!(over(&mut kept).await.is_some(), keeps, "{fault:?}");
        let mut fresh = TcpStream::connect(manager.address()).await.unwrap();
        let healed = tokio::time::timeout(SOON, over(&mut fresh)).await.unwrap();
        assert!(healed.unwrap().starts_with("HTTP/1.1 200"), "{fault:?}");
    }
    cluster.shutdown().await;
}
