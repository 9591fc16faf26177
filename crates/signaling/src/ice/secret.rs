//! The secret that is shared with a TURN server.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use thiserror::Error;

use super::Credentials;

/// Longest secret that is taken, in bytes.
const MAX_SECRET: usize = 1024;

/// coturn's `static-auth-secret`. `Debug` does not show it, and there is no `Display`.
#[derive(Clone)]
pub struct TurnSecret(hmac::Key);

impl TurnSecret {
    /// Reads a secret, without the white space around it.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let secret = one_word(text)?;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        Ok(Self(key))
    }

    /// Credentials that end at `expiry`, in seconds since 1970.
    pub fn mint(&self, user: &str, expiry: u64) -> Credentials {
        let username = format!("{expiry}:{user}");
        let password = STANDARD.encode(hmac::sign(&self.0, username.as_bytes()));
        Credentials { username, password }
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret(...)")
    }
}

/// The one word that a file with a secret, or a password, holds.
///
/// # Errors
/// There is none, or more than one.
pub(super) fn one_word(text: &str) -> Result<&str, SecretError> {
    let word = text.trim();
    if word.is_empty() {
        return Err(SecretError::Empty);
    }
    if word.len() > MAX_SECRET || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::Malformed);
    }
    Ok(word)
}

impl Credentials {
    /// Fixed credentials; the password is read without the white space around it.
    ///
    /// # Errors
    /// The password cannot be one.
    pub fn fixed(username: &str, password: &str) -> Result<Self, SecretError> {
        Ok(Self {
            username: username.to_owned(),
            password: one_word(password)?.to_owned(),
        })
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There is nothing in it.
    #[error("holds no secret")]
    Empty,
    /// It has several words, control characters, or is too long.
    #[error("holds something else than one word, printable and at most {MAX_SECRET} bytes long")]
    Malformed,
}
