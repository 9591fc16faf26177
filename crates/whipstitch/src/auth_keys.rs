//! `[auth]` → the keys of tokens. Their files are read at the start, and again whenever they
//! change, as those of session keys are.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;
use tokio::sync::watch;
use tracing::info;
use whipstitch_auth::{Auth, Keys};

use crate::{config::auth_keys, file_watch::Watched};

/// The keys, as their files were when they were last read.
#[derive(Debug)]
pub(crate) struct AuthKeyFiles {
    config: Auth,
    /// A digest of the contents in use.
    digest: Mutex<u64>,
    digests: RandomState,
    keys: watch::Sender<Arc<Keys>>,
}

impl AuthKeyFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or holds no keys.
    pub(crate) fn load(config: &Auth) -> Result<(Self, watch::Receiver<Arc<Keys>>), AuthKeysError> {
        let digests = RandomState::new();
        let (keys, digest) = read(config, &digests)?;
        let (keys, receiver) = watch::channel(Arc::new(keys));
        let files = Self {
            config: config.clone(),
            digest: Mutex::new(digest),
            digests,
            keys,
        };
        Ok((files, receiver))
    }

    /// Whether there is any file to read.
    pub(crate) fn can_change(&self) -> bool {
        self.config.key_file.is_some() || self.config.jwks_file.is_some()
    }
}

impl Watched for AuthKeyFiles {
    const WHAT: &'static str = "keys of [auth]";

    fn read(&self) -> Result<bool, String> {
        let read = read(&self.config, &self.digests);
        let (keys, found) = read.map_err(|error| error.to_string())?;
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *digest != found;
        if changed {
            *digest = found;
            info!(keys = keys.count(), "the changed keys of [auth] are in use");
            self.keys.send_replace(Arc::new(keys));
        }
        Ok(changed)
    }
}

/// The keys, and a digest of what their files hold.
fn read(config: &Auth, digests: &RandomState) -> Result<(Keys, u64), AuthKeysError> {
    let mut texts = Vec::new();
    let read = auth_keys::read(config, |text| texts.push(text.to_owned()));
    let keys = read.map_err(|wrong| AuthKeysError(wrong.key, wrong.what))?;
    Ok((keys, digests.hash_one(&texts)))
}

/// A file with keys of tokens cannot be used.
#[derive(Debug, Error)]
#[error("{0}: {1}")]
pub struct AuthKeysError(&'static str, String);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changed_keys_are_used_and_broken_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.key");
        fs::write(&path, "a".repeat(32)).unwrap();
        let config = Auth {
            key_file: Some(path.clone()),
            ..Auth::default()
        };
        let (files, keys) = AuthKeyFiles::load(&config).unwrap();
        let first = keys.borrow().clone();
        assert_eq!(files.read(), Ok(false));
        fs::write(&path, "short").unwrap();
        let said = files.read().unwrap_err();
        assert!(
            said.contains("auth.key_file") && !said.contains("short\""),
            "{said}"
        );
        assert!(Arc::ptr_eq(&first, &keys.borrow()));
        fs::write(&path, "b".repeat(32)).unwrap();
        assert_eq!(files.read(), Ok(true));
        assert!(!Arc::ptr_eq(&first, &keys.borrow()));
    }
}
