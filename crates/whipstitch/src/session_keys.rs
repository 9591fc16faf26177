//! The file of session keys, watched: replacing it rotates the key.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use whipstitch_signaling::session::{KeyError, SessionKeys};

use crate::{
    config::session_key_file,
    file_watch::{FileState, ReloadMetrics, Schedule},
};

/// Longest file that is read, in bytes; 16 keys take less than one thousand.
const LONGEST: u64 = 64 * 1024;

/// A key file, as it was when it was last looked at.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    /// A digest of the content in use; `None` if the file was never readable. Not the content: it
    /// would appear in Debug output.
    digest: Option<u64>,
    digests: RandomState,
    /// What was wrong with it at the last look, so that it is said once.
    wrong: Option<String>,
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
        let file = |text: Option<String>, wrong, keys| {
            let (keys, receiver) = watch::channel(Arc::new(keys));
            let digests = RandomState::new();
            let file = Self {
                path: path.to_owned(),
                digest: text.map(|text| digests.hash_one(text)),
                digests,
                wrong,
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

    /// Looks at the file every 10 s, and whenever it is asked to, until `stop`.
    pub(crate) async fn watch(
        self,
        stop: CancellationToken,
        reloads: ReloadMetrics,
        schedule: Schedule,
    ) {
        self.watch_with(read, stop, reloads, schedule).await;
    }

    async fn watch_with<R>(
        mut self,
        read_file: R,
        stop: CancellationToken,
        reloads: ReloadMetrics,
        mut schedule: Schedule,
    ) where
        R: Fn(&Path) -> Result<String, KeyFileError> + Clone + Send + 'static,
    {
        reloads.unusable(self.wrong.is_some());
        while let Some(due) = schedule.next(&stop).await {
            let (read_file, path) = (read_file.clone(), self.path.clone());
            let found = match tokio::task::spawn_blocking(move || read_file(&path)).await {
                Ok(found) => found,
                Err(error) => {
                    reloads.count(false);
                    warn!(%error, "the look at the session keys failed; the next one is due");
                    continue;
                }
            };
            let look = self.apply(found);
            reloads.unusable(self.wrong.is_some());
            // What was wrong before is wrong still, and worth an answer to who asks.
            due.done(|| match (&look, &self.wrong) {
                (Look::Renewed { .. }, _) => FileState::Changed,
                (_, Some(wrong)) => FileState::Failed(wrong.clone()),
                (_, None) => FileState::Unchanged,
            });
            match look {
                Look::Same => {}
                Look::Renewed { keys } => {
                    reloads.count(true);
                    info!(file = %self.path.display(), keys, "the changed session keys are in use");
                }
                Look::Wrong(error) => {
                    reloads.count(false);
                    warn!(%error, "the changed session keys cannot be used; the former ones stay");
                }
            }
        }
    }

    /// Applies what has changed.
    fn apply(&mut self, found: Result<String, KeyFileError>) -> Look {
        let text = match found {
            Ok(text) => text,
            Err(error) => return self.is_wrong(&error),
        };
        let digest = Some(self.digests.hash_one(&text));
        if self.digest == digest {
            self.wrong = None;
            return Look::Same;
        }
        let newer = match SessionKeys::parse(&text) {
            Ok(newer) => newer,
            Err(error) => {
                return self.is_wrong(&KeyFileError::Malformed(self.path.clone(), error));
            }
        };
        let renewed = self.keys.borrow().renewed(newer);
        let keys = renewed.count();
        self.keys.send_replace(Arc::new(renewed));
        (self.digest, self.wrong) = (digest, None);
        Look::Renewed { keys }
    }

    fn is_wrong(&mut self, error: &KeyFileError) -> Look {
        let error = error.to_string();
        if self.wrong.as_ref() == Some(&error) {
            return Look::Same;
        }
        self.wrong = Some(error.clone());
        Look::Wrong(error)
    }
}

/// What a look at the file has brought.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing new.
    Same,
    /// New keys are in use.
    Renewed {
        /// How many there are now, the former ones included.
        keys: usize,
    },
    /// It has changed and cannot be used.
    Wrong(String),
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
    use std::{fs, time::Duration};

    use http::uri::PathAndQuery;
    use prometheus::Registry;
    use whipstitch_signaling::{Role, StreamKey, session::Session, tag::Tag};

    use super::*;
    use crate::file_watch::{INTERVAL, schedule};

    const KEY_A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const KEY_B: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

    impl KeyFile {
        fn look(&mut self) -> Look {
            self.apply(read(&self.path))
        }
    }

    fn stream() -> StreamKey {
        StreamKey::new("live", "s1").unwrap()
    }

    fn seal(keys: &SessionKeys) -> String {
        let session = Session {
            node: [10, 0, 0, 1].into(),
            resource: PathAndQuery::from_static("/x"),
            issued_at: 1,
            tag: Tag::None,
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
        let (mut file, keys) = KeyFile::load(&path).unwrap();
        let old = seal(&keys.borrow());
        assert_eq!(file.look(), Look::Same);
        fs::write(&path, KEY_B).unwrap();
        assert_eq!(file.look(), Look::Renewed { keys: 2 });
        assert_eq!(file.look(), Look::Same);
        assert!(opens(&keys.borrow(), &old));
        let only_b = SessionKeys::parse(KEY_B).unwrap();
        assert!(opens(&only_b, &seal(&keys.borrow())));
    }

    #[test]
    fn a_wrong_file_changes_nothing_and_is_told_of_once_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (mut file, keys) = KeyFile::load(&path).unwrap();
        let old = seal(&keys.borrow());
        fs::write(&path, "junk").unwrap();
        assert!(matches!(file.look(), Look::Wrong(_)));
        assert_eq!(file.look(), Look::Same);
        fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(), Look::Wrong(_)));
        assert_eq!(file.look(), Look::Same);
        assert!(opens(&keys.borrow(), &old));
        // Healed and broken again is another change.
        fs::write(&path, KEY_A).unwrap();
        assert_eq!(file.look(), Look::Same);
        fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(), Look::Wrong(_)));
    }

    #[test]
    fn a_file_that_comes_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        let (mut file, keys) = KeyFile::load(&path).unwrap();
        let random = seal(&keys.borrow());
        assert_eq!(file.look(), Look::Same);
        fs::write(&path, KEY_A).unwrap();
        assert_eq!(file.look(), Look::Renewed { keys: 2 });
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

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_is_not_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (file, mut keys) = KeyFile::load(&path).unwrap();
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let stop = CancellationToken::new();
        let looks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let fails_once = move |path: &Path| {
            let look = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert!(look > 0, "the first one fails");
            read(path)
        };
        fs::write(&path, KEY_B).unwrap();
        let changed = async {
            keys.changed().await.unwrap();
            stop.cancel();
        };
        tokio::join!(
            file.watch_with(fails_once, stop.clone(), reloads.clone(), schedule().1),
            changed
        );
        assert_eq!(reloads.totals(), (1, 1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_looks_every_ten_seconds_and_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (file, mut keys) = KeyFile::load(&path).unwrap();
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let stop = CancellationToken::new();
        let change = async {
            fs::write(&path, KEY_B).unwrap();
            let began = tokio::time::Instant::now();
            keys.changed().await.unwrap();
            assert!(began.elapsed() <= INTERVAL + Duration::from_secs(1));
            stop.cancel();
        };
        let asked = schedule().1;
        tokio::join!(file.watch(stop.clone(), reloads.clone(), asked), change);
        assert_eq!(reloads.totals(), (1, 0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_told_what_came_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        fs::write(&path, KEY_A).unwrap();
        let (file, _keys) = KeyFile::load(&path).unwrap();
        let reloads = ReloadMetrics::of_session_keys(&Registry::new()).unwrap();
        let (stop, (ask, asked)) = (CancellationToken::new(), schedule());
        let talk = async {
            assert_eq!(ask.read_now().await, Some(FileState::Unchanged));
            fs::write(&path, KEY_B).unwrap();
            assert_eq!(ask.read_now().await, Some(FileState::Changed));
            fs::write(&path, "junk").unwrap();
            for _ in 0..2 {
                assert!(matches!(ask.read_now().await, Some(FileState::Failed(_))));
                assert_eq!(reloads.totals(), (1, 1, true));
            }
            fs::write(&path, KEY_B).unwrap();
            assert_eq!(ask.read_now().await, Some(FileState::Unchanged));
            assert_eq!(reloads.totals(), (1, 1, false));
            fs::remove_file(&path).unwrap();
            assert!(matches!(ask.read_now().await, Some(FileState::Failed(_))));
            assert_eq!(reloads.totals(), (1, 2, true));
            stop.cancel();
        };
        tokio::join!(file.watch(stop.clone(), reloads.clone(), asked), talk);
        assert_eq!(ask.read_now().await, None);
    }
}
