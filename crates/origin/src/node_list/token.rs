//! The access token of the Stream Manager's administration API.

use std::fmt;

use thiserror::Error;

use super::reply;

/// Longest token that is taken, in bytes.
const MAX_TOKEN: usize = 1024;

/// A secret: `Debug` does not show it, and there is no `Display`.
pub struct AccessToken(String);

impl AccessToken {
    /// Reads a token, without the white space around it.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let token = text.trim();
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if token.len() > MAX_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Malformed);
        }
        Ok(Self(token.to_owned()))
    }

    /// As it stands in a query.
    pub(super) fn percent_encoded(&self) -> String {
        reply::percent_encoded(&self.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(...)")
    }
}

/// Why a text is no access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is nothing in it.
    #[error("holds no access token")]
    Empty,
    /// It has several words, control characters, or is too long.
    #[error(
        "holds something else than one access token, printable and at most {MAX_TOKEN} bytes long"
    )]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token = AccessToken::parse(" s3cr&t=\n").unwrap();
        assert_eq!(token.percent_encoded(), "s3cr%26t%3D");
        assert!(!format!("{token:?}").contains("s3cr"));
        assert_eq!(AccessToken::parse(" \n").unwrap_err(), TokenError::Empty);
        for text in ["two words", "a\nb", "é", &"x".repeat(2000)] {
            assert_eq!(AccessToken::parse(text).unwrap_err(), TokenError::Malformed);
        }
    }
}
