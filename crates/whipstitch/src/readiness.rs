//! The stage of the process, from its start to its end.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

pub use whipstitch_admin::Stage;

/// The stage, shared by the probes and the shutdown. It does not depend on the Stream Manager:
/// cached lookups are served while the manager is down, and an unready proxy would turn its outage
/// into ours.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// All listeners are bound.
    pub fn ready(&self) {
        self.reach(Stage::Ready);
    }

    /// A drain has begun.
    pub fn draining(&self) {
        self.reach(Stage::Draining);
    }

    /// The drain is finished; the process still runs.
    pub fn drained(&self) {
        self.reach(Stage::Drained);
    }

    /// Whether new clients are welcome.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// The present stage.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            2 => Stage::Draining,
            _ => Stage::Drained,
        }
    }

    /// Stages never go back.
    fn reach(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_never_go_back() {
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
