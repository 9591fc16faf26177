//! The configuration read again: what can be taken up while it runs is, the rest is named.
//!
//! Another stack of layers takes the place of the one that serves; requests and sessions under way
//! are not touched.

use std::{fmt, io, sync::Arc};

use tracing::{error, info, warn};
use whipstitch_origin::Cached;
use whipstitch_proxy::{Current, Dependencies, Settings, live::Ender, stack};

use crate::{
    config::{self, Change, Config, LiveConfig, Loaded, Mistakes, Sources, keys::Key},
    open_files,
    telemetry::LogLevel,
};

/// Longest account of mistakes in an answer, in bytes; the log has all of them.
const MOST_WORDS: usize = 1000;

/// Reads the configuration again, and whom it concerns.
pub(crate) struct Reconfigure {
    pub(crate) sources: Sources,
    pub(crate) live_config: LiveConfig,
    pub(crate) current: Current,
    pub(crate) dependencies: Dependencies,
    pub(crate) ender: Ender,
    pub(crate) directory: Arc<Cached>,
    pub(crate) log: Option<LogLevel>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// What was taken up, and what waits for a restart.
    Read {
        /// These count.
        now: Vec<&'static Key>,
        /// These do not yet.
        later: Vec<&'static Key>,
    },
    /// Nothing has changed for the running process: why.
    Failed(String),
}

impl Reconfigure {
    /// Reads it, and takes up what can be. With a mistake in it, nothing is.
    pub(crate) async fn reload(&self) -> Outcome {
        let outcome = self.read().await;
        if matches!(outcome, Outcome::Failed(_)) {
            self.live_config.reject();
        }
        outcome
    }

    async fn read(&self) -> Outcome {
        let sources = self.sources.clone();
        let read = tokio::task::spawn_blocking(move || config::load(&sources)).await;
        let loaded = match read {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(mistakes)) => return refused(&mistakes),
            Err(_) => return Outcome::Failed("the process is stopping".to_owned()),
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
        let (now, later) = (change.applied.clone(), change.restart_required.clone());
        if let Err(error) = self.apply(&change) {
            error!(%error, "the configuration cannot be taken up");
            return Outcome::Failed(error.to_string());
        }
        self.live_config.apply(change);
        if !now.is_empty() {
            info!(keys = %Keys(&now), "settings taken up");
        }
        if !later.is_empty() {
            warn!(keys = %Keys(&later), "settings that have changed count after a restart");
        }
        Outcome::Read { now, later }
    }

    fn apply(&self, change: &Change) -> io::Result<()> {
        let concerns = |sections: &[&str]| {
            let mut keys = change.applied.iter();
            keys.any(|key| sections.contains(&key.split().0))
        };
        let config = change.config();
        // What can fail comes first.
        let stack = concerns(&["proxy", "limits", "timeouts"])
            .then(|| stack(&self.dependencies, &of(config)))
            .transpose()?;
        if let Some(log) = self.log.as_ref().filter(|_| concerns(&["log"])) {
            let configured = log.configure(&config.log.filter);
            configured.map_err(|error| io::Error::other(format!("log.filter {error}")))?;
        }
        if let Some(stack) = stack {
            self.current.replace(stack);
            self.ender.reconfigure(&of(config));
            open_files::warn_if_too_few(config);
        }
        if concerns(&["nodes"]) {
            let allowed = &self.dependencies.allowed;
            allowed.reconfigure(&config.nodes);
            // Nobody is led any more where nobody may go, or by another way.
            self.directory
                .drop_unless(|origin| allowed.still_admits(origin));
            self.dependencies.memory.forget_pins();
        }
        Ok(())
    }
}

/// What a stack is told of the configuration.
pub(crate) fn of(config: &Config) -> Settings {
    Settings {
        proxy: config.proxy.clone(),
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
    }
}

fn refused(mistakes: &Mistakes) -> Outcome {
    let text = mistakes.to_string();
    for line in text.lines() {
        error!("{line}");
    }
    let mut words = text.lines().collect::<Vec<_>>().join("; ");
    if words.len() > MOST_WORDS {
        words.truncate(words.floor_char_boundary(MOST_WORDS));
        words.push('…');
    }
    Outcome::Failed(words)
}

impl fmt::Display for Outcome {
    /// As a part of the report of a reload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Read { now, later } => match (now.is_empty(), later.is_empty()) {
                (true, true) => f.write_str("unchanged"),
                (false, true) => write!(f, "reloaded: {}", Keys(now)),
                (true, false) => write!(f, "a restart is needed for {}", Keys(later)),
                (false, false) => write!(
                    f,
                    "reloaded: {}; a restart is needed for {}",
                    Keys(now),
                    Keys(later)
                ),
            },
        }
    }
}

/// Keys in a row.
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
