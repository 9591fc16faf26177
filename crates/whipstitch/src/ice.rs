//! `[ice]` → the servers that the proxy tells of, with the secrets read from their files.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tracing::warn;
use whipstitch_proxy::config::Ice;
use whipstitch_signaling::ice::{Credentials, IceServers, SecretError, TurnSecret};

/// Longest file that is read, in bytes; a secret is one word.
const LONGEST: u64 = 64 * 1024;

/// Reads the files.
///
/// # Errors
/// One cannot be read, or does not hold what it should.
pub(crate) fn servers(config: &Ice) -> Result<IceServers, IceFileError> {
    let secret = config.turn_secret_file.as_deref();
    let secret = secret
        .map(|path| word(path, TurnSecret::parse))
        .transpose()?;
    let fixed = config
        .username
        .as_deref()
        .zip(config.credential_file.as_deref());
    let fixed = fixed
        .map(|(username, path)| word(path, |text| Credentials::fixed(username, text)))
        .transpose()?;
    Ok(IceServers {
        urls: config.servers.clone(),
        fixed,
        secret,
        ttl: config.turn_ttl.as_secs(),
        replace: config.replace,
    })
}

fn word<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, SecretError>,
) -> Result<T, IceFileError> {
    let unreadable = |error| IceFileError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_or(0, |meta| meta.permissions().mode());
    if mode & 0o007 != 0 {
        warn!(file = %path.display(), "can be opened by every user of this machine; chmod o= it");
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    parse(&text).map_err(|error| IceFileError::Malformed(path.to_owned(), error))
}

/// A file with a secret of the TURN servers cannot be used.
#[derive(Debug, Error)]
pub enum IceFileError {
    /// It cannot be read.
    #[error("{}: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It holds something else.
    #[error("{} {_1}", _0.display())]
    Malformed(PathBuf, #[source] SecretError),
}
