//! Reads the configuration again, applies what needs no restart, and names the rest.
//!
//! A new stack of layers replaces the active one; requests and sessions in progress keep theirs.

use std::{fmt, io, sync::Arc};

use tracing::{error, info, warn};
use whipstitch_origin::Cached;
use whipstitch_proxy::{Current, Dependencies, Settings, stack};

use crate::{
    config::{self, Change, Config, LiveConfig, Loaded, Mistakes, Sources, keys::Key},
    telemetry::LogLevel,
};

/// Longest list of mistakes in an answer, in bytes; the log has all of them.
const MAX_TEXT: usize = 1000;

/// The sources of the configuration, and the parts that a change concerns.
pub(crate) struct Reconfigure {
    pub(crate) sources: Sources,
    pub(crate) live_config: LiveConfig,
    pub(crate) current: Current,
    pub(crate) dependencies: Dependencies,
    pub(crate) directory: Arc<Cached>,
    pub(crate) log: Option<LogLevel>,
}

/// The result of a reload of the configuration.
#[derive(Debug)]
pub(crate) enum Reconfigured {
    /// The changed keys.
    Read {
        /// Those that are applied.
        applied: Vec<&'static Key>,
        /// Those that require a restart.
        restart_required: Vec<&'static Key>,
    },
    /// Nothing has changed for the running process, and why.
    Failed(String),
}

impl Reconfigure {
    /// Reads the configuration and applies what needs no restart; with a mistake, nothing.
    pub(crate) async fn reload(&self) -> Reconfigured {
        let outcome = self.read().await;
        if matches!(outcome, Reconfigured::Failed(_)) {
            self.live_config.reject();
        }
        outcome
    }

    async fn read(&self) -> Reconfigured {
        let sources = self.sources.clone();
        let read = tokio::task::spawn_blocking(move || config::load(&sources)).await;
        let loaded = match read {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(mistakes)) => return rejected(&mistakes),
            Err(_) => return Reconfigured::Failed("the process is stopping".to_owned()),
        };
        let Loaded {
            config,
            warnings,
            unfit,
            origins,
            ..
        } = loaded;
        for warning in warnings.into_iter().chain(unfit) {
            warn!("{warning}");
        }
        let change = self.live_config.compare(&config, &origins);
        let applied = change.applied.clone();
        let restart_required = change.restart_required.clone();
        if let Err(error) = self.apply(&change) {
            error!(%error, "the configuration cannot be applied");
            return Reconfigured::Failed(error.to_string());
        }
        self.live_config.apply(change);
        if !applied.is_empty() {
            info!(keys = %Keys(&applied), "settings applied");
        }
        if !restart_required.is_empty() {
            warn!(keys = %Keys(&restart_required), "restart required for changed settings");
        }
        Reconfigured::Read {
            applied,
            restart_required,
        }
    }

    fn apply(&self, change: &Change) -> io::Result<()> {
        let concerns = |sections: &[&str]| {
            let mut keys = change.applied.iter();
            keys.any(|key| sections.contains(&key.split().0))
        };
        let config = change.config();
        // The steps that can fail come first, so that a failure changes nothing.
        // The log precedes the stack, which resizes limits, and is restored if the stack fails.
        let log = self.log.as_ref().filter(|_| concerns(&["log"]));
        let former = log
            .map(|log| log.configure(&config.log.filter))
            .transpose()
            .map_err(|error| io::Error::other(format!("log.filter {error}")))?;
        let stack = concerns(&["proxy", "limits", "timeouts", "auth"])
            .then(|| stack(&self.dependencies, &stack_settings(config)))
            .transpose()
            .inspect_err(|_| restore(log, former.as_deref()))?;
        if let Some(stack) = stack {
            self.current.replace(stack);
        }
        if concerns(&["nodes"]) {
            let allowed = &self.dependencies.allowed;
            allowed.reconfigure(&config.nodes);
            // Cached lookups and affinity must not lead to addresses that are no longer allowed.
            self.directory
                .drop_unless(|origin| allowed.still_admits(origin));
            self.dependencies.sessions.forget_affinity();
        }
        Ok(())
    }
}

/// A filter that was active before can be set again, so the result adds nothing.
fn restore(log: Option<&LogLevel>, former: Option<&str>) {
    if let Some((log, former)) = log.zip(former) {
        let _ = log.configure(former);
    }
}

/// The settings of a stack.
pub(crate) fn stack_settings(config: &Config) -> Settings {
    Settings {
        proxy: config.proxy.clone(),
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
        auth: config.auth.clone(),
    }
}

fn rejected(mistakes: &Mistakes) -> Reconfigured {
    let text = mistakes.to_string();
    for line in text.lines() {
        error!("{line}");
    }
    let mut text = text.lines().collect::<Vec<_>>().join("; ");
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    Reconfigured::Failed(text)
}

impl fmt::Display for Reconfigured {
    /// As in the report of a reload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Read {
                applied,
                restart_required,
            } => match (applied.is_empty(), restart_required.is_empty()) {
                (true, true) => f.write_str("unchanged"),
                (false, true) => write!(f, "reloaded: {}", Keys(applied)),
                (true, false) => write!(f, "a restart is needed for {}", Keys(restart_required)),
                (false, false) => write!(
                    f,
                    "reloaded: {}; a restart is needed for {}",
                    Keys(applied),
                    Keys(restart_required)
                ),
            },
        }
    }
}

/// Keys, separated by commas.
struct Keys<'a>(&'a [&'static Key]);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, key) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { ", " };
            write!(f, "{before}{}", key.path)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reconfigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconfigure").finish_non_exhaustive()
    }
}
