//! A plain load balancer: each new TCP connection goes to the next replica.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

/// A running balancer; ends when dropped.
pub struct RoundRobin {
    addr: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl RoundRobin {
    /// Listens on a free port.
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    pub async fn start(replicas: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for replica in replicas.into_iter().cycle() {
                let (mut client, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(replica).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self {
            addr,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Where.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
