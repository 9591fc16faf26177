//! A rule: which role in which scopes, and how its clients are judged.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use whipstitch_signaling::Role;

use crate::{Pattern, PatternError};

/// How a client is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all: everybody is admitted.
    Open,
    /// By its JSON Web Token.
    Jwt,
    /// No client is admitted.
    Refuse,
}

impl Method {
    const ALL: [Self; 3] = [Self::Open, Self::Jwt, Self::Refuse];

    const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Jwt => "jwt",
            Self::Refuse => "refuse",
        }
    }
}

/// An entry of `auth.rules`: `publish live/** jwt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    role: Role,
    scopes: Pattern,
    method: Method,
}

impl Rule {
    /// Whether it is for this role and scope.
    pub fn is_for(&self, role: Role, scope: &str) -> bool {
        self.role == role && self.scopes.holds(scope)
    }

    /// How clients are judged.
    pub fn method(&self) -> Method {
        self.method
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [role, scopes, method] = words.as_slice() else {
            return Err(RuleError::Words);
        };
        let method = Method::ALL.into_iter().find(|one| one.word() == *method);
        Ok(Self {
            role: role_of(role).ok_or(RuleError::Role)?,
            scopes: scopes.parse()?,
            method: method.ok_or(RuleError::Method)?,
        })
    }
}

/// The word of a role, in rules and in the claim `role`.
pub(crate) const fn word_of(role: Role) -> &'static str {
    match role {
        Role::Publish => "publish",
        Role::Play => "play",
    }
}

/// The role of a word.
pub(crate) fn role_of(word: &str) -> Option<Role> {
    let roles = [Role::Publish, Role::Play];
    roles.into_iter().find(|role| word_of(*role) == word)
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, method) = (word_of(self.role), self.method.word());
        write!(f, "{role} {} {method}", self.scopes)
    }
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// Not three words.
    #[error("is not three words: role, pattern of scopes, method")]
    Words,
    /// The first word.
    #[error("begins with neither `publish` nor `play`")]
    Role,
    /// The second word.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The third word.
    #[error("ends with none of `open`, `jwt` and `refuse`")]
    Method,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_and_written() {
        let rule: Rule = " publish  live/** jwt".parse().unwrap();
        assert_eq!(rule.to_string(), "publish live/** jwt");
        assert!(rule.is_for(Role::Publish, "live/room1"));
        assert!(!rule.is_for(Role::Play, "live/room1"));
        assert!(!rule.is_for(Role::Publish, "other"));
        assert_eq!(rule.method(), Method::Jwt);
        for (text, error) in [
            ("publish live", RuleError::Words),
            ("", RuleError::Words),
            ("write live jwt", RuleError::Role),
            ("play /live jwt", RuleError::Pattern(PatternError)),
            ("play live basic", RuleError::Method),
        ] {
            assert_eq!(text.parse::<Rule>(), Err(error), "{text}");
        }
    }
}
