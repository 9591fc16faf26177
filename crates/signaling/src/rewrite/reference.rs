//! References as URLs have them (RFC 3986), resolved to a path and query.

use std::{borrow::Cow, fmt::Write as _};

use http::uri::{Authority, PathAndQuery};

use super::LocationError;

/// The reference resolved against the endpoint (RFC 3986 §5.2), without scheme, authority and
/// fragment. `allows` says which hosts it may name.
pub(super) fn resolved(
    endpoint: &PathAndQuery,
    reference: &[u8],
    allows: impl Fn(&str) -> bool,
) -> Result<String, LocationError> {
    let reference = escaped(reference);
    let reference = reference.split('#').next().unwrap_or_default();
    if let Some(after) = reference.strip_prefix("//") {
        return absolute(after, allows);
    }
    if has_scheme(reference) {
        let after = ["http://", "https://", "ws://", "wss://"]
            .iter()
            .find_map(|scheme| {
                let (head, after) = reference.split_at_checked(scheme.len())?;
                head.eq_ignore_ascii_case(scheme).then_some(after)
            });
        return absolute(after.ok_or(LocationError::Malformed)?, allows);
    }
    let base = endpoint.path();
    Ok(if reference.starts_with('/') {
        reference.to_owned()
    } else if reference.is_empty() || reference.starts_with('?') {
        [base, reference].concat()
    } else {
        let folder = base
            .rfind('/')
            .and_then(|slash| base.get(..=slash))
            .unwrap_or("/");
        [folder, reference].concat()
    })
}

/// The reference without white space around it, and with an escape for whatever cannot stand in a
/// URL: a node may write the name of a stream as it is.
fn escaped(reference: &[u8]) -> Cow<'_, str> {
    let stands = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let reference = reference.trim_ascii();
    match std::str::from_utf8(reference) {
        Ok(text) if text.bytes().all(stands) => Cow::Borrowed(text),
        _ => Cow::Owned(reference.iter().fold(String::new(), |mut text, byte| {
            if stands(*byte) {
                text.push(char::from(*byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })),
    }
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find(['/', '?']).unwrap_or(reference.len());
    reference.get(..end).is_some_and(|head| head.contains(':'))
}

/// What stands behind the authority. A port that is not ours is forgiven: a node may name its
/// public one.
fn absolute(after: &str, allows: impl Fn(&str) -> bool) -> Result<String, LocationError> {
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(end).unwrap_or_default();
    let authority: Authority = authority.parse().map_err(|_| LocationError::Malformed)?;
    if authority.host().is_empty() {
        return Err(LocationError::Malformed);
    }
    if !allows(authority.host()) {
        return Err(LocationError::Foreign);
    }
    Ok(if rest.starts_with('/') {
        rest.to_owned()
    } else {
        ["/", rest].concat()
    })
}

/// RFC 3986 §5.2.4.
pub(super) fn remove_dot_segments(path: &str) -> Cow<'_, str> {
    if !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in path.split('/').skip(1) {
        folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if folder && !kept.is_empty() { "/" } else { "" };
    Cow::Owned(["/", &kept.join("/"), end].concat())
}
