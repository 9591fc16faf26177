//! The limit of open files, raised to its maximum, which the configuration is fitted to.

use tracing::warn;

/// Raises the limit.
pub fn raise() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "the limit of open files cannot be raised");
    }
}
