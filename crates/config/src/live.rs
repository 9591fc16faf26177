//! The active configuration, and which changed keys a reload applies without a restart.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;

use super::{Config, Effective, Origins, effective, keys::Key};

/// The active configuration. Clones share one state.
#[derive(Clone, Debug)]
pub struct LiveConfig(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    snapshot: ArcSwap<Snapshot>,
    /// Whether the last reload found mistakes.
    rejected: AtomicBool,
    /// Number of changed keys that require a restart.
    restart_required: AtomicUsize,
}

/// The configuration at one moment, with the source of each value.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The active values.
    pub config: Config,
    /// The same values, key by key.
    pub settings: Vec<Effective>,
}

/// The difference between the active configuration and another one.
#[derive(Debug)]
pub struct Change {
    next: Snapshot,
    /// Changed keys that a reload applies.
    pub applied: Vec<&'static Key>,
    /// Changed keys that require a restart.
    pub restart_required: Vec<&'static Key>,
}

impl LiveConfig {
    /// Makes this configuration the active one.
    pub fn new(config: Config, origins: &Origins) -> Self {
        let settings = effective(&config, origins);
        Self(Arc::new(Inner {
            snapshot: ArcSwap::from_pointee(Snapshot { config, settings }),
            rejected: AtomicBool::new(false),
            restart_required: AtomicUsize::new(0),
        }))
    }

    /// The active configuration at this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Compares the active configuration with this one, key by key.
    pub fn compare(&self, wanted: &Config, origins: &Origins) -> Change {
        let active = self.snapshot();
        let mut change = Change {
            next: Snapshot {
                config: merged(&active.config, wanted),
                settings: Vec::with_capacity(active.settings.len()),
            },
            applied: Vec::new(),
            restart_required: Vec::new(),
        };
        for (old, new) in active.settings.iter().zip(effective(wanted, origins)) {
            let differs = old.value != new.value;
            let list = if new.key.reloads {
                &mut change.applied
            } else {
                &mut change.restart_required
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

    /// Makes the changed configuration the active one.
    pub fn apply(&self, change: Change) {
        let waiting = change.restart_required.len();
        self.0.rejected.store(false, Ordering::Relaxed);
        self.0.restart_required.store(waiting, Ordering::Relaxed);
        self.0.snapshot.store(Arc::new(change.next));
    }

    /// Records that the last reload found mistakes and changed nothing.
    pub fn reject(&self) {
        self.0.rejected.store(true, Ordering::Relaxed);
    }

    /// Whether the last reload found mistakes.
    pub fn is_rejected(&self) -> bool {
        self.0.rejected.load(Ordering::Relaxed)
    }

    /// How many changed keys required a restart at the last reload without mistakes.
    pub fn restart_required(&self) -> usize {
        self.0.restart_required.load(Ordering::Relaxed)
    }
}

impl Change {
    /// The configuration that is active once the change is applied.
    pub fn config(&self) -> &Config {
        &self.next.config
    }
}

/// The active configuration with those values of the wanted one that need no restart. These are the
/// keys that the table marks with `reloads`; a test compares both.
fn merged(active: &Config, wanted: &Config) -> Config {
    let mut config = active.clone();
    config.proxy = wanted.proxy.clone();
    config.auth.rules.clone_from(&wanted.auth.rules);
    config.auth.issuer.clone_from(&wanted.auth.issuer);
    config.auth.audience.clone_from(&wanted.auth.audience);
    config.auth.leeway = wanted.auth.leeway;
    config.auth.pass_token = wanted.auth.pass_token;
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
    use crate::keys::keys;

    /// Sets every key to another value than its default.
    const OTHER: &str = include_str!("tests/other.toml");

    fn other() -> Config {
        toml::from_str(OTHER).unwrap()
    }

    #[test]
    fn the_table_and_the_merge_agree() {
        let (active, wanted) = (Config::default(), other());
        let merged = merged(&active, &wanted);
        let values = |config: &Config| effective(config, &Origins::default());
        let all = values(&active)
            .into_iter()
            .zip(values(&wanted))
            .zip(values(&merged));
        for ((active, wanted), merged) in all {
            let key = wanted.key;
            assert_ne!(
                active.value, wanted.value,
                "other.toml: {} is the default",
                key.path
            );
            let expected = if key.reloads { wanted } else { active };
            assert_eq!(merged.value, expected.value, "{}", key.path);
        }
    }

    #[test]
    fn a_change_applies_what_needs_no_restart() {
        let live = LiveConfig::new(Config::default(), &Origins::default());
        let change = live.compare(&other(), &Origins::default());
        assert_eq!(
            change.applied.len() + change.restart_required.len(),
            keys().count()
        );
        assert!(change.applied.iter().all(|key| key.reloads));
        live.apply(change);
        let active = live.snapshot();
        assert_eq!(active.config.limits, other().limits);
        assert_eq!(active.config.listen, Config::default().listen);
        assert_eq!(
            active.settings,
            effective(&active.config, &Origins::default())
        );
        // A second comparison finds only the keys that require a restart.
        let again = live.compare(&other(), &Origins::default());
        assert!(again.applied.is_empty() && !again.restart_required.is_empty());
    }
}
