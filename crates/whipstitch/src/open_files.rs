//! The limit of open files: raised to its maximum, with a warning if that is too low for the
//! configuration.

use tracing::warn;

use crate::config::Config;

/// Raises the limit.
pub fn raise(config: &Config) {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "the limit of open files cannot be raised");
    }
    warn_if_too_few(config);
}

/// Warns if the limit is too low for the configuration.
pub fn warn_if_too_few(config: &Config) {
    let needed = (config.limits.sockets.saturating_mul(2))
        .saturating_add(config.connections.max)
        .saturating_add(config.limits.in_flight)
        .saturating_add(config.limits.event_streams)
        .saturating_add(256);
    let limit = rlimit::getrlimit(rlimit::Resource::NOFILE);
    if let Ok((limit, _)) = limit
        && limit < needed as u64
    {
        warn!(
            limit,
            needed,
            "the limit of open files is lower than connections.max + limits.in_flight + limits.event_streams + \
             2 * limits.sockets + 256; raise it (LimitNOFILE= in systemd), or lower them"
        );
    }
}
