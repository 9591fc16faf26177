//! `Strict-Transport-Security` (RFC 6797), as an operator sets it.

use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest `max-age`, in digits: 31 years.
const MAX_DIGITS: usize = 9;
/// The `max-age` that the browsers' preload list asks for at least, in seconds.
const PRELOAD: u32 = 31_536_000;

/// A value of the header, each directive known and there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hsts {
    max_age: u32,
    subdomains: bool,
    preload: bool,
}

/// Why a text is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HstsError {
    /// There is no `max-age`.
    #[error("max-age is missing, as in \"max-age=31536000\"")]
    NoAge,
    /// `max-age` is no number of seconds.
    #[error("max-age has to be a whole number of seconds with at most 9 digits")]
    Age,
    /// A directive is there twice.
    #[error("a directive is there twice")]
    Twice,
    /// Something else.
    #[error("only max-age=SECONDS, includeSubDomains and preload are known, separated by `;`")]
    Unknown,
    /// Browsers would not take it into their lists.
    #[error("preload needs includeSubDomains and a max-age of at least 31536000")]
    Preload,
}

impl Hsts {
    /// The header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        // Digits and words: always a header's value.
        HeaderValue::try_from(String::from(self.clone()))
            .unwrap_or(HeaderValue::from_static("max-age=0"))
    }
}

impl FromStr for Hsts {
    type Err = HstsError;

    fn from_str(text: &str) -> Result<Self, HstsError> {
        let (mut max_age, mut subdomains, mut preload) = (None, false, false);
        for directive in text.split(';').map(str::trim) {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim())),
                None => (directive, None),
            };
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let is_again = match value {
                Some(value) if is("max-age") => max_age.replace(seconds(value)?).is_some(),
                None if is("includeSubDomains") => std::mem::replace(&mut subdomains, true),
                None if is("preload") => std::mem::replace(&mut preload, true),
                _ => return Err(HstsError::Unknown),
            };
            if is_again {
                return Err(HstsError::Twice);
            }
        }
        let max_age = max_age.ok_or(HstsError::NoAge)?;
        if preload && (!subdomains || max_age < PRELOAD) {
            return Err(HstsError::Preload);
        }
        Ok(Self {
            max_age,
            subdomains,
            preload,
        })
    }
}

fn seconds(value: &str) -> Result<u32, HstsError> {
    let is_number = value.len() <= MAX_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| value.parse().ok()).flatten();
    number.ok_or(HstsError::Age)
}

impl From<Hsts> for String {
    fn from(hsts: Hsts) -> Self {
        let mut text = format!("max-age={}", hsts.max_age);
        if hsts.subdomains {
            text.push_str("; includeSubDomains");
        }
        if hsts.preload {
            text.push_str("; preload");
        }
        text
    }
}

impl TryFrom<String> for Hsts {
    type Error = HstsError;

    fn try_from(text: String) -> Result<Self, HstsError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directive_is_known_and_there_once() {
        let written = |text: &str| text.parse::<Hsts>().map(String::from);
        for (text, expected) in [
            ("max-age=31536000", Ok("max-age=31536000")),
            ("MAX-AGE = 0", Ok("max-age=0")),
            (
                "includesubdomains;max-age=60",
                Ok("max-age=60; includeSubDomains"),
            ),
            (
                "max-age=31536000; includeSubDomains; preload",
                Ok("max-age=31536000; includeSubDomains; preload"),
            ),
            ("", Err(HstsError::Unknown)),
            ("includeSubDomains", Err(HstsError::NoAge)),
            ("max-age", Err(HstsError::Unknown)),
            ("max-age=", Err(HstsError::Age)),
            ("max-age=1y", Err(HstsError::Age)),
            ("max-age=-1", Err(HstsError::Age)),
            ("max-age=1000000000", Err(HstsError::Age)),
            ("max-age=1; max-age=2", Err(HstsError::Twice)),
            (
                "max-age=1; includeSubDomains; includeSubDomains",
                Err(HstsError::Twice),
            ),
            ("max-age=1;", Err(HstsError::Unknown)),
            ("max-age=1; x=y", Err(HstsError::Unknown)),
            ("max-age=1\r\nX: y", Err(HstsError::Age)),
            ("max-age=31536000; preload", Err(HstsError::Preload)),
            (
                "max-age=1; includeSubDomains; preload",
                Err(HstsError::Preload),
            ),
        ] {
            assert_eq!(written(text), expected.map(str::to_owned), "{text:?}");
        }
    }
}
