//! Facts about the file of session keys that need no read of its content.

use std::{fs, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

/// The consequence of a missing file.
pub const MISSING: &str = "does not exist: until it does, session URLs are sealed with a key that ends with \
    this process, and PATCH and DELETE fail after a restart and on other replicas; make one with `openssl rand -base64 \
    32` and put the same file on every replica";

/// Whether there is no such file.
pub fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Whether every user may read it. A group may: it is how Kubernetes (`fsGroup`) and systemd
/// (`SupplementaryGroups=`) hand root's files to a service.
pub fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}
