//! Java's properties files, as `java.util.Properties.load(InputStream)` reads them: ISO 8859-1,
//! `\uXXXX`, lines that continue after a backslash, keys that end at `=`, `:` or a blank.

use std::fmt;

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// Its name.
    pub(super) key: String,
    /// Its value; empty where there is none.
    pub(super) value: String,
}

/// What Java refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    line: usize,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: \\u is not followed by four hexadecimal digits",
            self.line
        )
    }
}

/// Why these bytes are no properties file, although Java would read them: its grammar takes any
/// text for keys.
pub(super) fn is_something_else(bytes: &[u8]) -> Option<&'static str> {
    let control = |byte: &u8| *byte == 0x7f || (*byte < 0x20 && !b"\t\n\x0c\r".contains(byte));
    if bytes.iter().any(control) {
        return Some("holds bytes that no text has");
    }
    let start = bytes.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match start.first() {
        None => return Some("is empty"),
        Some(b'<') => return Some("is XML or HTML"),
        Some(b'{' | b'[') => return Some("is JSON, TOML or an INI file"),
        Some(_) if start.starts_with(b"-----BEGIN ") => return Some("is a PEM file"),
        Some(_) => {}
    }
    let text: Vec<char> = bytes.iter().copied().map(char::from).collect();
    let assigns = |(_, line): &(usize, Vec<char>)| line.iter().any(|one| matches!(one, '=' | ':'));
    let lines = logical(&text);
    if !lines.iter().any(assigns) {
        return Some("has no line with a key and a value");
    }
    None
}

/// All properties in the order of the file, also those that a later one of the same name replaces.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Property>, Mistake> {
    // In ISO 8859-1 a byte is a character of the same number.
    let text: Vec<char> = bytes.iter().copied().map(char::from).collect();
    logical(&text)
        .into_iter()
        .map(|(line, text)| property(line, &text).ok_or(Mistake { line }))
        .collect()
}

fn is_blank(one: char) -> bool {
    matches!(one, ' ' | '\t' | '\u{c}')
}

/// Lines as they are meant: without comments and empty ones, joined where one continues.
fn logical(text: &[char]) -> Vec<(usize, Vec<char>)> {
    let mut lines: Vec<(usize, Vec<char>)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in natural(text).enumerate() {
        let blanks = line.iter().take_while(|one| is_blank(**one)).count();
        let line = line.get(blanks..).unwrap_or_default();
        let slashes = line.iter().rev().take_while(|one| **one == '\\').count();
        let more = slashes % 2 == 1;
        let kept = line
            .get(..line.len() - usize::from(more))
            .unwrap_or_default();
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, joined)) => joined.extend(kept),
            None if matches!(line.first(), None | Some('#' | '!')) => continue,
            None => lines.push((number + 1, kept.to_vec())),
        }
        goes_on = more;
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// Lines as they stand in the file; they end with a line feed, a carriage return, or both.
fn natural(text: &[char]) -> impl Iterator<Item = &[char]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.iter().position(|one| matches!(one, '\n' | '\r')) else {
            rest = None;
            return Some(text);
        };
        let both = matches!(text.get(end..end + 2), Some(['\r', '\n']));
        rest = text.get(end + 1 + usize::from(both)..);
        text.get(..end)
    })
}

fn property(line: usize, text: &[char]) -> Option<Property> {
    let mut escaped = false;
    let end = text.iter().position(|one| {
        let ends = !escaped && (is_blank(*one) || matches!(one, '=' | ':'));
        escaped = !escaped && *one == '\\';
        ends
    });
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = without_blanks(rest);
    let rest = match rest.split_first() {
        Some(('=' | ':', behind)) => without_blanks(behind),
        _ => rest,
    };
    Some(Property {
        line,
        key: unescaped(key)?,
        value: unescaped(rest)?,
    })
}

fn without_blanks(text: &[char]) -> &[char] {
    let blanks = text.iter().take_while(|one| is_blank(**one)).count();
    text.get(blanks..).unwrap_or_default()
}

/// The text that is meant; none where Java refuses it. A character may be two `\uXXXX`, as in
/// UTF-16.
fn unescaped(text: &[char]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(one) = rest.next() {
        let meant = match one {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let all =
                        digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| all)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            one => one,
        };
        units.extend(meant.encode_utf16(&mut [0; 2]).iter());
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Vec<(usize, String, String)> {
        let bytes: Vec<u8> = text
            .chars()
            .map(|one| u8::try_from(u32::from(one)).unwrap())
            .collect();
        let all = parse(&bytes).unwrap();
        all.into_iter()
            .map(|one| (one.line, one.key, one.value))
            .collect()
    }

    /// The examples of the documentation of `java.util.Properties.load(Reader)`, and the corners of
    /// its grammar.
    #[test]
    fn as_java_reads_it() {
        for (text, key, value) in [
            ("Truth = Beauty", "Truth", "Beauty"),
            (" Truth:Beauty", "Truth", "Beauty"),
            ("Truth                    :Beauty", "Truth", "Beauty"),
            ("cheeses", "cheeses", ""),
            ("fruits    apple, banana", "fruits", "apple, banana"),
            (
                "fruits    apple, \\\n    banana, \\\r\n  pear",
                "fruits",
                "apple, banana, pear",
            ),
            ("\\:\\= = x", ":=", "x"),
            ("a\\ b=c", "a b", "c"),
            ("a==b", "a", "=b"),
            ("a = b ", "a", "b "),
            ("a=b\\\\", "a", "b\\"),
            ("a=\\z\\\"\\n", "a", "z\"\n"),
            ("a=b\\", "a", "b"),
            ("a=b\\\n#c", "a", "b#c"),
            ("a=\\u00e9\\uD83D\\ude00", "a", "é😀"),
            ("a=é", "a", "é"),
            ("\u{c}a\t=\tb", "a", "b"),
        ] {
            assert_eq!(
                parsed(text),
                [(1, key.to_owned(), value.to_owned())],
                "{text:?}"
            );
        }
        let text = "# c\\\n\n  ! d\r\ra=1\n\\\nb=2\na=3\n";
        let found = parsed(text);
        let lines: Vec<_> = found
            .iter()
            .map(|(line, key, value)| (*line, &**key, &**value))
            .collect();
        assert_eq!(lines, [(5, "a", "1"), (6, "b", "2"), (8, "a", "3")]);
    }

    #[test]
    fn a_broken_escape_is_refused_with_its_line() {
        for text in ["x=1\na=\\u12", "x=1\na=\\u12g4", "x=1\na=\\u+123"] {
            let mistake = parse(text.as_bytes()).unwrap_err();
            assert!(mistake.to_string().starts_with("2: \\u"), "{mistake}");
        }
    }

    /// As `java.util.Properties.store` writes.
    fn stored(text: &str, is_key: bool) -> String {
        let mut stored = String::new();
        for (number, unit) in text.encode_utf16().enumerate() {
            match u8::try_from(unit).map(char::from) {
                Ok(' ') if number == 0 || is_key => stored.push_str("\\ "),
                Ok(one @ ('\\' | '=' | ':' | '#' | '!')) => stored.extend(['\\', one]),
                Ok(one @ ' '..='~') => stored.push(one),
                _ => write!(stored, "\\u{unit:04X}").unwrap(),
            }
        }
        stored
    }

    proptest! {
        #[test]
        fn what_java_stores_is_read_back(pairs in prop::collection::vec((".{1,12}", ".{0,20}"), 0..8)) {
            let mut text = String::new();
            for (key, value) in &pairs {
                writeln!(text, "{}={}", stored(key, true), stored(value, false)).unwrap();
            }
            let read: Vec<_> = parsed(&text).into_iter().map(|(_, key, value)| (key, value)).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(prop::sample::select(b"ab\\u1= :\n\r\t#!\xff".to_vec()), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}
