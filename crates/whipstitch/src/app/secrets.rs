//! Secrets in files: session keys and credentials of TURN servers, now and after each change.

use std::sync::Arc;

use prometheus::Registry;
use tokio::sync::watch;
use tracing::warn;
use whipstitch_auth::{Auth, Sources};
use whipstitch_proxy::config::Ice;
use whipstitch_signaling::{ice::IceServers, session::SessionKeys};

use super::StartError;
use crate::{
    auth_keys::AuthKeyFiles,
    file_watch::{self, ReadRequests, ReloadMetrics},
    ice::IceFiles,
    session_keys::KeyFile,
    shutdown::Shutdown,
};
use whipstitch_config::{Config, Sessions};

/// The secrets, and how to request a read of their files.
pub(super) struct Secrets {
    pub(super) session_keys: watch::Receiver<Arc<SessionKeys>>,
    pub(super) read_keys: Option<ReadRequests>,
    pub(super) ice: watch::Receiver<Arc<IceServers>>,
    pub(super) read_ice: Option<ReadRequests>,
    pub(super) auth: whipstitch_auth::Sources,
}

/// Reads them.
pub(super) fn secrets(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Secrets, StartError> {
    let (session_keys, read_keys) = session_keys(&config.sessions, registry, shutdown)?;
    let (ice, read_ice) = ice_servers(&config.ice, registry, shutdown)?;
    let auth = auth(&config.auth, registry, shutdown)?;
    Ok(Secrets {
        session_keys,
        read_keys,
        ice,
        read_ice,
        auth,
    })
}

type Kept<T> = (watch::Receiver<Arc<T>>, Option<ReadRequests>);

fn session_keys(
    config: &Sessions,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Kept<SessionKeys>, StartError> {
    let reloads = ReloadMetrics::of_session_keys(registry)?;
    let Some(path) = &config.key_file else {
        warn!(
            "sessions.key_file is not set: session URLs are sealed with a key that ends with this process; \
             set it to the same file on every replica, or PATCH and DELETE fail after a restart and on other replicas"
        );
        let keys = SessionKeys::random().map_err(StartError::Keys)?;
        return Ok((watch::channel(Arc::new(keys)).1, None));
    };
    let (file, keys) = KeyFile::load(path)?;
    Ok((
        keys,
        Some(file_watch::watch(Arc::new(file), reloads, shutdown)),
    ))
}

fn auth(config: &Auth, registry: &Registry, shutdown: &Shutdown) -> Result<Sources, StartError> {
    let reloads = ReloadMetrics::of_auth_keys(registry)?;
    let (files, keys) = AuthKeyFiles::load(config)?;
    if files.can_change() {
        file_watch::watch(Arc::new(files), reloads, shutdown);
    }
    Ok(Sources { keys })
}

fn ice_servers(
    config: &Ice,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Kept<IceServers>, StartError> {
    let reloads = ReloadMetrics::of_ice_secrets(registry)?;
    let (files, servers) = IceFiles::load(config)?;
    if !files.can_change() {
        return Ok((servers, None));
    }
    Ok((
        servers,
        Some(file_watch::watch(Arc::new(files), reloads, shutdown)),
    ))
}
