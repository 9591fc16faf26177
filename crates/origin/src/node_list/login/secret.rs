//! The user and the password for a login, as their files hold them.

use std::fmt;

use thiserror::Error;

/// Longest of either, in bytes.
const MAX_LENGTH: usize = 1024;

/// The name of a user. `Debug` does not show it, and there is no `Display`.
pub struct User(String);

/// A password. `Debug` does not show it, and there is no `Display`.
pub struct Password(String);

impl User {
    /// Reads a name, without the white space around it.
    ///
    /// # Errors
    /// It cannot be one: Basic credentials end the name at the first colon (RFC 7617 §2).
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let name = one_line(text.trim())?;
        if name.contains(':') {
            return Err(SecretError::Colon);
        }
        Ok(Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Password {
    /// Reads a password, without the end of its line: a space may be a part of it.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        one_line(text).map(|password| Self(password.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn one_line(text: &str) -> Result<&str, SecretError> {
    if text.is_empty() {
        return Err(SecretError::Empty);
    }
    if text.len() > MAX_LENGTH || text.contains(char::is_control) {
        return Err(SecretError::Malformed);
    }
    Ok(text)
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(...)")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

/// Why a text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// Several lines, control characters, or too long.
    #[error("has to hold one line of at most {MAX_LENGTH} bytes, without control characters")]
    Malformed,
    /// A colon in the name of a user.
    #[error("holds a colon, which cannot be part of a user's name")]
    Colon,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_name_and_a_password_one_line() {
        assert_eq!(User::parse(" admin\n").unwrap().as_str(), "admin");
        assert_eq!(Password::parse(" a:b c \r\n").unwrap().as_str(), " a:b c ");
        for (text, user, password) in [
            ("", SecretError::Empty, SecretError::Empty),
            ("a\nb", SecretError::Malformed, SecretError::Malformed),
            ("a\tb", SecretError::Malformed, SecretError::Malformed),
            (
                &"x".repeat(2000),
                SecretError::Malformed,
                SecretError::Malformed,
            ),
        ] {
            assert_eq!(User::parse(text).unwrap_err(), user);
            assert_eq!(Password::parse(text).unwrap_err(), password);
        }
        assert_eq!(User::parse("a:b").unwrap_err(), SecretError::Colon);
        let (user, password) = (
            User::parse("s3cr").unwrap(),
            Password::parse("s3cr").unwrap(),
        );
        assert!(!format!("{user:?}{password:?}").contains("s3cr"));
    }
}
