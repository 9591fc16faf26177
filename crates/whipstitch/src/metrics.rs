//! Metrics that are read from the present state at each scrape.
//!
//! Counters belong to the crate that counts. State is not stored twice: it is read when metrics are
//! gathered, all at once, so that the values are consistent and cost nothing between scrapes.
//!
//! `reading.rs` reads the state, `families.rs` makes metric families of it.

mod families;
mod reading;

use std::fmt;

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tracing::error;

use self::families::families;
pub(crate) use self::reading::{Gauges, Reading};

/// Registers all families of a [`Reading`], with how it is taken.
///
/// # Errors
/// Others of the same name are registered already.
pub(crate) fn register<R>(registry: &Registry, read: R) -> prometheus::Result<()>
where
    R: Fn() -> Reading + Send + Sync + 'static,
{
    let families = families(&Reading::full())?;
    let descriptions = families.iter().flat_map(|family| family.desc());
    registry.register(Box::new(Present {
        descriptions: descriptions.cloned().collect(),
        read: Box::new(read),
    }))
}

struct Present {
    descriptions: Vec<Desc>,
    read: Box<dyn Fn() -> Reading + Send + Sync>,
}

impl Collector for Present {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // The only error is an invalid name, and the same names were registered at the start.
        let families = families(&(self.read)()).unwrap_or_else(|error| {
            error!(%error, "metrics that are read are missing; please report this as a defect");
            Vec::new()
        });
        families
            .iter()
            .flat_map(|family| family.collect())
            .collect()
    }
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
