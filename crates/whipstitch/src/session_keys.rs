//! The file of session keys, watched: replacing it rotates the key.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;
use tokio::sync::watch;
use tracing::{info, warn};
use whipstitch_signaling::session::{KeyError, SessionKeys};

use crate::{config::session_key_file, file_watch::Watched};

/// Longest file that is read, in bytes; 16 keys take less than one thousand.
const LONGEST: u64 = 64 * 1024;

/// A key file, as it was when it was last read.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    /// A digest of the content in use; `None` if the file was never readable. Not the content: it
    /// would appear in Debug output.
    digest: Mutex<Option<u64>>,
    digests: RandomState,
    /// Why it could not be read at the start.
    missing: Option<String>,
    keys: watch::Sender<Arc<SessionKeys>>,
}

impl KeyFile {
    /// Reads the file. One that does not exist is waited for, with a key of this process' own until
    /// then.
    ///
    /// # Errors
    /// It cannot be read, or does not hold keys.
    pub(crate) fn load(
        path: &Path,
    ) -> Result<(Self, watch::Receiver<Arc<SessionKeys>>), KeyFileError> {
        let file = |text: Option<String>, missing, keys| {
            let (keys, receiver) = watch::channel(Arc::new(keys));
            let digests = RandomState::new();
            let file = Self {
                path: path.to_owned(),
                digest: Mutex::new(text.map(|text| digests.hash_one(text))),
                digests,
                missing,
                keys,
            };
            (file, receiver)
        };
        let malformed = |error| KeyFileError::Malformed(path.to_owned(), error);
        match read(path) {
            Ok(text) => {
                let keys = SessionKeys::parse(&text).map_err(malformed)?;
                Ok(file(Some(text), None, keys))
            }
            Err(KeyFileError::Unreadable(path, error)) if error.kind() == ErrorKind::NotFound => {
                warn!(file = %path.display(), "sessions.key_file {}", session_key_file::MISSING);
                let missing = KeyFileError::Unreadable(path, error).to_string();
                let keys = SessionKeys::random().map_err(malformed)?;
                Ok(file(None, Some(missing), keys))
            }
            Err(error) => Err(error),
        }
    }
}

impl Watched for KeyFile {
    const WHAT: &'static str = "session keys";

    fn read(&self) -> Result<bool, String> {
        let text = read(&self.path).map_err(|error| error.to_string())?;
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Some(self.digests.hash_one(&text));
        if *digest == found {
            return Ok(false);
        }
        let newer = SessionKeys::parse(&text)
            .map_err(|error| KeyFileError::Malformed(self.path.clone(), error).to_string())?;
        let renewed = self.keys.borrow().renewed(newer);
        let keys = renewed.count();
        self.keys.send_replace(Arc::new(renewed));
        *digest = found;
        info!(file = %self.path.display(), keys, "the changed session keys are in use");
        Ok(true)
    }

    fn wrong_at_start(&self) -> Option<String> {
        self.missing.clone()
    }
}

fn read(path: &Path) -> Result<String, KeyFileError> {
    let unreadable = |error| KeyFileError::Unreadable(path.to_owned(), error);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(unreadable)?;
    Ok(text)
}

/// A key file that cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It does not hold keys.
    #[error("{}: {_1}", _0.display())]
    Malformed(PathBuf, #[source] KeyError),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::uri::PathAndQuery;
    use whipstitch_signaling::{Role, StreamKey, session::Session, tag::Tag};

    use super::*;

    const KEY_A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const KEY_B: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

    fn stream() -> StreamKey {
        StreamKey::new("live", "s1").unwrap()
    }

    fn seal(keys: &SessionKeys) -> String {
        let session = Session {
            node: [10, 0, 0, 1].into(),
            resource: PathAndQuery::from_static("/x"),
            issued_at: 1,
            tag: Tag::None,
            owner: None,
        };
        keys.seal(Role::Publish, &stream(), &session).unwrap()
    }

    fn opens(keys: &SessionKeys, token: &str) -> bool {
        keys.open(Role::Publish, &stream(), token).is_some()
    }

    #[test]
    fn a_changed_file_is_taken_up_and_old_tokens_live_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (file, keys) = KeyFile::load(&path).unwrap();
        let old = seal(&keys.borrow());
        assert_eq!(file.read(), Ok(false));
        fs::write(&path, KEY_B).unwrap();
        assert_eq!(file.read(), Ok(true));
        assert_eq!(file.read(), Ok(false));
        assert!(opens(&keys.borrow(), &old));
        let only_b = SessionKeys::parse(KEY_B).unwrap();
        assert!(opens(&only_b, &seal(&keys.borrow())));
    }

    #[test]
    fn a_wrong_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (file, keys) = KeyFile::load(&path).unwrap();
        let old = seal(&keys.borrow());
        fs::write(&path, "junk").unwrap();
        assert!(file.read().is_err());
        fs::remove_file(&path).unwrap();
        assert!(file.read().is_err());
        assert!(opens(&keys.borrow(), &old));
        fs::write(&path, KEY_A).unwrap();
        assert_eq!(file.read(), Ok(false));
    }

    #[test]
    fn a_file_that_comes_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        let (file, keys) = KeyFile::load(&path).unwrap();
        let random = seal(&keys.borrow());
        assert_eq!(file.wrong_at_start(), file.read().err());
        assert!(file.wrong_at_start().is_some());
        fs::write(&path, KEY_A).unwrap();
        assert_eq!(file.read(), Ok(true));
        assert!(opens(&keys.borrow(), &random));
        let only_a = SessionKeys::parse(KEY_A).unwrap();
        assert!(opens(&only_a, &seal(&keys.borrow())));
    }

    #[test]
    fn what_is_there_and_wrong_keeps_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, "junk").unwrap();
        assert!(matches!(
            KeyFile::load(&path),
            Err(KeyFileError::Malformed(..))
        ));
        assert!(matches!(
            KeyFile::load(dir.path()),
            Err(KeyFileError::Unreadable(..))
        ));
    }

    #[test]
    fn nothing_that_is_printed_holds_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_B).unwrap();
        let (file, _keys) = KeyFile::load(&path).unwrap();
        let printed = format!("{file:?} {file:#?}");
        assert!(!printed.contains(KEY_B.trim()), "{printed}");
    }
}
