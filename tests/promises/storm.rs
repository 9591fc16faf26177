//! A storm of changed exchanges through the real proxy over real sockets, with two invariants that
//! need no oracle: what reaches the Stream Manager or a node parses strictly, and carries exactly
//! one `X-Request-Id` and one `X-Forwarded-For` of ours. And no client gets another one's answer.
//!
//! `STORM_EXCHANGES` and `STORM_SEED` choose another number and other exchanges.

mod exchange;
mod over_h2;
mod strict;
mod witness;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};
use whipstitch_tests::{Client, Deployment, deployment::SOON, dice::Dice};

use witness::Witness;

/// Connections at a time.
const CLIENTS: u64 = 12;
/// Exchanges that a client writes at once; those behind the end of a connection are not counted.
const BATCH: usize = 6;
/// The last request of a connection.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn chosen(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_strict_and_ours() {
    let (count, seed) = (chosen("STORM_EXCHANGES", 10_000), chosen("STORM_SEED", 1));
    let manager = Witness::start("127.0.0.1:0").await;
    let node = Witness::start("127.0.0.2:0").await;
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.address).parse().unwrap());
    config.nodes.port = node.address.port();
    config.nodes.allow = vec![node.address.ip().into()];
    config.connections.header_timeout = Duration::from_millis(300);
    config.timeouts.body = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);

    let done = Arc::new(AtomicUsize::new(0));
    let count = usize::try_from(count).unwrap();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let sends = match client % 3 {
            0 => proxy.h1.clone(),
            _ => proxy.plain.clone(),
        };
        clients.spawn(
            Storm {
                client,
                dice: Dice(seed + (client << 40)),
                sends,
                h2: proxy.h2.clone(),
                victim: proxy.plain.clone(),
                most: count,
                done: done.clone(),
            }
            .rage(),
        );
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    for (name, witness) in [("manager", &manager), ("node", &node)] {
        let requests = witness.seen();
        assert_eq!(requests.broken, None, "seed {seed}: at the {name}");
        println!("proved: {} requests reached the {name}", requests.good);
        // Most exchanges are refused; were all of them, nothing would be shown.
        assert!(
            requests.good > count / 20,
            "seed {seed}: {} at the {name}",
            requests.good
        );
    }
}

/// A client of the storm, and one that asks an honest question now and then.
struct Storm {
    client: u64,
    dice: Dice,
    sends: Client,
    h2: Client,
    victim: Client,
    /// How many exchanges all clients send together, and have sent.
    most: usize,
    done: Arc<AtomicUsize>,
}

impl Storm {
    /// Until enough were sent.
    async fn rage(mut self) {
        let mut round = 0;
        while self.done.load(Ordering::Relaxed) < self.most {
            round += 1;
            let name = format!("{}-{round}", self.client);
            let sent = if round % 8 == 0 {
                over_h2::storm(&mut self.dice, &self.h2, &name).await
            } else {
                self.batch(&name).await
            };
            self.done.fetch_add(sent, Ordering::Relaxed);
            let target = format!("/victim?n={name}");
            let reply = self.victim.get(&target).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (200, target));
        }
    }

    /// How many exchanges were read.
    async fn batch(&mut self, name: &str) -> usize {
        let batch: Vec<u8> = (0..BATCH)
            .flat_map(|part| exchange::exchange(&mut self.dice, &format!("{name}-{part}")))
            .chain(LAST.iter().copied())
            .collect();
        thrown(&self.sends, &batch).await.clamp(1, BATCH)
    }
}

/// Sends these bytes and reads to the end, or to the frames of a WebSocket; how many answers came.
async fn thrown(client: &Client, bytes: &[u8]) -> usize {
    let (mut io, _) = client.connect().await;
    let _ = io.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = async {
        while matches!(io.read_buf(&mut answer).await, Ok(1..)) {
            let answer = String::from_utf8_lossy(&answer);
            if answer.contains("HTTP/1.1 101 ") {
                break;
            }
        }
    };
    let read = timeout(SOON, read).await;
    let bytes = String::from_utf8_lossy(bytes);
    assert!(read.is_ok(), "no end after {bytes:?}");
    String::from_utf8_lossy(&answer)
        .matches("HTTP/1.1 ")
        .count()
}
