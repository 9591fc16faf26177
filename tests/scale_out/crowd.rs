//! Publishers that come and go, each request over a connection of its own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use whipstitch_tests::{Client, Reply, http::path_of};

/// Publishers at once.
const AT_ONCE: usize = 16;
/// What each does nothing for, so that their requests and the restarts meet at many moments.
const PAUSE: Duration = Duration::from_millis(100);
const FRAGMENT: &str = "a=ice-ufrag:x\r\na=end-of-candidates\r\n";

/// What came of the requests, by method and status.
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

impl Crowd {
    pub(crate) fn new(client: Client, offer: String) -> Self {
        Self(Arc::new(Inner {
            client,
            offer,
            names: AtomicUsize::new(0),
            tally: Mutex::default(),
        }))
    }

    /// So many sessions, made and trickled to; their URLs.
    pub(crate) async fn begin(&self, count: usize) -> Vec<String> {
        let crowd = self.clone();
        let begun = all((0..count).map(|_| ()), move |()| {
            let crowd = crowd.clone();
            async move { crowd.publish().await }
        });
        begun.await.into_iter().flatten().collect()
    }

    /// Ends these sessions.
    pub(crate) async fn end(&self, sessions: Vec<String>) {
        let crowd = self.clone();
        all(sessions.into_iter(), move |session| {
            let crowd = crowd.clone();
            async move { crowd.delete(&session).await }
        })
        .await;
    }

    /// Sessions begin and end until `event` is over: what came of it, and how many sessions there were.
    pub(crate) async fn come_and_go_during<E: Future>(&self, event: E) -> (E::Output, usize) {
        let over = CancellationToken::new();
        let publishers = all(0..AT_ONCE, |_| {
            let (crowd, over) = (self.clone(), over.clone());
            async move {
                let mut count = 0;
                while !over.is_cancelled() {
                    if let Some(session) = crowd.publish().await {
                        sleep(PAUSE).await;
                        crowd.delete(&session).await;
                    }
                    sleep(PAUSE).await;
                    count += 1;
                }
                count
            }
        });
        let event = async {
            let output = event.await;
            over.cancel();
            output
        };
        let (output, counts) = tokio::join!(event, publishers);
        (output, counts.into_iter().sum())
    }

    /// What came of all requests so far.
    pub(crate) fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap().clone()
    }

    /// POST and PATCH; the session's URL if there is one.
    async fn publish(&self) -> Option<String> {
        let name = self.0.names.fetch_add(1, Ordering::Relaxed);
        let endpoint = format!("/live/whip/endpoint/s{name}");
        let offer = self.0.offer.clone();
        let created = Request::post(endpoint).header("content-type", "application/sdp");
        let created = self.ask("POST", created.body(offer).unwrap()).await;
        let session = (created.status == 201).then(|| path_of(created.header("location")))?;
        let trickle =
            Request::patch(&session).header("content-type", "application/trickle-ice-sdpfrag");
        self.ask("PATCH", trickle.body(FRAGMENT.to_owned()).unwrap())
            .await;
        Some(session)
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

/// Does it to every item, [`AT_ONCE`] at a time; what came of it, in no order.
async fn all<I, F>(items: impl Iterator<Item = I>, mut act: impl FnMut(I) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (mut tasks, mut done) = (JoinSet::new(), Vec::new());
    for item in items {
        if tasks.len() == AT_ONCE {
            done.extend(tasks.join_next().await.map(Result::unwrap));
        }
        tasks.spawn(act(item));
    }
    done.extend(tasks.join_all().await);
    done
}
