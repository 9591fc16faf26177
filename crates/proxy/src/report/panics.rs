//! Counts every panic of the process, in whichever task it happens.
//!
//! The tasks of requests, sockets, lookups and orphans are isolated from one another: a panic ends
//! one of them. So it has to be counted where all panics pass, in the hook of the process.

use std::sync::{
    Once,
    atomic::{AtomicU64, Ordering},
};

use prometheus::{
    IntCounter,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tracing::error;

static COUNT: AtomicU64 = AtomicU64::new(0);
static WATCHED: Once = Once::new();

/// Counts and logs panics from now on. The log gets the place only, as the message can hold what a
/// client sent; a debug build prints that too.
pub fn watch() {
    WATCHED.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            let place = panic.location().map(tracing::field::display);
            error!(place, "a task panicked; please report this as a defect");
            if cfg!(debug_assertions) {
                former(panic);
            }
        }));
    });
}

/// `whipstitch_panics_total`, read when metrics are gathered.
pub(super) struct Panics(IntCounter);

impl Panics {
    pub(super) fn new() -> prometheus::Result<Self> {
        fresh().map(Self)
    }
}

fn fresh() -> prometheus::Result<IntCounter> {
    IntCounter::new(
        "panics_total",
        "Tasks that ended in a defect of the proxy: requests, WebSockets, lookups, orphans.",
    )
}

impl Collector for Panics {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A new counter each time: two scrapes at once would add the same panics twice.
        let Ok(counter) = fresh() else {
            return Vec::new();
        };
        counter.inc_by(COUNT.load(Ordering::Relaxed));
        counter.collect()
    }
}
