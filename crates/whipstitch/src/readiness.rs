//! Whether new clients should come here, and how far the end has come.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use serde::Serialize;

/// How far a process is, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Not every listener is bound.
    Starting,
    /// Clients should come.
    Ready,
    /// No new clients should come, and those that are here end.
    Draining,
    /// All of it has ended; the process waits for its signal.
    Drained,
}

/// Shared by whoever asks and whoever knows. It does not depend on the Stream Manager: what is
/// cached can be served while the manager is away, and taking the proxy out would make its outage
/// ours.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// All listeners are bound.
    pub fn ready(&self) {
        self.reach(Stage::Ready);
    }

    /// A shutdown has begun.
    pub fn draining(&self) {
        self.reach(Stage::Draining);
    }

    /// A shutdown is over but for the process itself.
    pub fn drained(&self) {
        self.reach(Stage::Drained);
    }

    /// Whether new clients should come here.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            2 => Stage::Draining,
            _ => Stage::Drained,
        }
    }

    /// There is no way back.
    fn reach(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_way_back() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.ready();
        assert!(readiness.is_ready());
        readiness.draining();
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Draining);
        readiness.drained();
        readiness.draining();
        assert_eq!(readiness.stage(), Stage::Drained);
    }
}
