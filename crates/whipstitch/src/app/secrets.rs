//! What is sealed and told with secrets of files, now and whenever the files change.

use std::sync::Arc;

use prometheus::Registry;
use tokio::sync::watch;
use tracing::warn;
use whipstitch_proxy::config::Ice;
use whipstitch_signaling::{ice::IceServers, session::SessionKeys};

use super::StartError;
use crate::{
    config::{Config, Sessions},
    ice::IceFiles,
    reread::{Ask, Reloads, questions},
    session_keys::KeyFile,
    shutdown::Shutdown,
};

/// Both kinds, and how to have their files looked at, if there are any.
pub(super) struct Secrets {
    pub(super) session_keys: watch::Receiver<Arc<SessionKeys>>,
    pub(super) look_at_keys: Option<Ask>,
    pub(super) ice: watch::Receiver<Arc<IceServers>>,
    pub(super) look_at_ice: Option<Ask>,
}

/// Reads them.
pub(super) fn secrets(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Secrets, StartError> {
    let (session_keys, look_at_keys) = session_keys(&config.sessions, registry, shutdown)?;
    let (ice, look_at_ice) = ice_servers(&config.ice, registry, shutdown)?;
    Ok(Secrets {
        session_keys,
        look_at_keys,
        ice,
        look_at_ice,
    })
}

type Kept<T> = (watch::Receiver<Arc<T>>, Option<Ask>);

fn session_keys(
    config: &Sessions,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Kept<SessionKeys>, StartError> {
    let reloads = Reloads::of_session_keys(registry)?;
    let Some(path) = &config.key_file else {
        warn!(
            "sessions.key_file is not set: session URLs are sealed with a key that ends with this process; \
             set it to the same file on every replica, or PATCH and DELETE fail after a restart and on other replicas"
        );
        let keys = SessionKeys::random().map_err(StartError::Keys)?;
        return Ok((watch::channel(Arc::new(keys)).1, None));
    };
    let (file, keys) = KeyFile::load(path)?;
    let (ask, asked) = questions();
    let stop = shutdown.stop_accepting.clone();
    shutdown.background.spawn(file.watch(stop, reloads, asked));
    Ok((keys, Some(ask)))
}

fn ice_servers(
    config: &Ice,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Kept<IceServers>, StartError> {
    let reloads = Reloads::of_ice_secrets(registry)?;
    let (files, servers) = IceFiles::load(config)?;
    if !files.can_change() {
        return Ok((servers, None));
    }
    let (ask, asked) = questions();
    let stop = shutdown.stop_accepting.clone();
    shutdown.background.spawn(files.watch(stop, reloads, asked));
    Ok((servers, Some(ask)))
}
