//! PEM files as people have them (RFC 7468), in the form that rustls reads.
//!
//! rustls drops the rest of the line behind a marker, and with it a certificate that is glued to
//! the one before: `-----END CERTIFICATE----------BEGIN CERTIFICATE-----`.

const MARK: &str = "\u{feff}";
const DASHES: &str = "-----";
const BEGIN: &str = "BEGIN ";

/// The same text without byte order mark and indentation, with `\n` for each line end, each marker
/// in upper case and on a line of its own.
pub(super) fn normalised(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    let text = text.strip_prefix(MARK).unwrap_or(&text);
    let mut lines = Lines(String::with_capacity(text.len() + text.len() / 8));
    for line in text.split(['\r', '\n']) {
        let mut rest = line;
        while let Some((before, marker, after)) = marker(rest) {
            lines.push(before);
            lines.push(&marker.to_ascii_uppercase());
            rest = after;
        }
        lines.push(rest);
    }
    lines.0
}

/// How many certificates seem to begin in this text, with markers that are whole or not.
pub(super) fn begun(normalised: &str) -> usize {
    let is_dash = |each: char| matches!(each, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let upper = normalised.to_ascii_uppercase();
    upper
        .lines()
        .filter_map(|line| line.split_once(BEGIN))
        .filter(|(before, label)| {
            let label = label.split(is_dash).next().unwrap_or_default();
            before.trim_end().ends_with(is_dash) && label.trim_end().ends_with("CERTIFICATE")
        })
        .count()
}

struct Lines(String);

impl Lines {
    fn push(&mut self, line: &str) {
        let line = line.trim();
        if !line.is_empty() {
            self.0.push_str(line);
            self.0.push('\n');
        }
    }
}

/// What stands before the first marker of a line, the marker, and what stands behind it.
fn marker(line: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + line.get(from..)?.find(DASHES)?;
        let label = line.get(at + DASHES.len()..)?;
        let begins = |word: &str| {
            let start = label.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if begins(BEGIN) || begins("END ") {
            let end = at + DASHES.len() + label.find(DASHES)? + DASHES.len();
            return Some((line.get(..at)?, line.get(at..end)?, line.get(end..)?));
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----";

    #[test]
    fn every_spelling_of_two_certificates_becomes_the_same() {
        let plain = format!("{A}\n{A}\n");
        for text in [
            plain.clone(),
            format!("{A}{A}"),
            format!("\u{feff}{A}\n\n{A}"),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            plain.replace('\n', " \t\n   "),
            plain
                .replace("BEGIN CERT", "begin Cert")
                .replace("END CERTIFICATE", "end certificate"),
            format!("{A}{A}").replace("-----AAEC", "-----\nAAEC"),
            plain.replace("-----\nAAEC", "-----AAEC"),
        ] {
            let found = normalised(text.as_bytes()).to_ascii_uppercase();
            assert_eq!(found, plain.to_ascii_uppercase(), "{text}");
        }
    }

    #[test]
    fn what_seems_to_begin_a_certificate_is_counted() {
        for (text, count) in [
            ("", 0),
            ("-----BEGIN PRIVATE KEY-----", 0),
            ("-----BEGIN CERTIFICATE REQUEST-----", 0),
            ("# BEGIN CERTIFICATE", 0),
            ("-----BEGIN CERTIFICATE-----", 1),
            ("----BEGIN CERTIFICATE----", 1),
            ("\u{2014}\u{2014}-BEGIN CERTIFICATE-----", 1),
            ("-----BEGIN TRUSTED CERTIFICATE-----", 1),
            ("-----BEGIN CERTIFICATE", 1),
            ("-----begin certificate----------Begin Certificate-----", 2),
        ] {
            assert_eq!(begun(&normalised(text.as_bytes())), count, "{text}");
        }
    }
}
