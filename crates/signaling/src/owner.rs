//! Whose a session is: a short digest of who was admitted to make it. It is sealed into the URLs of
//! the session, behind everything else, so that a replica that knows nothing of it opens them too.

use std::{array::TryFromSliceError, fmt};

use aws_lc_rs::digest::{self, SHA256};

/// Bytes of a digest that are kept.
const LEN: usize = 8;

/// A digest of an identity. What it was made of cannot be told from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; LEN]);

impl Owner {
    /// The owner that these words name together, in this order.
    pub fn of(words: &[&str]) -> Self {
        let mut context = digest::Context::new(&SHA256);
        for word in words {
            // With its length, so that no two lists of words read alike.
            context.update(&u64::try_from(word.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(word.as_bytes());
        }
        let digest = context.finish();
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Puts it behind what is to be sealed.
    pub(crate) fn append(owner: Option<Self>, sealed: &mut Vec<u8>) {
        sealed.extend(owner.into_iter().flat_map(|one| one.0));
    }

    /// Reads what was behind it: nothing, or an owner.
    ///
    /// # Errors
    /// It is anything else.
    pub(crate) fn read(rest: &[u8]) -> Result<Option<Self>, TryFromSliceError> {
        if rest.is_empty() {
            return Ok(None);
        }
        rest.try_into().map(|bytes| Some(Self(bytes)))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_where_they_end() {
        assert_eq!(Owner::of(&["a", "b"]), Owner::of(&["a", "b"]));
        for other in [&["ab"][..], &["a", "b", ""], &["b", "a"], &["", "ab"], &[]] {
            assert_ne!(Owner::of(&["a", "b"]), Owner::of(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_neither_nothing_nor_a_subject_is_refused() {
        assert_eq!(Owner::read(&[]).ok(), Some(None));
        let owner = Owner::of(&["a"]);
        let mut sealed = Vec::new();
        Owner::append(Some(owner), &mut sealed);
        assert_eq!(Owner::read(&sealed).ok(), Some(Some(owner)));
        assert!(Owner::read(&sealed[1..]).is_err());
    }
}
