//! `[ice]` → the servers that the proxy announces. The files with their secrets are read at the
//! start, and again whenever they change, as those of session keys are.

use std::{
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;
use tokio::sync::watch;
use tracing::info;
use whipstitch_proxy::config::Ice;
use whipstitch_signaling::ice::{Credentials, IceServers, TurnSecret};

use crate::{config::secret_file, file_watch::Watched};

/// The servers, as their files were when they were last read.
#[derive(Debug)]
pub(crate) struct IceFiles {
    config: Ice,
    /// A digest of the contents in use.
    digest: Mutex<u64>,
    digests: RandomState,
    servers: watch::Sender<Arc<IceServers>>,
}

impl IceFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or does not hold what it should.
    pub(crate) fn load(
        config: &Ice,
    ) -> Result<(Self, watch::Receiver<Arc<IceServers>>), IceFileError> {
        let digests = RandomState::new();
        let (found, digest) = read(config, &digests)?;
        let (servers, receiver) = watch::channel(Arc::new(found));
        let files = Self {
            config: config.clone(),
            digest: Mutex::new(digest),
            digests,
            servers,
        };
        Ok((files, receiver))
    }

    /// Whether there is any file to read.
    pub(crate) fn can_change(&self) -> bool {
        self.config.turn_secret_file.is_some() || self.config.credential_file.is_some()
    }
}

impl Watched for IceFiles {
    const WHAT: &'static str = "secrets of [ice]";

    fn read(&self) -> Result<bool, String> {
        let (servers, found) = read(&self.config, &self.digests).map_err(|error| error.0)?;
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *digest != found;
        if changed {
            *digest = found;
            self.servers.send_replace(Arc::new(servers));
            info!("the changed secrets of [ice] are in use");
        }
        Ok(changed)
    }
}

/// The servers, and a digest of what their files hold.
fn read(config: &Ice, digests: &RandomState) -> Result<(IceServers, u64), IceFileError> {
    let mut words = Vec::new();
    let mut word = |path: &Path| {
        let kept = |text: &str| {
            words.push(text.trim().to_owned());
            Ok::<_, std::convert::Infallible>(text.to_owned())
        };
        secret_file::read(path, kept).map_err(IceFileError)
    };
    let wrong = |path: &Path, error| IceFileError(format!("{} {error}", path.display()));
    let secret = config.turn_secret_file.as_deref();
    let secret = secret.map(|path| {
        let text = word(path)?;
        TurnSecret::parse(&text).map_err(|error| wrong(path, error))
    });
    let fixed = config
        .username
        .as_deref()
        .zip(config.credential_file.as_deref());
    let fixed = fixed.map(|(username, path)| {
        let text = word(path)?;
        Credentials::fixed(username, &text).map_err(|error| wrong(path, error))
    });
    let servers = IceServers {
        urls: config.servers.clone(),
        fixed: fixed.transpose()?,
        secret: secret.transpose()?,
        ttl: config.turn_ttl.as_secs(),
        replace: config.replace,
    };
    Ok((servers, digests.hash_one(&words)))
}

/// A file with a secret of the TURN servers cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct IceFileError(String);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn password(servers: &IceServers) -> String {
        servers.fixed.as_ref().unwrap().password.clone()
    }

    #[test]
    fn a_changed_secret_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turn.password");
        fs::write(&path, "first\n").unwrap();
        let config = Ice {
            username: Some("u".to_owned()),
            credential_file: Some(path.clone()),
            ..Ice::default()
        };
        let (files, servers) = IceFiles::load(&config).unwrap();
        assert!(files.can_change());
        assert_eq!(password(&servers.borrow()), "first");
        fs::write(&path, "two words\n").unwrap();
        assert!(files.read().is_err());
        assert_eq!(password(&servers.borrow()), "first");
        fs::write(&path, "second\n").unwrap();
        assert_eq!(files.read(), Ok(true));
        assert_eq!(password(&servers.borrow()), "second");
        assert_eq!(files.read(), Ok(false));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turn.secret");
        fs::write(&path, "s3cret two\n").unwrap();
        let config = Ice {
            turn_secret_file: Some(path.clone()),
            ..Ice::default()
        };
        let said = IceFiles::load(&config).unwrap_err().to_string();
        assert!(said.contains("turn.secret holds something else") && !said.contains("s3cret"));
        fs::write(&path, "s3cret\n").unwrap();
        let (files, _servers) = IceFiles::load(&config).unwrap();
        assert!(!format!("{files:?}").contains("s3cret"));
    }
}
