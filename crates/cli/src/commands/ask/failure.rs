//! Why a command has no answer, in words that say what to do.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{BAD_NEWS, REFUSED, UNREACHABLE, USAGE};
use crate::commands::show::clean;

/// Why a command ends without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What happened and what to do.
    pub(crate) what: String,
}

impl Failure {
    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self::new(USAGE, what)
    }

    pub(crate) fn bad_news(what: impl fmt::Display) -> Self {
        Self::new(BAD_NEWS, what)
    }

    pub(super) fn refused(what: impl fmt::Display) -> Self {
        Self::new(REFUSED, what)
    }

    pub(super) fn unreachable(what: impl fmt::Display) -> Self {
        Self::new(UNREACHABLE, what)
    }

    fn new(code: u8, what: impl fmt::Display) -> Self {
        Self {
            code,
            what: clean(&what.to_string()),
        }
    }

    /// No connection to a Unix socket.
    pub(super) fn at_socket(path: &Path, error: &io::Error) -> Self {
        let name = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => Self::unreachable(format_args!(
                "there is no socket {name}: is whipstitch running on this host, and is admin.socket set to this name? \
                 --admin names another one, --config the configuration file with it"
            )),
            io::ErrorKind::PermissionDenied => Self::refused(format_args!(
                "{}; become that user, join that group, or use sudo",
                shut(path)
            )),
            io::ErrorKind::ConnectionRefused => Self::unreachable(format_args!(
                "{name} is stale: whipstitch is not running, and its next start replaces the socket"
            )),
            _ => Self::unreachable(format_args!("{name}: {error}")),
        }
    }
}

/// The first part of a path that refuses other users, with its owner and group.
fn shut(path: &Path) -> String {
    let mut parts: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
    parts.reverse();
    let known = parts
        .iter()
        .filter(|part| !part.as_os_str().is_empty())
        .map_while(|part| Some((part, fs::metadata(part).ok()?)));
    // The part after the last readable one is the inaccessible one.
    match known.last() {
        None => format!("no permission for {}", path.display()),
        Some((part, file)) => format!(
            "no permission for {}: {} belongs to user {} and group {} (mode {:04o})",
            path.display(),
            if part == path {
                "it".to_owned()
            } else {
                part.display().to_string()
            },
            name_of(file.uid(), "/etc/passwd"),
            name_of(file.gid(), "/etc/group"),
            file.mode() & 0o7777
        ),
    }
}

/// The name of a user or group in a file of `name:password:number:…`, else its number.
fn name_of(number: u32, file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let wanted = number.to_string();
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted).then(|| name.to_owned())
    });
    name.unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_not_to_reach_a_socket_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder.path(), mode).unwrap();
        let path = folder.path().join("admin.sock");
        let failure = |kind: io::ErrorKind| Failure::at_socket(&path, &io::Error::from(kind));
        let missing = failure(io::ErrorKind::NotFound);
        assert_eq!(missing.code, UNREACHABLE);
        assert!(
            missing.what.contains("is whipstitch running") && missing.what.contains("admin.socket")
        );
        let dead = failure(io::ErrorKind::ConnectionRefused);
        assert!(dead.code == UNREACHABLE && dead.what.contains("is not running"));
        let shut = failure(io::ErrorKind::PermissionDenied);
        assert_eq!(shut.code, REFUSED);
        let owner = fs::metadata(folder.path()).unwrap().uid();
        let owner = format!("belongs to user {}", name_of(owner, "/etc/passwd"));
        assert!(
            shut.what.contains(&owner) && shut.what.contains("mode 0700"),
            "{}",
            shut.what
        );
    }

    #[test]
    fn numbers_are_shown_as_names_where_known() {
        assert_eq!(name_of(0, "/etc/passwd"), "root");
        assert_eq!(name_of(4_000_000_000, "/etc/group"), "4000000000");
        assert_eq!(name_of(7, "/no/such/file"), "7");
    }
}
