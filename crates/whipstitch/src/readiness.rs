//! Whether new clients should come here.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Shared by whoever asks and whoever knows. It does not depend on the Stream Manager: what is cached can be served
/// while the manager is away, and taking the proxy out would make its outage ours.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// All listeners are bound.
    pub fn ready(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// A shutdown has begun.
    pub fn draining(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether new clients should come here.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
