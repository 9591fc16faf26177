//! The login at a Stream Manager 2.0: user and password for a token of short life (Stream Manager
//! 2.0 Auth API: `PUT /as/v1/auth/login` with Basic credentials, answered with `{"token":"…"}`).
//!
//! | when | what |
//! |---|---|
//! | there is no token, or four fifths of its life are over, or the files hold something else | a login |
//! | a call gets 401 with a token that worked before | the token is dropped, and there is one login |
//! | a call gets 401 with the token of that login | this counts as a refused login, and the next login alone does not end it |
//! | a login is refused (400, 401, 403) | the next one is 30 s later, then 1 min, … up to 10 min; at once if the files change or the operator reloads |
//! | a login fails otherwise, or with another status (Traefik answers 404 while as-auth starts) | the next one is at the next poll |
//! | a call with a new token is answered with a list or 403 | the manager takes the token, and earlier refusals are forgotten |
//! | a login fails while the token in use is still good | the token stays in use |
//!
//! Replicas spread their logins by a jitter of a tenth. Changes of the state are logged, once each.

mod jwt;
mod secret;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io::ErrorKind,
    mem,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::Instant;
use tracing::{info, warn};

use super::calls::{self, CallError, Calls};
use crate::{
    answer::MAX_ANSWER,
    metrics::{LoginOutcome, LoginSeen, Metrics},
};

pub use secret::{Password, SecretError, User};

/// The wait after the first refused login; each time in a row it is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait after a refused login.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Longest token that is taken, in bytes. A JWT with a few claims has some hundred.
const MAX_TOKEN: usize = 8192;

/// Logs in, and keeps the token.
pub(super) struct Login {
    url: String,
    user_file: PathBuf,
    password_file: PathBuf,
    token: Option<Token>,
    refused: Option<Refused>,
    /// What was logged last.
    told: Option<Result<(), LoginError>>,
    since: SystemTime,
    random: RandomState,
    metrics: Metrics,
}

/// A token that the manager gave.
struct Token {
    bearer: HeaderValue,
    renew_at: Instant,
    ends: Instant,
    ends_at: SystemTime,
    /// Whether a call with it was accepted.
    proved: bool,
    /// A digest of the user and password that it was given for.
    digest: u64,
}

/// A login that the manager refused.
struct Refused {
    error: LoginError,
    /// A digest of the user and password that were refused.
    digest: u64,
    in_a_row: u32,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: String,
}

impl Login {
    pub(super) fn new(
        url: String,
        user_file: PathBuf,
        password_file: PathBuf,
        metrics: Metrics,
    ) -> Self {
        Self {
            url,
            user_file,
            password_file,
            token: None,
            refused: None,
            told: None,
            since: SystemTime::now(),
            random: RandomState::new(),
            metrics,
        }
    }

    /// `Bearer` and a token that is good now, after a login if it takes one.
    pub(super) async fn token(&mut self, calls: &Calls) -> Result<HeaderValue, LoginError> {
        let outcome = match self.renew(calls).await {
            Ok(Some(token)) => {
                self.token = Some(token);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if outcome.is_err() || !self.is_doubted() {
            self.tell(&outcome);
        }
        match (&self.token, outcome) {
            (Some(token), _) if Instant::now() < token.ends => Ok(token.bearer.clone()),
            (_, Err(error)) => Err(error),
            // A life that is over at once: the manager may see it otherwise.
            (Some(token), Ok(())) => Ok(token.bearer.clone()),
            (None, Ok(())) => Err(LoginError::NoToken),
        }
    }

    /// A call with the token was accepted.
    pub(super) fn accepted(&mut self) {
        let doubted = self.is_doubted();
        let Some(token) = &mut self.token else { return };
        if mem::replace(&mut token.proved, true) {
            return;
        }
        self.refused = None;
        if doubted {
            self.tell(&Ok(()));
        }
    }

    /// The manager did not accept the token of the last login, and has not accepted a newer one
    /// yet.
    fn is_doubted(&self) -> bool {
        let rejected = |refused: &Refused| refused.error == LoginError::TokenRejected;
        self.refused.as_ref().is_some_and(rejected)
            && self.token.as_ref().is_some_and(|token| !token.proved)
    }

    /// A call with the token got 401.
    ///
    /// # Errors
    /// The token was new: another login would bring another such token.
    pub(super) fn rejected(&mut self) -> Result<(), LoginError> {
        match self.token.take() {
            Some(token) if !token.proved => {
                let error = LoginError::TokenRejected;
                self.refuse(error.clone(), token.digest);
                let outcome = Err(error);
                self.metrics.logged_in(outcome_of(&outcome));
                self.tell(&outcome);
                outcome
            }
            _ => Ok(()),
        }
    }

    /// A refused login may be tried again now.
    pub(super) fn retry_now(&mut self) {
        if let Some(refused) = &mut self.refused {
            refused.until = Instant::now();
        }
    }

    /// Another token, if it is time for one.
    async fn renew(&mut self, calls: &Calls) -> Result<Option<Token>, LoginError> {
        let (user, password) = self.read().await?;
        let digest = self.random.hash_one((user.as_str(), password.as_str()));
        let now = Instant::now();
        let good = |token: &Token| now < token.renew_at && token.digest == digest;
        if self.token.as_ref().is_some_and(good) {
            return Ok(None);
        }
        let waits = |refused: &&Refused| refused.digest == digest && now < refused.until;
        if let Some(refused) = self.refused.as_ref().filter(waits) {
            return Err(refused.error.clone());
        }
        let answer = log_in(calls, &self.url, &user, &password).await;
        self.metrics.logged_in(outcome_of(&answer));
        match answer {
            Ok(token) => Ok(Some(self.keep(&token, digest)?)),
            Err(error) => {
                if error.is_refusal() {
                    self.refuse(error.clone(), digest);
                }
                Err(error)
            }
        }
    }

    async fn read(&self) -> Result<(User, Password), LoginError> {
        let user = calls::read(self.user_file.clone()).await;
        let user = User::parse(&user.map_err(LoginError::UserUnreadable)?);
        let password = calls::read(self.password_file.clone()).await;
        let password = Password::parse(&password.map_err(LoginError::PasswordUnreadable)?);
        Ok((
            user.map_err(LoginError::User)?,
            password.map_err(LoginError::Password)?,
        ))
    }

    fn keep(&self, token: &str, digest: u64) -> Result<Token, LoginError> {
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| LoginError::NoToken)?;
        bearer.set_sensitive(true);
        let life = jwt::life(token, SystemTime::now());
        let now = Instant::now();
        Ok(Token {
            bearer,
            renew_at: now + self.spread(life * 4 / 5),
            ends: now + life,
            ends_at: SystemTime::now() + life,
            proved: false,
            digest,
        })
    }

    fn refuse(&mut self, error: LoginError, digest: u64) {
        let before = self.refused.take().filter(|before| before.digest == digest);
        let in_a_row = before.map_or(0, |before| before.in_a_row.saturating_add(1));
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(in_a_row));
        self.refused = Some(Refused {
            error,
            digest,
            in_a_row,
            until: Instant::now() + self.spread(wait.min(LONGEST_WAIT)),
        });
    }

    /// Up to a tenth less.
    fn spread(&self, time: Duration) -> Duration {
        let random = self.random.hash_one(Instant::now()) % 1000;
        let share = u32::try_from(random).unwrap_or_default();
        time.saturating_sub(time / 10 * share / 1000)
    }

    /// Logs a change of the state, and shows the state.
    fn tell(&mut self, outcome: &Result<(), LoginError>) {
        if self.told.as_ref() != Some(outcome) {
            let before = self.told.replace(outcome.clone());
            let lasted = self.since.elapsed().unwrap_or_default().as_secs();
            self.since = SystemTime::now();
            match outcome {
                Err(error) => {
                    warn!(%error, "the login at the Stream Manager failed: its list of nodes is polled only as long as the former token is good");
                }
                Ok(()) if before.is_some() => {
                    info!(
                        failed_for_s = lasted,
                        "logged in at the Stream Manager again"
                    );
                }
                Ok(()) => info!("logged in at the Stream Manager"),
            }
        }
        self.metrics.login(LoginSeen {
            error: outcome.as_ref().err().map(ToString::to_string),
            refused: outcome.as_ref().is_err_and(LoginError::is_refusal),
            since: self.since,
            token_ends: self.token.as_ref().map(|token| token.ends_at),
        });
    }
}

/// The token that the manager gives for these.
async fn log_in(
    calls: &Calls,
    url: &str,
    user: &User,
    password: &Password,
) -> Result<String, LoginError> {
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", user.as_str(), password.as_str()));
    let mut basic =
        HeaderValue::try_from(format!("Basic {credentials}")).map_err(|_| LoginError::NoToken)?;
    basic.set_sensitive(true);
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, basic),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_LENGTH, HeaderValue::from_static("0")),
    ]);
    let body = match calls.send(Method::PUT, url, headers, MAX_ANSWER).await {
        Ok(body) => body,
        Err(CallError::Status(status @ (400 | 401 | 403))) => {
            return Err(LoginError::Refused(status));
        }
        Err(error) => return Err(LoginError::Call(error)),
    };
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| LoginError::NoToken)?;
    let is_one = |token: &String| {
        (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    Some(answer.token).filter(is_one).ok_or(LoginError::NoToken)
}

/// The label of a login's result.
fn outcome_of<T>(result: &Result<T, LoginError>) -> LoginOutcome {
    match result {
        Ok(_) => LoginOutcome::Ok,
        Err(error) if error.is_refusal() => LoginOutcome::Refused,
        Err(_) => LoginOutcome::Failed,
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The file with the user cannot be read.
    #[error("stream_manager.user_file cannot be read: {0}")]
    UserUnreadable(ErrorKind),
    /// It holds something else.
    #[error("stream_manager.user_file {0}")]
    User(SecretError),
    /// The file with the password cannot be read.
    #[error("stream_manager.password_file cannot be read: {0}")]
    PasswordUnreadable(ErrorKind),
    /// It holds something else.
    #[error("stream_manager.password_file {0}")]
    Password(SecretError),
    /// The manager said no.
    #[error(
        "the Stream Manager refused the login with status {0}: check stream_manager.user_file and stream_manager.password_file"
    )]
    Refused(u16),
    /// The manager does not accept its own token: most often the user may not read the
    /// administration API.
    #[error("the Stream Manager answered with status 401 to the token that it had just given")]
    TokenRejected,
    /// No answer to the login.
    #[error("login: the Stream Manager {0}")]
    Call(CallError),
    /// The answer to the login is not `{"token":"…"}`.
    #[error("the Stream Manager answered the login with something that holds no token")]
    NoToken,
}

impl LoginError {
    /// Whether another login with the same user and password would be refused, too.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TokenRejected)
    }
}
