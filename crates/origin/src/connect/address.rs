//! Where the Stream Manager is now.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::Roots;
use crate::{
    BaseUrl,
    resolve::{self, Addresses, ResolveError, Resolver},
};

/// How long the addresses of a name are not asked for again.
const FRESH: Duration = Duration::from_secs(5);
/// The same after a failure with nothing to go by.
const RETRY: Duration = Duration::from_millis(500);
/// Longest wait for newer addresses while there are older ones to go by.
const MOMENT: Duration = Duration::from_millis(200);

/// The Stream Manager's base URL, and the addresses of its name; clones share what they know.
#[derive(Clone)]
pub struct ManagerAddress(Arc<Inner>);

struct Inner {
    base: BaseUrl,
    /// What its certificate has to lead to; the system's roots if none.
    roots: Option<Roots>,
    /// None if the URL has an address in it: then there is nothing to resolve.
    name: Option<Box<str>>,
    address: Option<IpAddr>,
    resolver: Resolver,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last good ones.
    addresses: Option<Addresses>,
    /// Grows with each change of them.
    generation: u64,
    asked: Option<Instant>,
    /// Whether the last question failed, so that the log says so once.
    failed: Option<ResolveError>,
}

impl State {
    fn is_due(&self) -> bool {
        let wait = if self.addresses.is_some() {
            FRESH
        } else {
            RETRY
        };
        self.asked.is_none_or(|asked| asked.elapsed() >= wait)
    }
}

impl ManagerAddress {
    /// The manager at `base`, whose name, if it has one, is asked of `resolver` when it is needed.
    pub fn new(base: BaseUrl, resolver: Resolver) -> Self {
        Self::trusted_by(None, base, resolver)
    }

    /// The same, whose certificate has to lead to one of these roots, and to none of the system's.
    pub fn trusted_by(roots: Option<Roots>, base: BaseUrl, resolver: Resolver) -> Self {
        let host = base.authority().host();
        let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
        let address = unbracketed
            .parse::<IpAddr>()
            .ok()
            .map(|ip| ip.to_canonical());
        let name = address.is_none().then(|| host.into());
        Self(Arc::new(Inner {
            base,
            roots,
            name,
            address,
            resolver,
            state: Mutex::default(),
        }))
    }

    /// Its base URL.
    pub fn base(&self) -> &BaseUrl {
        &self.0.base
    }

    /// What its certificate has to lead to; the system's roots if none.
    pub(super) fn roots(&self) -> Option<&Roots> {
        self.0.roots.as_ref()
    }

    /// A number that changes when the addresses do.
    pub(super) async fn generation(&self) -> u64 {
        self.look().await;
        self.lock().generation
    }

    /// The addresses of its name, the last good ones if there are no newer.
    pub(super) async fn addresses(&self) -> Result<Addresses, ResolveError> {
        self.look().await;
        let state = self.lock();
        match (&state.addresses, state.failed) {
            (Some(addresses), _) => Ok(addresses.clone()),
            (None, failed) => Err(failed.unwrap_or(ResolveError::Busy)),
        }
    }

    /// Whether this is one of its addresses, as far as they are known. See
    /// [`ManagerAddress::look`].
    pub(crate) fn is(&self, ip: IpAddr) -> bool {
        if let Some(address) = self.0.address {
            return address == ip;
        }
        let state = self.lock();
        let addresses = state.addresses.as_deref();
        addresses.is_some_and(|addresses| addresses.contains(&ip))
    }

    /// Asks for the addresses if they have not been asked for recently. Waits long only if there
    /// are none to go by.
    pub(crate) async fn look(&self) {
        let Some(name) = &self.0.name else { return };
        let patience = {
            let mut state = self.lock();
            let known = state.addresses.is_some();
            match state.is_due() {
                true => {
                    state.asked = Some(Instant::now());
                    if known { MOMENT } else { resolve::PATIENCE }
                }
                false if known || state.failed.is_some() => return,
                // Another caller asks already: its answer will do.
                false => resolve::PATIENCE,
            }
        };
        let this = self.clone();
        let name = name.clone();
        // A task of its own: callers that wait no longer, or hang up, leave the answer to those who
        // come later.
        let asked = self.0.resolver.tasks().spawn(async move {
            let found = this.0.resolver.eventually(&name).await;
            this.learn(found);
        });
        if timeout(patience, asked).await.is_err() && patience == resolve::PATIENCE {
            self.learn(Err(ResolveError::Timeout));
        }
    }

    fn learn(&self, found: Result<Addresses, ResolveError>) {
        let name = self.0.base.authority().host();
        let mut state = self.lock();
        match found {
            Ok(addresses) => {
                if state.failed.take().is_some() {
                    info!(name, "the Stream Manager's name is resolved again");
                }
                if !state
                    .addresses
                    .as_ref()
                    .is_some_and(|old| same(old, &addresses))
                {
                    state.generation += 1;
                    info!(name, ?addresses, "the Stream Manager's addresses");
                }
                state.addresses = Some(addresses);
            }
            Err(error) => {
                if state.failed.replace(error).is_none() {
                    let known = state.addresses.is_some();
                    warn!(name, %error, known, "the Stream Manager's name cannot be resolved; its last known addresses count on");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether they are the same in any order: servers of names turn lists around.
fn same(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a.len() == b.len() && a.iter().all(|ip| b.contains(ip))
}

impl fmt::Debug for ManagerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManagerAddress").field(&self.0.base).finish()
    }
}
