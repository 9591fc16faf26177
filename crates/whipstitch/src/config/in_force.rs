//! The configuration that counts now, and what of another one can be taken up while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;

use super::{Config, Effective, Origins, effective, keys::Key};

/// What counts now. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct InForce(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counts: ArcSwap<Counts>,
    /// Whether what was read last has mistakes.
    refused: AtomicBool,
    /// Keys that have changed and wait for a restart.
    waiting: AtomicUsize,
}

/// A configuration, and where each value came from.
#[derive(Debug, Default)]
pub struct Counts {
    /// What counts.
    pub config: Config,
    /// The same, key by key.
    pub settings: Vec<Effective>,
}

/// What another configuration changes.
#[derive(Debug)]
pub struct Change {
    next: Counts,
    /// Keys that can be taken up.
    pub now: Vec<&'static Key>,
    /// Keys that count after a restart.
    pub later: Vec<&'static Key>,
}

impl InForce {
    /// This counts.
    pub fn new(config: Config, origins: &Origins) -> Self {
        let settings = effective(&config, origins);
        Self(Arc::new(Inner {
            counts: ArcSwap::from_pointee(Counts { config, settings }),
            refused: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// What counts.
    pub fn counts(&self) -> Arc<Counts> {
        self.0.counts.load_full()
    }

    /// What this configuration would change.
    pub fn compare(&self, wanted: &Config, origins: &Origins) -> Change {
        let counts = self.counts();
        let config = taken_up(&counts.config, wanted);
        let mut change = Change {
            next: Counts {
                config,
                settings: Vec::with_capacity(counts.settings.len()),
            },
            now: Vec::new(),
            later: Vec::new(),
        };
        for (old, new) in counts.settings.iter().zip(effective(wanted, origins)) {
            let differs = old.value != new.value;
            let list = if new.key.reloads {
                &mut change.now
            } else {
                &mut change.later
            };
            list.extend(differs.then_some(new.key));
            let stays = differs && !new.key.reloads;
            change
                .next
                .settings
                .push(if stays { old.clone() } else { new });
        }
        change
    }

    /// The change counts.
    pub fn take_up(&self, change: Change) {
        self.0.refused.store(false, Ordering::Relaxed);
        self.0.waiting.store(change.later.len(), Ordering::Relaxed);
        self.0.counts.store(Arc::new(change.next));
    }

    /// What was read has mistakes, and nothing of it counts.
    pub fn refuse(&self) {
        self.0.refused.store(true, Ordering::Relaxed);
    }

    /// Whether what was read last has mistakes.
    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// How many keys had changed and wait for a restart when it was last read without mistakes.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }
}

impl Change {
    /// What counts when it is taken up.
    pub fn config(&self) -> &Config {
        &self.next.config
    }
}

/// The configuration that runs, with whatever of the wanted one can be taken up. The keys are those
/// that say so in the table; a test holds one against the other.
fn taken_up(running: &Config, wanted: &Config) -> Config {
    let mut config = running.clone();
    config.proxy = wanted.proxy.clone();
    config.limits = wanted.limits.clone();
    config.timeouts = wanted.timeouts.clone();
    config.nodes.allow.clone_from(&wanted.nodes.allow);
    (config.nodes.allow_names).clone_from(&wanted.nodes.allow_names);
    config.nodes.map.clone_from(&wanted.nodes.map);
    config.nodes.dial_private = wanted.nodes.dial_private;
    config.log.filter.clone_from(&wanted.log.filter);
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::keys;

    /// Every key set, to something else than its default.
    const OTHER: &str = include_str!("tests/other.toml");

    fn other() -> Config {
        toml::from_str(OTHER).unwrap()
    }

    #[test]
    fn the_table_and_what_is_taken_up_agree() {
        let (running, wanted) = (Config::default(), other());
        let taken = taken_up(&running, &wanted);
        let values = |config: &Config| effective(config, &Origins::default());
        let all = values(&running)
            .into_iter()
            .zip(values(&wanted))
            .zip(values(&taken));
        for ((running, wanted), taken) in all {
            let key = wanted.key;
            assert_ne!(
                running.value, wanted.value,
                "other.toml: {} is the default",
                key.path
            );
            let expected = if key.reloads { wanted } else { running };
            assert_eq!(taken.value, expected.value, "{}", key.path);
        }
    }

    #[test]
    fn what_can_be_taken_up_counts_and_the_rest_waits() {
        let in_force = InForce::new(Config::default(), &Origins::default());
        let change = in_force.compare(&other(), &Origins::default());
        assert_eq!(change.now.len() + change.later.len(), keys().count());
        assert!(change.now.iter().all(|key| key.reloads));
        in_force.take_up(change);
        let counts = in_force.counts();
        assert_eq!(counts.config.limits, other().limits);
        assert_eq!(counts.config.listen, Config::default().listen);
        assert_eq!(
            counts.settings,
            effective(&counts.config, &Origins::default())
        );
        // Once more: only what waits is left.
        let again = in_force.compare(&other(), &Origins::default());
        assert!(again.now.is_empty() && !again.later.is_empty());
    }
}
