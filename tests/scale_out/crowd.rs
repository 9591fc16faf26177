//! Publishers that come and go, each request over a connection of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::{Client, Reply, http::path_of};

/// Publishers at once.
const AT_ONCE: usize = 16;
/// Sessions that each keeps open: they begin at one replica and end at another.
const OPEN: usize = 12;
/// Pause of each, so that their requests meet the restarts at many moments.
const PAUSE: Duration = Duration::from_millis(100);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const FRAGMENT: &str = "a=ice-ufrag:x\r\na=end-of-candidates\r\n";

/// The results of the requests, by method and status.
pub(crate) type Tally = BTreeMap<(&'static str, u16), usize>;

/// All publishers. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Crowd(Arc<Inner>);

struct Inner {
    client: Client,
    offer: String,
    names: AtomicUsize,
    tally: Mutex<Tally>,
}

/// A publisher whose media is at its node.
pub(crate) struct Star {
    publisher: Publisher,
    session: String,
}

impl Crowd {
    pub(crate) fn new(client: Client, offer: String) -> Self {
        Self(Arc::new(Inner {
            client,
            offer,
            names: AtomicUsize::new(0),
            tally: Mutex::default(),
        }))
    }

    /// A publisher whose media reaches the node continuously.
    pub(crate) async fn star(&self) -> Star {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let (session, answer) = self.publish(offer).await.expect("a session");
        publisher.answer(&answer).await.unwrap();
        publisher.wait_connected(CONNECT_WITHIN).await.unwrap();
        Star { publisher, session }
    }

    /// Deletes it; a node accepts that only if media arrived all the time.
    pub(crate) async fn retire(&self, star: Star) {
        self.delete(&star.session).await;
        drop(star.publisher);
    }

    /// Creates and deletes sessions until `event` completes and there were enough of them; returns
    /// its output, and the number of sessions.
    pub(crate) async fn come_and_go_during<E: Future>(
        &self,
        event: E,
        least: usize,
    ) -> (E::Output, usize) {
        let over = CancellationToken::new();
        let publishers: JoinSet<usize> = (0..AT_ONCE)
            .map(|_| self.clone().come_and_go(over.clone(), least / AT_ONCE + 1))
            .collect();
        let event = async {
            let output = event.await;
            over.cancel();
            output
        };
        let (output, counts) = tokio::join!(event, publishers.join_all());
        (output, counts.into_iter().sum())
    }

    async fn come_and_go(self, over: CancellationToken, least: usize) -> usize {
        let (mut open, mut count) = (VecDeque::new(), 0);
        while count < least || !over.is_cancelled() {
            open.extend(self.publish(self.0.offer.clone()).await);
            count += 1;
            if open.len() > OPEN {
                self.end_oldest(&mut open).await;
            }
            sleep(PAUSE).await;
        }
        while !open.is_empty() {
            self.end_oldest(&mut open).await;
        }
        count
    }

    async fn end_oldest(&self, open: &mut VecDeque<(String, String)>) {
        if let Some((session, _)) = open.pop_front() {
            self.delete(&session).await;
        }
    }

    /// The results of all requests so far.
    pub(crate) fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap().clone()
    }

    /// POST and PATCH; the session's URL and the node's answer if there is one.
    async fn publish(&self, offer: String) -> Option<(String, String)> {
        let name = self.0.names.fetch_add(1, Ordering::Relaxed);
        let endpoint = format!("/live/whip/endpoint/s{name}");
        let created = Request::post(endpoint).header("content-type", "application/sdp");
        let created = self.ask("POST", created.body(offer).unwrap()).await;
        let session = (created.status == 201).then(|| path_of(created.header("location")))?;
        let trickle =
            Request::patch(&session).header("content-type", "application/trickle-ice-sdpfrag");
        self.ask("PATCH", trickle.body(FRAGMENT.to_owned()).unwrap())
            .await;
        Some((session, created.text()))
    }

    async fn delete(&self, session: &str) {
        let request = Request::delete(session).body(String::new()).unwrap();
        self.ask("DELETE", request).await;
    }

    async fn ask(&self, method: &'static str, request: Request<String>) -> Reply {
        let reply = self.0.client.send(request).await;
        let status = reply.status.as_u16();
        if !reply.status.is_success() {
            println!("{method}: {status} {}", reply.text());
        }
        *self
            .0
            .tally
            .lock()
            .unwrap()
            .entry((method, status))
            .or_default() += 1;
        reply
    }
}
