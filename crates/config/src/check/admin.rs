//! The admin interface: its socket, and who reaches it.

use std::os::unix::ffi::OsStrExt;

use super::{Config, Finding};
use crate::files;

/// Longest name of a Unix socket, in bytes: `sun_path` holds 108 with a zero at its end, and the
/// socket is made under a name that is a little longer.
const LONGEST: usize = 100;

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let Some(socket) = &config.admin.socket else {
        if !config.admin.hosts.is_empty() && config.listen.admin.is_none() {
            let what = "is not used: there is no address in listen.admin";
            found.push(Finding::new(["admin.hosts", "listen.admin"], what).warning());
        }
        return;
    };
    let key = ["admin.socket"];
    if let Err(what) = files::is_a_name(socket) {
        found.push(Finding::new(key, what));
        return;
    }
    if socket.as_os_str().as_bytes().len() > LONGEST {
        let what = format!("is longer than the {LONGEST} bytes that the name of a socket may have");
        found.push(Finding::new(key, what));
    }
    let folder = socket
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let what = format!(
            "{} is not there; it has to be when Whipstitch starts (RuntimeDirectory= in systemd)",
            folder.display()
        );
        found.push(Finding::new(key, what).warning());
    }
}
