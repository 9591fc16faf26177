//! Raw query strings.
//!
//! A Red5 node splits its query at `&` and `=` and decodes nothing, so what a client sends has to arrive byte for
//! byte: everything here keeps or drops whole `key=value` pairs and never rewrites one.

/// The pairs of a query, in order, undecoded. A pair without `=` has an empty value.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The first value of a key, undecoded.
pub fn get<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    pairs(query)
        .find(|(k, _)| *k == key)
        .map(|(_, value)| value)
}

/// The query with only the pairs whose key passes; the bytes of each pair stay as they are.
pub fn filter(query: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    let mut kept = String::with_capacity(query.len());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if keep(pair.split_once('=').map_or(pair, |(key, _)| key)) {
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
