//! What is so at the moment that Prometheus asks.
//!
//! Counters belong to the crate that counts. What is only looked at is not kept twice: it is read
//! when metrics are gathered, all of it at once, so that it fits together and costs nothing in
//! between.
//!
//! | file | one idea |
//! |---|---|
//! | `reading.rs` | what is read, and where |
//! | `families.rs` | under which names it is told |

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
pub(crate) use self::reading::{Reading, Sources};

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
        // An error is a name that is none, and the same names were taken at the start.
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
