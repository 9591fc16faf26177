//! `tracestate`: what the systems on the way keep in a trace. It passes on, within the bounds of
//! W3C Trace Context level 2 §3.3.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of both directions.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Most members of a list (§3.3.1.1).
const MOST_MEMBERS: usize = 32;
/// What has to pass (§3.3.1.5), and no more does, in bytes.
const MOST_BYTES: usize = 512;
/// Longest member that is kept where the list is too long (§3.3.1.5).
const LONG_MEMBER: usize = 128;
/// Longest key, and longest value (§3.3.1.3).
const MOST_NAME: usize = 256;
/// More than this of a header is not looked at: such a list breaks the rules in any case.
const MOST_READ: usize = 32 * (2 * MOST_NAME + 3);

/// That of a request, on one line; none if there is none, or one that breaks the rules.
pub(crate) fn of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(TRACESTATE).iter();
    let first = lines.next()?;
    let (more, length) = lines.fold((false, first.len()), |(_, length), line| {
        (true, length.saturating_add(line.len() + 1))
    });
    if length > MOST_READ {
        return None;
    }
    let whole: Vec<&[u8]> = headers
        .get_all(TRACESTATE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect();
    if whole.is_empty() || whole.len() > MOST_MEMBERS || !are_members(&whole) {
        return None;
    }
    if !more && length <= MOST_BYTES {
        return Some(first.clone());
    }
    HeaderValue::from_bytes(&shortened(whole).join(&b","[..])).ok()
}

/// Long members go first, then the last ones: what stands at the front is newer.
fn shortened(mut members: Vec<&[u8]>) -> Vec<&[u8]> {
    let length = |members: &[&[u8]]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    // One byte more than the commas between them.
    if length(&members) > MOST_BYTES + 1 {
        members.retain(|member| member.len() <= LONG_MEMBER);
    }
    while length(&members) > MOST_BYTES + 1 {
        members.pop();
    }
    members
}

/// Whether each is one, and no two have one key.
fn are_members(all: &[&[u8]]) -> bool {
    let keys: Option<Vec<&[u8]>> = all.iter().map(|member| key(member)).collect();
    keys.is_some_and(|keys| {
        let mut rest = &*keys;
        while let [first, others @ ..] = rest {
            if others.contains(first) {
                return false;
            }
            rest = others;
        }
        true
    })
}

/// The key of `key "=" value`.
fn key(member: &[u8]) -> Option<&[u8]> {
    let equals = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = member.split_at(equals);
    let value = value.get(1..)?;
    let first = key.first()?;
    let in_key =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    let in_value = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    let good = (first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.iter().all(in_key)
        && value.iter().all(in_value)
        && key.len() <= MOST_NAME
        && (1..=MOST_NAME).contains(&value.len());
    good.then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passes(lines: &[&str]) -> Option<String> {
        let lines = lines
            .iter()
            .map(|line| (TRACESTATE, HeaderValue::from_str(line).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, line);
        }
        of(&headers).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_is_good_passes() {
        for (lines, passed) in [
            (
                &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..],
                "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            ),
            (&["a=1, b=2"], "a=1, b=2"),
            (&["a=1", "b=2,c=3"], "a=1,b=2,c=3"),
            (&["a=1", "", "b=2 "], "a=1,b=2"),
            (&["1tenant@system=x y"], "1tenant@system=x y"),
        ] {
            assert_eq!(passes(lines).as_deref(), Some(passed), "{lines:?}");
        }
    }

    #[test]
    fn what_breaks_a_rule_passes_as_a_whole_or_not_at_all() {
        let many: Vec<String> = (0..33).map(|number| format!("k{number}=v")).collect();
        let long = "a=".to_owned() + &"v".repeat(257);
        for bad in [
            "",
            " , ",
            "a",
            "a=",
            "=1",
            "A=1",
            "@a=1",
            "a=1,b",
            "a=1,a=2",
            "a=1=2",
            "a b=1",
            &long,
            &many.join(","),
        ] {
            assert_eq!(passes(&[bad]), None, "{bad}");
        }
        assert!(passes(&[&many[..32].join(",")]).is_some());
        let endless = "a=1,".repeat(9000);
        assert_eq!(passes(&[&endless]), None);
    }

    #[test]
    fn a_list_that_is_too_long_loses_its_long_members_first() {
        let long = format!("long={}", "v".repeat(200));
        let short: Vec<String> = (0..5)
            .map(|number| format!("k{number}={}", "v".repeat(90)))
            .collect();
        let list = format!("{},{long},{}", short[0], short[1..].join(","));
        assert_eq!(passes(&[&list]), Some(short.join(",")));
        let six: Vec<String> = (0..6)
            .map(|number| format!("k{number}={}", "v".repeat(90)))
            .collect();
        assert_eq!(passes(&[&six.join(",")]), Some(six[..5].join(",")));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..4)) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                if let Ok(line) = HeaderValue::from_bytes(line) {
                    headers.append(TRACESTATE, line);
                }
            }
            prop_assert!(of(&headers).is_none_or(|passed| passed.len() <= MOST_BYTES));
        }
    }
}
