//! The addresses of a name, from a resolver, without ever waiting long.
//!
//! The system's resolver blocks a thread, for half a minute and more when its servers hang. So a
//! name is asked for once however many want it, callers give up soon while the question continues,
//! and the number of pending questions is limited.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::{sync::watch, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::debug;

/// Longest wait for the addresses of a name.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Most names asked for at once. Each may hold a thread of tokio's for as long as the system's
/// resolver hangs.
const MAX_QUESTIONS: usize = 16;
/// Most of those that only clients mention.
const MAX_STRANGERS: usize = 4;
/// Most addresses taken from one answer.
const MAX_ADDRESSES: usize = 64;

/// A source of the addresses of names: the system, or a test.
pub trait Resolve: Send + Sync + 'static {
    /// Asks once, for as long as it takes. An address may come as often as it likes.
    fn resolve(&self, name: Arc<str>) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver: `getaddrinfo`, with `/etc/hosts` and all that the system is set up to
/// ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: Arc<str>) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let asked = tokio::task::spawn_blocking(move || {
            let found = (&*name, 0).to_socket_addrs()?;
            Ok(found.map(|addr| addr.ip()).collect())
        });
        Box::pin(async move { asked.await.map_err(io::Error::other)? })
    }
}

/// The addresses of a name, in the order of preference; never none.
pub type Addresses = Arc<[IpAddr]>;

/// Why the addresses of a name are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address.
    #[error("does not exist, or has no address")]
    NoSuchName,
    /// The resolver failed, or gave more addresses than are taken.
    #[error("cannot be resolved: the resolver failed")]
    Failed,
    /// No answer in time.
    #[error("was not resolved in time")]
    Timeout,
    /// Too many other names are asked for.
    #[error("has to wait for other names")]
    Busy,
}

type Answer = Option<Result<Addresses, ResolveError>>;

/// Asks for names; clones share their questions.
#[derive(Clone)]
pub struct Resolver {
    asked: Arc<dyn Resolve>,
    under_way: Arc<Mutex<HashMap<Arc<str>, watch::Receiver<Answer>>>>,
    tasks: TaskTracker,
    most: usize,
}

impl Resolver {
    /// Asks the system; questions run on `tasks`.
    pub fn system(tasks: TaskTracker) -> Self {
        Self::new(Arc::new(System), tasks)
    }

    /// Asks `asked`; questions run on `tasks`.
    pub fn new(asked: Arc<dyn Resolve>, tasks: TaskTracker) -> Self {
        Self {
            asked,
            under_way: Arc::default(),
            tasks,
            most: MAX_QUESTIONS,
        }
    }

    /// The same for names that only clients mention: it has few permits of its own, so that a
    /// client with names that take long delays no lookup of a node.
    #[must_use]
    pub(crate) fn for_strangers(&self) -> Self {
        Self {
            under_way: Arc::default(),
            most: MAX_STRANGERS,
            ..self.clone()
        }
    }

    /// Where its questions run.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The addresses of a name, asked for now or shared with a pending question.
    ///
    /// # Errors
    /// It is not known, or not within [`PATIENCE`].
    pub async fn resolve(&self, name: &str) -> Result<Addresses, ResolveError> {
        timeout(PATIENCE, self.eventually(name))
            .await
            .unwrap_or(Err(ResolveError::Timeout))
    }

    /// The same, however long it takes.
    pub(crate) async fn eventually(&self, name: &str) -> Result<Addresses, ResolveError> {
        let mut answer = self.question(name)?;
        match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Err(ResolveError::Failed)),
            // The question's task is gone: a panic, or the end of the runtime.
            Err(_) => Err(ResolveError::Failed),
        }
    }

    fn question(&self, name: &str) -> Result<watch::Receiver<Answer>, ResolveError> {
        let mut under_way = self.lock();
        if let Some(question) = under_way.get(name) {
            return Ok(question.clone());
        }
        if under_way.len() >= self.most {
            return Err(ResolveError::Busy);
        }
        let name: Arc<str> = name.into();
        let (send, receive) = watch::channel(None);
        under_way.insert(name.clone(), receive.clone());
        let place = Place {
            resolver: self.clone(),
            name: name.clone(),
        };
        self.tasks.spawn(async move {
            let found = place.resolver.asked.resolve(name).await;
            // Released before the answer is delivered, so that a later caller asks anew.
            drop(place);
            send.send_replace(Some(usable(found)));
        });
        Ok(receive)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, watch::Receiver<Answer>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("under_way", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// A question's permit; released however its task ends.
struct Place {
    resolver: Resolver,
    name: Arc<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.resolver.lock().remove(&self.name);
    }
}

/// Each address once, in canonical form.
fn usable(found: io::Result<Vec<IpAddr>>) -> Result<Addresses, ResolveError> {
    let mut addresses = Vec::new();
    for ip in found.map_err(|error| failure(&error))? {
        let ip = ip.to_canonical();
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
        if addresses.len() > MAX_ADDRESSES {
            // What is cut off could not be checked.
            return Err(ResolveError::Failed);
        }
    }
    if addresses.is_empty() {
        return Err(ResolveError::NoSuchName);
    }
    Ok(addresses.into())
}

/// The standard library gives no code of `getaddrinfo` (POSIX.1-2017, `EAI_…`), only its text. What
/// is not known as "no such name" counts as a failure of the resolver.
fn failure(error: &io::Error) -> ResolveError {
    let text = error.to_string();
    let no_such_name = error.kind() == io::ErrorKind::NotFound
        || [
            "Name or service not known",
            "No address associated with hostname",
            "Name does not resolve",
            "nodename nor servname provided",
            "No such host is known",
        ]
        .iter()
        .any(|known| text.contains(known));
    if no_such_name {
        return ResolveError::NoSuchName;
    }
    debug!(%error, "the system's resolver failed");
    ResolveError::Failed
}

/// A resolver in the hands of a test.
#[cfg(test)]
pub(crate) mod fake {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers each question with the next of its answers, and the last one for ever.
    #[derive(Default)]
    pub(crate) struct Fake {
        answers: Mutex<Vec<Said>>,
        pub(crate) asked: AtomicUsize,
    }

    #[derive(Clone)]
    pub(crate) enum Said {
        Addresses(Vec<IpAddr>),
        NoSuchName,
        After(Duration, Vec<IpAddr>),
    }

    /// `"10.0.0.1 ::1"`; nothing is no such name.
    pub(crate) fn said(addresses: &str) -> Said {
        match addresses {
            "" => Said::NoSuchName,
            addresses => Said::Addresses(ips(addresses)),
        }
    }

    pub(crate) fn ips(addresses: &str) -> Vec<IpAddr> {
        addresses
            .split(' ')
            .map(|address| address.parse().unwrap())
            .collect()
    }

    impl Fake {
        pub(crate) fn new(answers: impl IntoIterator<Item = Said>) -> Arc<Self> {
            let fake = Self::default();
            fake.say(answers);
            Arc::new(fake)
        }

        pub(crate) fn say(&self, answers: impl IntoIterator<Item = Said>) {
            let mut answers: Vec<Said> = answers.into_iter().collect();
            answers.reverse();
            *self.answers.lock().unwrap() = answers;
        }

        pub(crate) fn times_asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        pub(crate) fn resolver(self: &Arc<Self>) -> Resolver {
            Resolver::new(self.clone(), TaskTracker::new())
        }
    }

    impl Resolve for Fake {
        fn resolve(&self, _: Arc<str>) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let mut answers = self.answers.lock().unwrap();
            let answer = match answers.len() {
                1 => answers.last().cloned(),
                _ => answers.pop(),
            };
            Box::pin(async move {
                match answer.unwrap_or(Said::NoSuchName) {
                    Said::Addresses(addresses) => Ok(addresses),
                    Said::NoSuchName => Err(io::ErrorKind::NotFound.into()),
                    Said::After(time, addresses) => {
                        tokio::time::sleep(time).await;
                        Ok(addresses)
                    }
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::{
        fake::{Fake, Said, ips, said},
        *,
    };

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_share_one_question() {
        let fake = Fake::new([Said::After(Duration::from_millis(300), ips("10.0.0.1"))]);
        let resolver = fake.resolver();
        let answers = join_all((0..1_000).map(|_| resolver.resolve("a"))).await;
        assert!(
            answers
                .iter()
                .all(|answer| *answer == Ok(ips("10.0.0.1").into()))
        );
        assert_eq!(fake.times_asked(), 1);
        resolver.resolve("a").await.unwrap();
        assert_eq!(fake.times_asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_hangs_holds_nobody_and_few_threads() {
        let fake = Fake::new([Said::After(Duration::from_secs(30), ips("10.0.0.1"))]);
        let resolver = fake.resolver();
        let began = Instant::now();
        assert_eq!(resolver.resolve("a").await, Err(ResolveError::Timeout));
        assert_eq!(began.elapsed(), PATIENCE);
        // The question is still pending, and is not asked again.
        assert_eq!(resolver.resolve("a").await, Err(ResolveError::Timeout));
        assert_eq!(fake.times_asked(), 1);
        let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
        let answers = join_all(names.iter().map(|name| resolver.resolve(name))).await;
        let busy = answers
            .iter()
            .filter(|answer| **answer == Err(ResolveError::Busy));
        assert_eq!(busy.count(), 100 - (MAX_QUESTIONS - 1));
        assert_eq!(fake.times_asked(), MAX_QUESTIONS);
        // When it comes back, so do the places.
        tokio::time::sleep(Duration::from_secs(30)).await;
        fake.say([said("10.0.0.2")]);
        assert_eq!(resolver.resolve("b").await, Ok(ips("10.0.0.2").into()));
    }

    #[tokio::test]
    async fn an_answer_is_canonical_and_has_each_address_once() {
        let fake = Fake::new([said("::ffff:10.0.0.1 10.0.0.1 ::1"), said("")]);
        let resolver = fake.resolver();
        assert_eq!(resolver.resolve("a").await, Ok(ips("10.0.0.1 ::1").into()));
        assert_eq!(resolver.resolve("a").await, Err(ResolveError::NoSuchName));
        let many = (0..100)
            .map(|last| IpAddr::from([10, 0, 0, last]))
            .collect();
        fake.say([Said::Addresses(many)]);
        assert_eq!(resolver.resolve("a").await, Err(ResolveError::Failed));
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let resolver = Resolver::system(TaskTracker::new());
        let addresses = resolver.resolve("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }
}
