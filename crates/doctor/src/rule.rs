//! A rule of a client, and its result.

use crate::transcript::Transcript;

/// One requirement of a client.
pub(crate) struct Rule {
    /// In a few words.
    pub(crate) name: &'static str,
    /// Where it can be checked: program, version, file, function; or a section of a specification.
    pub(crate) source: &'static str,
    /// The client's own reading of the answers.
    pub(crate) check: fn(&Transcript) -> Outcome,
}

/// The result of a rule.
pub(crate) type Outcome = Result<(), Unmet>;

/// A rule that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// It could not be tried, with the reason.
    Skipped(String),
    /// It does not hold.
    Failed(Failure),
}

/// A failure as the operator reads it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// What the server answered.
    pub came: String,
    /// What the client does with it.
    pub then: String,
    /// What may help; a key of Whipstitch's configuration where there is one.
    pub set: Option<String>,
}

/// A failure without advice.
pub(crate) fn failed<T>(came: impl Into<String>, then: &str) -> Result<T, Unmet> {
    Err(Unmet::Failed(Failure {
        came: came.into(),
        then: then.to_owned(),
        set: None,
    }))
}

/// A failure with advice.
pub(crate) fn failed_set<T>(came: impl Into<String>, then: &str, set: &str) -> Result<T, Unmet> {
    Err(Unmet::Failed(Failure {
        came: came.into(),
        then: then.to_owned(),
        set: Some(set.to_owned()),
    }))
}

/// A rule that could not be tried.
pub(crate) fn skipped<T>(why: impl Into<String>) -> Result<T, Unmet> {
    Err(Unmet::Skipped(why.into()))
}
