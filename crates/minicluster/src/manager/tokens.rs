//! Logins of 2.0 and the tokens they give (Red5 Pro documentation, Stream Manager 2.0, JWT client
//! authentication).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::time::Instant;

use crate::config::Credentials;
use crate::registry::unix_millis;

/// Tokens that are valid at once; the oldest go first.
const MAX_TOKENS: usize = 1024;

/// The credentials of a login, and the tokens that are valid.
#[derive(Debug)]
pub(crate) struct Tokens {
    user_and_password: String,
    life: Duration,
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    last: u64,
    valid: VecDeque<(String, Instant)>,
}

impl Tokens {
    pub(crate) fn new(credentials: &Credentials, life: Duration) -> Self {
        Self {
            user_and_password: format!("{}:{}", credentials.user, credentials.password),
            life,
            given: Mutex::default(),
        }
    }

    /// A token for this user and password, joined by a colon.
    pub(super) fn login(&self, basic: Option<&str>) -> Option<String> {
        if basic != Some(&self.user_and_password) {
            return None;
        }
        let mut given = self.lock();
        given.last += 1;
        // It has the form of a JWT. Only the manager checks the signature, so a number will do.
        let seconds = unix_millis() / 1000;
        let head = json!({"alg": "HS256", "typ": "JWT"});
        let claims = json!({"exp": seconds + self.life.as_secs(), "iat": seconds});
        let parts = [
            head.to_string(),
            claims.to_string(),
            format!("signature {}", given.last),
        ];
        let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        if given.valid.len() >= MAX_TOKENS {
            given.valid.pop_front();
        }
        let until = Instant::now() + self.life;
        given.valid.push_back((token.clone(), until));
        Some(token)
    }

    /// Whether this token was issued and has not expired.
    pub(super) fn holds(&self, bearer: Option<&str>) -> bool {
        let now = Instant::now();
        let mut given = self.lock();
        given.valid.retain(|(_, until)| *until > now);
        given.valid.iter().any(|(token, _)| bearer == Some(token))
    }

    /// None is valid any more.
    pub(crate) fn forget(&self) {
        self.lock().valid.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
