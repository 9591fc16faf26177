//! Files that hold one secret word: a password, a token, the secret of a TURN server. No message
//! repeats it.

use std::{fmt::Display, path::Path};

use crate::files;

/// Reads the word; `parse` says what it has to be like.
///
/// # Errors
/// In words: the file cannot be read, or holds something else.
pub fn read<T, E: Display>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = files::readable(path)?;
    parse(&text).map_err(|error| format!("{} {error}", path.display()))
}
