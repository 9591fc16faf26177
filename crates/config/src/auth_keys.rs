//! The files with keys of tokens: `auth.key_file` and `auth.jwks_file`. No message repeats what is
//! in one.

use std::path::Path;

use whipstitch_auth::{Auth, Keys, KeysError};

use crate::files;

/// The key whose file cannot be used, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The configuration key.
    pub key: &'static str,
    /// What is wrong with its file.
    pub what: String,
}

/// The keys of both files; none if neither is set. `seen` is shown each text, to see whether it has
/// changed.
///
/// # Errors
/// A file cannot be read, or holds something else.
pub fn read(config: &Auth, mut seen: impl FnMut(&str)) -> Result<Keys, Unusable> {
    let one = of("auth.key_file", config.key_file.as_deref(), |text| {
        seen(text);
        Keys::of_file(text)
    })?;
    let set = of("auth.jwks_file", config.jwks_file.as_deref(), |text| {
        seen(text);
        Keys::of_set(text.as_bytes())
    })?;
    Ok(one.and(set))
}

fn of(
    key: &'static str,
    path: Option<&Path>,
    parse: impl FnOnce(&str) -> Result<Keys, KeysError>,
) -> Result<Keys, Unusable> {
    let Some(path) = path else {
        return Ok(Keys::default());
    };
    let read = files::readable(path)
        .and_then(|text| parse(&text).map_err(|error| format!("{} {error}", path.display())));
    read.map_err(|what| Unusable { key, what })
}
