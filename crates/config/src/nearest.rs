//! "Did you mean …?"

use std::cmp::Reverse;

/// Longer words than this are no slip of the fingers.
const LONGEST: usize = 64;

/// The candidate that differs from `word` in the fewest letters, at most `most` of them.
pub fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= most && *distance < candidate.len().div_ceil(2)
        })
        // Of two that are equally near, the longer: letters get lost more often than they appear.
        .min_by_key(|(distance, candidate)| (*distance, Reverse(candidate.len())))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in bytes: how many insertions, deletions and replacements lead from one
/// to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.bytes().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.bytes()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(from.len())
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("htps", "https", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn offers_only_what_is_near() {
        assert_eq!(
            nearest("htps", ["http", "https", "admin"], 2),
            Some("https")
        );
        assert_eq!(nearest("certificate", ["cert", "key"], 2), None);
        assert_eq!(nearest("ab", ["cd"], 2), None);
    }
}
