//! Content codings (RFC 9110 §8.4) of the few bodies that are parsed: lookups, lists of nodes,
//! session descriptions.
//!
//! Such bodies are requested uncompressed ([`IDENTITY`]). A server may compress all the
//! same (Tomcat's `compression="force"`): then it is decoded, up to the limit that the plain body
//! would have. What cannot be decoded is not parsed.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};

/// The value of `Accept-Encoding` that asks for an uncompressed body. Without the field any coding
/// would do (RFC 9110 §12.5.3).
pub const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    None,
    /// `gzip`, and `x-gzip`, which means the same (RFC 9110 §8.4.1.3).
    Gzip,
    /// `deflate`: zlib, or what some servers take for it (RFC 9110 §8.4.1.2).
    Deflate,
    /// Another one, or more than one.
    Other,
}

/// How the body of this message is coded.
pub fn of(headers: &HeaderMap) -> Coding {
    let mut found = Coding::None;
    for field in headers.get_all(CONTENT_ENCODING) {
        for name in field.as_bytes().split(|byte| *byte == b',') {
            let coding = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                _ => Coding::Other,
            };
            found = match found {
                Coding::None => coding,
                _ => Coding::Other,
            };
        }
    }
    found
}

impl Coding {
    /// The body as it is meant; `None` if this coding is not known, if it is malformed, or if more
    /// than `limit` bytes come of it. No more than that are ever held.
    pub fn decoded(self, body: &[u8], limit: usize) -> Option<Vec<u8>> {
        match self {
            Self::None => (body.len() <= limit).then(|| body.to_vec()),
            Self::Gzip => bounded(MultiGzDecoder::new(body), limit),
            Self::Deflate => bounded(ZlibDecoder::new(body), limit)
                .or_else(|| bounded(DeflateDecoder::new(body), limit)),
            Self::Other => None,
        }
    }
}

fn bounded(decoder: impl Read, limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).ok()?.saturating_add(1);
    decoder.take(most).read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn named(values: &[&'static str]) -> Coding {
        let values = values.iter().map(|value| HeaderValue::from_static(value));
        of(&values.map(|value| (CONTENT_ENCODING, value)).collect())
    }

    #[test]
    fn a_coding_is_what_its_name_says() {
        for (values, coding) in [
            (&[][..], Coding::None),
            (&["identity"], Coding::None),
            (&["", ", identity"], Coding::None),
            (&["GZip"], Coding::Gzip),
            (&["x-gzip , identity"], Coding::Gzip),
            (&["deflate"], Coding::Deflate),
            (&["br"], Coding::Other),
            (&["gzip, gzip"], Coding::Other),
            (&["gzip", "br"], Coding::Other),
        ] {
            assert_eq!(named(values), coding, "{values:?}");
        }
    }

    #[test]
    fn what_was_coded_is_decoded_up_to_a_limit() {
        let plain = b"v=0\r\n".repeat(1000);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain).unwrap();
        zlib.write_all(&plain).unwrap();
        raw.write_all(&plain).unwrap();
        for (coding, coded) in [
            (Coding::None, plain.clone()),
            (Coding::Gzip, gzip.finish().unwrap()),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Deflate, raw.finish().unwrap()),
        ] {
            assert_eq!(coding.decoded(&coded, 5000).as_ref(), Some(&plain));
            assert_eq!(coding.decoded(&coded, 4999), None);
            if coding == Coding::Gzip {
                assert_eq!(coding.decoded(&coded[..20], 5000), None);
            }
        }
        assert_eq!(Coding::Gzip.decoded(&plain, 5000), None);
        assert_eq!(Coding::Other.decoded(b"x", 5000), None);
    }
}
