//! `[ice]` → the servers that the proxy announces. The files with their secrets are read at the
//! start, and again whenever they change, as those of session keys are.

use std::{
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::Arc,
};

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use whipstitch_proxy::config::Ice;
use whipstitch_signaling::ice::{Credentials, IceServers, TurnSecret};

use crate::{
    config::secret_file,
    file_watch::{FileState, ReloadMetrics, Schedule},
};

/// The servers, as their files were when they were last looked at.
#[derive(Debug)]
pub(crate) struct IceFiles {
    config: Ice,
    /// A digest of the contents in use.
    digest: u64,
    digests: RandomState,
    /// What was wrong at the last look, so that it is said once.
    wrong: Option<String>,
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
            digest,
            digests,
            wrong: None,
            servers,
        };
        Ok((files, receiver))
    }

    /// Whether there is any file to look at.
    pub(crate) fn can_change(&self) -> bool {
        self.config.turn_secret_file.is_some() || self.config.credential_file.is_some()
    }

    /// Looks at the files every 10 s, and whenever it is asked to, until `stop`.
    pub(crate) async fn watch(
        mut self,
        stop: CancellationToken,
        reloads: ReloadMetrics,
        mut schedule: Schedule,
    ) {
        while let Some(due) = schedule.next(&stop).await {
            let (config, digests) = (self.config.clone(), self.digests.clone());
            let found = tokio::task::spawn_blocking(move || read(&config, &digests)).await;
            match found {
                Ok(found) => {
                    let changed = self.apply(found, &reloads);
                    reloads.unusable(self.wrong.is_some());
                    due.done(|| match &self.wrong {
                        Some(wrong) => FileState::Failed(wrong.clone()),
                        None if changed => FileState::Changed,
                        None => FileState::Unchanged,
                    });
                }
                Err(error) => {
                    reloads.count(false);
                    warn!(%error, "the look at the files of [ice] failed; the next one is due");
                }
            }
        }
    }

    /// Applies what has changed; whether anything has.
    fn apply(
        &mut self,
        found: Result<(IceServers, u64), IceFileError>,
        reloads: &ReloadMetrics,
    ) -> bool {
        match found {
            Ok((servers, digest)) => {
                self.wrong = None;
                let changed = digest != self.digest;
                if changed {
                    self.digest = digest;
                    self.servers.send_replace(Arc::new(servers));
                    reloads.count(true);
                    info!("the changed secrets of [ice] are in use");
                }
                changed
            }
            Err(IceFileError(what)) => {
                if self.wrong.as_ref() != Some(&what) {
                    reloads.count(false);
                    warn!(error = %what, "the changed secrets of [ice] cannot be used; the former ones stay");
                    self.wrong = Some(what);
                }
                false
            }
        }
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
    use std::{fs, time::Duration};

    use super::*;
    use crate::file_watch::INTERVAL;

    fn password(servers: &IceServers) -> String {
        servers.fixed.as_ref().unwrap().password.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_secret_is_taken_up_within_ten_seconds_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turn.password");
        fs::write(&path, "first\n").unwrap();
        let config = Ice {
            username: Some("u".to_owned()),
            credential_file: Some(path.clone()),
            ..Ice::default()
        };
        let (files, mut servers) = IceFiles::load(&config).unwrap();
        assert!(files.can_change());
        assert_eq!(password(&servers.borrow()), "first");
        let reloads = ReloadMetrics::of_ice_secrets(&prometheus::Registry::new()).unwrap();
        let stop = CancellationToken::new();
        let change = async {
            let began = tokio::time::Instant::now();
            fs::write(&path, "two words\n").unwrap();
            tokio::time::sleep(INTERVAL * 3).await;
            assert!(!servers.has_changed().unwrap());
            assert_eq!(reloads.totals(), (0, 1, true));
            fs::write(&path, "second\n").unwrap();
            servers.changed().await.unwrap();
            assert!(began.elapsed() <= INTERVAL * 4 + Duration::from_secs(1));
            stop.cancel();
        };
        let asked = crate::file_watch::schedule().1;
        tokio::join!(files.watch(stop.clone(), reloads.clone(), asked), change);
        assert_eq!(password(&servers.borrow()), "second");
        assert_eq!(reloads.totals(), (1, 1, false));
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
