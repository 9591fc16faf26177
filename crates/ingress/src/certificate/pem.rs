//! PEM files as people really have them (RFC 7468), read so that nothing in them is skipped unsaid.
//!
//! | in the file | result |
//! |---|---|
//! | `\r\n`, `\r`, indented lines, spaces at the end, a byte order mark, text around the blocks | read |
//! | one block glued to the next: `-----END X----------BEGIN X-----` | read as two |
//! | markers in lower case | read |
//! | a marker with too few dashes, or with dashes of another kind | an error with its line |
//! | `BEGIN` without `END`, `END` without `BEGIN`, two that do not match | an error with its line |
//! | a block that is not base64 | an error with its line |
//! | an empty file, DER, PKCS#12, UTF-16 | an error that says how to convert it |

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use thiserror::Error;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const DASHES: &str = "-----";

/// What stands between a pair of markers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Behind `BEGIN`, in upper case.
    pub(crate) label: String,
    /// Decoded.
    pub(crate) der: Vec<u8>,
    /// The line of its `BEGIN`, from 1.
    pub(crate) line: usize,
    /// Whether a header says that it is encrypted (RFC 1421 §4.6.1.1).
    pub(crate) is_encrypted: bool,
}

/// Why a file is no PEM file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// DER.
    #[error(
        "is in DER form and not in PEM form; convert it with `openssl x509 -inform der` or `openssl pkey -inform der`"
    )]
    Der,
    /// PKCS#12.
    #[error(
        "is a PKCS#12 file (.p12, .pfx) and not a PEM file; convert it with `openssl pkcs12 -nodes`"
    )]
    Pkcs12,
    /// UTF-16.
    #[error("is UTF-16 text; save it as ASCII or UTF-8")]
    Utf16,
    /// Something like a marker.
    #[error(
        "line {0} looks like a BEGIN or END marker and is none; a marker has five hyphens on both sides"
    )]
    Marker(usize),
    /// `BEGIN` without `END`.
    #[error("the block that begins in line {0} has no END {1}")]
    Unended(usize, String),
    /// `END` without `BEGIN`.
    #[error("line {0} ends a block {1} that does not begin")]
    Unbegun(usize, String),
    /// Not base64.
    #[error("the block that begins in line {0} is not base64")]
    Base64(usize),
}

/// A marker within a line: what stands before it, whether it begins, its label, and what stands
/// behind it.
type Found<'l> = (&'l str, bool, String, &'l str);

/// Every block of a file.
///
/// # Errors
/// [`PemError`], for anything that looks like part of a block and is not.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Block>, PemError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes {
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => return Err(PemError::Utf16),
        [0x30, rest @ ..] if rest.first().is_some_and(|length| *length >= 0x80) => {
            return Err(binary(rest));
        }
        _ if bytes.trim_ascii().is_empty() => return Err(PemError::Empty),
        _ => {}
    }
    let text = String::from_utf8_lossy(bytes)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let mut rest = text;
        while let Some((before, begins, label, after)) = marker(rest) {
            content(&mut open, before, line)?;
            match (open.take(), begins) {
                (None, true) => open = Some(Open::new(label, line)),
                (Some(block), false) if block.label == label => blocks.push(block.close()?),
                (Some(block), _) => return Err(PemError::Unended(block.line, block.label)),
                (None, false) => return Err(PemError::Unbegun(line, label)),
            }
            rest = after;
        }
        content(&mut open, rest, line)?;
    }
    match open {
        Some(block) => Err(PemError::Unended(block.line, block.label)),
        None => Ok(blocks),
    }
}

/// What the blocks of a file are, in upper case; `ENCRYPTED PRIVATE KEY` for every kind of key that
/// has a passphrase.
///
/// # Errors
/// [`PemError`], for anything that looks like part of a block and is not.
pub fn labels(bytes: &[u8]) -> Result<Vec<String>, PemError> {
    let named = |block: Block| {
        if block.is_encrypted {
            "ENCRYPTED PRIVATE KEY".to_owned()
        } else {
            block.label
        }
    };
    Ok(read(bytes)?.into_iter().map(named).collect())
}

/// A SEQUENCE without its tag: a PKCS#12 file begins with its version, 3.
fn binary(rest: &[u8]) -> PemError {
    let length = rest.first().map_or(0, |length| usize::from(length & 0x7f));
    match rest.get(1 + length..) {
        Some([2, 1, 3, ..]) => PemError::Pkcs12,
        _ => PemError::Der,
    }
}

struct Open {
    label: String,
    line: usize,
    base64: String,
    is_encrypted: bool,
}

impl Open {
    fn new(label: String, line: usize) -> Self {
        Self {
            label,
            line,
            base64: String::new(),
            is_encrypted: false,
        }
    }

    fn close(self) -> Result<Block, PemError> {
        let der = BASE64.decode(&self.base64).ok();
        let der = der
            .filter(|der| !der.is_empty())
            .ok_or(PemError::Base64(self.line))?;
        Ok(Block {
            label: self.label,
            der,
            line: self.line,
            is_encrypted: self.is_encrypted,
        })
    }
}

/// A piece of a line that holds no marker.
fn content(open: &mut Option<Open>, piece: &str, line: usize) -> Result<(), PemError> {
    if is_almost_a_marker(piece) {
        return Err(PemError::Marker(line));
    }
    let Some(block) = open else { return Ok(()) };
    // A header of RFC 1421, such as `Proc-Type: 4,ENCRYPTED`.
    if piece.contains(':') {
        block.is_encrypted |= piece.to_ascii_uppercase().contains("ENCRYPTED");
    } else {
        block
            .base64
            .extend(piece.chars().filter(|each| !each.is_whitespace()));
    }
    Ok(())
}

fn is_almost_a_marker(piece: &str) -> bool {
    let upper = piece.to_ascii_uppercase();
    let is_dash = |each: char| matches!(each, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    ["BEGIN", "END"].iter().any(|word| {
        upper.match_indices(word).any(|(at, _)| {
            let before = upper.get(..at).unwrap_or_default().trim_end();
            let after = upper.get(at + word.len()..).unwrap_or_default();
            before.ends_with(is_dash) && after.starts_with(' ')
        })
    })
}

/// The first marker in a piece of a line.
fn marker(piece: &str) -> Option<Found<'_>> {
    let upper = piece.to_ascii_uppercase();
    let (at, word) = ["-----BEGIN ", "-----END "]
        .iter()
        .filter_map(|word| upper.find(word).map(|at| (at, *word)))
        .min()?;
    let label_at = at + word.len();
    let length = upper.get(label_at..)?.find(DASHES)?;
    let label = upper.get(label_at..label_at + length)?.trim();
    let is_label = !label.is_empty()
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'#' | b'-'));
    is_label.then(|| {
        let before = piece.get(..at).unwrap_or_default();
        let after = piece
            .get(label_at + length + DASHES.len()..)
            .unwrap_or_default();
        (before, word.contains("BEGIN"), label.to_owned(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----";
    const B: &str = "-----BEGIN PRIVATE KEY-----\nBgcI\n-----END PRIVATE KEY-----";

    fn labels(text: &str) -> Result<Vec<(String, Vec<u8>, usize)>, PemError> {
        let blocks = read(text.as_bytes())?;
        Ok(blocks
            .into_iter()
            .map(|block| (block.label, block.der, block.line))
            .collect())
    }

    #[test]
    fn every_spelling_of_two_blocks_is_read_as_two() {
        let whole = format!("{A}\n{B}\n");
        for text in [
            whole.clone(),
            format!("{A}{B}"),
            whole.replace('\n', "\r\n"),
            whole.replace('\n', "\r"),
            whole.replace('\n', "  \t\n"),
            whole.replace('\n', "\n    "),
            whole
                .to_ascii_lowercase()
                .replace("aaec", "AAEC")
                .replace("awqf", "AwQF")
                .replace("bgci", "BgcI"),
            format!("\u{feff}{whole}"),
            format!(
                "Bag Attributes\n  friendlyName: the end of it\n{A}\nsubject=CN = x\n\n{B}\n# end\n"
            ),
            format!("{}\n{B}", A.replace("AAEC\nAwQF\n", "AAECAwQF")),
        ] {
            let read = labels(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let read: Vec<_> = read
                .iter()
                .map(|(label, der, _)| (&**label, &**der))
                .collect();
            assert_eq!(
                read,
                [
                    ("CERTIFICATE", &[0, 1, 2, 3, 4, 5][..]),
                    ("PRIVATE KEY", &[6, 7, 8][..])
                ],
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_broken_is_an_error_with_its_line() {
        let begun = PemError::Unended(2, "CERTIFICATE".to_owned());
        for (text, error) in [
            (String::new(), PemError::Empty),
            (" \n".to_owned(), PemError::Empty),
            (
                format!("\n{}", A.replace("-----END CERTIFICATE-----", "")),
                begun.clone(),
            ),
            (
                format!("\n{}\n{B}", A.replace("-----END CERTIFICATE-----", "")),
                begun.clone(),
            ),
            (
                format!("\n{}", A.replace("END CERTIFICATE", "END PRIVATE KEY")),
                begun,
            ),
            (
                A.replace("-----BEGIN CERTIFICATE-----", ""),
                PemError::Unbegun(4, "CERTIFICATE".to_owned()),
            ),
            (A.replace("-----BEGIN", "----BEGIN"), PemError::Marker(1)),
            (A.replace("-----END", "--END"), PemError::Marker(4)),
            (
                A.replace("CERTIFICATE-----", "CERTIFICATE---"),
                PemError::Marker(1),
            ),
            (
                A.replace("-----BEGIN", "\u{2014}\u{2014}-BEGIN"),
                PemError::Marker(1),
            ),
            (A.replace("AAEC", "AA*C"), PemError::Base64(1)),
            (A.replace("AAEC\nAwQF\n", ""), PemError::Base64(1)),
        ] {
            assert_eq!(labels(&text), Err(error), "{text}");
        }
        assert_eq!(
            read(&[0x30, 0x82, 1, 2, 0x30, 0x82]).err(),
            Some(PemError::Der)
        );
        assert_eq!(
            read(&[0x30, 0x82, 1, 2, 2, 1, 3, 0x30]).err(),
            Some(PemError::Pkcs12)
        );
        assert_eq!(read(&[0xff, 0xfe, b'-', 0]).err(), Some(PemError::Utf16));
    }

    #[test]
    fn an_encrypted_key_is_known_by_its_header() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
        let blocks = read(key.as_bytes()).unwrap();
        assert!(blocks[0].is_encrypted && blocks[0].der == [0, 1, 2]);
    }
}
