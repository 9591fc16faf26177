//! The parts of the Stream Manager's address, as an operator writes them.

use http::uri::Authority;
use thiserror::Error;

/// Longest path, in bytes.
const MAX_PATH: usize = 256;

/// A path without the slash at its end: empty, or slash and segments.
pub(super) fn path(text: &str) -> Result<&str, PathError> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return Ok(path);
    }
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    let segments = path.strip_prefix('/').ok_or(PathError::NoSlash)?;
    for segment in segments.split('/') {
        match segment {
            "" => return Err(PathError::Empty),
            "." | ".." => return Err(PathError::Dots),
            _ => {}
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
        if let Some(other) = segment.chars().find(|c| !allowed(*c)) {
            return Err(PathError::Character(other));
        }
    }
    Ok(path)
}

/// The same with at least one segment.
pub(super) fn prefix(text: &str) -> Result<&str, PathError> {
    if !text.starts_with('/') {
        return Err(PathError::NoSlash);
    }
    match path(text)? {
        "" => Err(PathError::Empty),
        prefix => Ok(prefix),
    }
}

/// A host, with or without a port.
pub(super) fn host(text: &str) -> Result<Authority, HostError> {
    let authority: Authority = text.parse().map_err(|_| HostError)?;
    let bare = authority.as_str() == authority.host();
    let port = authority.port_u16().is_some_and(|port| port != 0);
    if authority.host().is_empty() || text.contains('@') || !(bare || port) {
        return Err(HostError);
    }
    Ok(authority)
}

/// What is wrong with a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// No scheme, no host, or characters that a URL cannot have.
    #[error("is not a URL such as http://127.0.0.1:5080")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// Has a user or password.
    #[error("must not hold a user or password")]
    UserInfo,
    /// Has a query or a fragment.
    #[error("must not hold a query or a fragment")]
    Query,
    /// The path is not allowed.
    #[error("has a path that {0}")]
    Path(#[from] PathError),
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// No slash in front.
    #[error("does not begin with a slash")]
    NoSlash,
    /// No segment, or one that is empty: a double slash.
    #[error("has an empty segment")]
    Empty,
    /// A segment `.` or `..`.
    #[error("has a segment `.` or `..`")]
    Dots,
    /// A character outside the allowed ones.
    #[error("holds {0:?}; letters A-Z a-z, digits, `.`, `_`, `~`, `-` and `/` are allowed")]
    Character(char),
    /// Longer than any sensible one.
    #[error("is longer than 256 bytes")]
    TooLong,
}

/// It is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a host name or IP address, with or without a port, such as \"sm.example.com\"")]
pub struct HostError;
