//! The log lines of this process's proxies, for the exchanges whose ids a test has chosen.

use std::{
    io,
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::deployment::SOON;

/// Prefix of a chosen id; other lines are dropped.
pub const CHOSEN: &str = "log-";

static LINES: LazyLock<Lines> = LazyLock::new(|| Lines {
    kept: Mutex::default(),
    more: watch::Sender::new(()),
});

struct Lines {
    kept: Mutex<Vec<Value>>,
    more: watch::Sender<()>,
}

/// Starts to capture; call it before the requests of interest.
pub fn capture() {
    // Only the first call has an effect; a process has one log.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("access=info,session=info"))
        .with_writer(Capture)
        .try_init();
}

/// All lines of this target with this id so far.
pub fn lines(target: &str, id: &str) -> Vec<Value> {
    let kept = LINES.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it = |line: &&Value| line["target"] == target && line["id"] == id;
    kept.iter().filter(is_it).cloned().collect()
}

/// The one line of this target with this id, when it is there.
pub async fn line(target: &str, id: &str) -> Value {
    let mut more = LINES.more.subscribe();
    let waits = more.wait_for(|()| !lines(target, id).is_empty());
    let waited = tokio::time::timeout(SOON, waits).await;
    let found = lines(target, id);
    assert!(waited.is_ok(), "no line of {target} for {id} in time");
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

struct Capture;

impl io::Write for Capture {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text: Value = serde_json::from_slice(line)?;
        let is_chosen = text["id"].as_str().is_some_and(|id| id.starts_with(CHOSEN));
        if is_chosen {
            let mut kept = LINES.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(text);
            drop(kept);
            LINES.more.send_replace(());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
