//! Raw query strings.
//!
//! A Red5 node splits its query at `&` and `=` and decodes nothing, so what a client sends has to
//! arrive byte for byte: everything here keeps or drops whole `key=value` pairs and never rewrites
//! one. Keys are compared as RFC 3986 has it: `%68ost` is `host`.

use std::borrow::Cow;

/// The pairs of a query, in order, undecoded. A pair without `=` has an empty value.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The first value of a key, undecoded.
pub fn get<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    all(query, key).next()
}

/// All values of a key, undecoded.
pub fn all<'q>(query: &'q str, key: &str) -> impl Iterator<Item = &'q str> {
    pairs(query)
        .filter(move |(k, _)| unescaped(k) == key)
        .map(|(_, value)| value)
}

/// The query with only the pairs whose key passes; the bytes of each pair stay as they are.
pub fn filter(query: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    let mut kept = String::with_capacity(query.len());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let key = pair.split_once('=').map_or(pair, |(key, _)| key);
        if keep(&unescaped(key)) {
            if !kept.is_empty() {
                kept.push('&');
            }
            kept.push_str(pair);
        }
    }
    kept
}

/// Two queries as one: all of `own`, after the pairs of `base` whose keys `own` does not have.
pub fn merge(base: &str, own: &str) -> String {
    let mut merged = filter(base, |key| get(own, key).is_none());
    if !merged.is_empty() && !own.is_empty() {
        merged.push('&');
    }
    merged.push_str(own);
    merged
}

/// The text in which every escape of an unreserved character is that character: both mean the same
/// (RFC 3986 §6.2.2.2). All other bytes stay.
pub fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        rest = if let Some(c) = unreserved(after) {
            plain.push(c);
            after.get(2..).unwrap_or_default()
        } else {
            plain.push('%');
            after
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The character that these two hexadecimal digits stand for, if it is an unreserved one (RFC 3986
/// §2.3).
fn unreserved(after: &str) -> Option<char> {
    let mut digits = after.chars();
    let (high, low) = (digits.next()?.to_digit(16)?, digits.next()?.to_digit(16)?);
    let c = char::from(u8::try_from(high * 16 + low).ok()?);
    (c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')).then_some(c)
}

/// Decodes `%XX`. `None` if an escape is cut short or the result is not UTF-8. `+` stays `+`.
pub fn percent_decode(raw: &str) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pair_is_kept_or_dropped_whole() {
        let query = "id=a%20b&host=10.0.0.1&token=x=y==&flag&app=live%2Froom1";
        assert_eq!(
            filter(query, |key| key != "host" && key != "app"),
            "id=a%20b&token=x=y==&flag"
        );
        assert_eq!(get(query, "token"), Some("x=y=="));
        assert_eq!(get(query, "flag"), Some(""));
        assert_eq!(get(query, "Host"), None);
    }

    #[test]
    fn a_key_is_the_same_however_it_is_escaped() {
        let query = "id=a%20b&%68ost=10.0.0.1&h%6Fs%74=x&a%26b=1";
        assert_eq!(get(query, "host"), Some("10.0.0.1"));
        assert_eq!(all(query, "host").count(), 2);
        assert_eq!(filter(query, |key| key != "host"), "id=a%20b&a%26b=1");
        assert_eq!(merge("reques%74Id=a", "requestId=b"), "requestId=b");
        assert_eq!(unescaped("%61%2F%2f%7E%7e%2"), "a%2F%2f~~%2");
        assert_eq!(unescaped("%é%e4%"), "%é%e4%");
    }

    #[test]
    fn own_pairs_win_in_a_merge() {
        assert_eq!(merge("requestId=a&x=1", ""), "requestId=a&x=1");
        assert_eq!(merge("requestId=a&x=1", "requestId=b"), "x=1&requestId=b");
        assert_eq!(merge("", "y=2"), "y=2");
    }

    #[test]
    fn escapes_are_whole_or_nothing() {
        assert_eq!(
            percent_decode("live%2Froom1").as_deref(),
            Some("live/room1")
        );
        for broken in ["%", "%2", "%zz", "%ff", "a%+1"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn keeping_all_of_a_normal_query_changes_no_byte(query in "[a-z0-9%=]{1,8}(&[a-z0-9%=]{1,8}){0,5}") {
            prop_assert_eq!(filter(&query, |_| true), query);
        }

        #[test]
        fn any_text_is_taken(query in ".*") {
            let _ = percent_decode(&query);
            prop_assert!(filter(&query, |_| true).len() <= query.len());
        }
    }
}
