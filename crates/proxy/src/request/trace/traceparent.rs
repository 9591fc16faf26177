//! `traceparent`: which trace a request belongs to, and who asked (W3C Trace Context level 2 §3.2).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{SpanId, TraceId};

/// The header of both directions.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Length of a value of version 00.
const LENGTH: usize = 55;
/// Bit of the flags: the trace is told.
const SAMPLED: u8 = 1;
/// Bit of the flags: the last 56 bits of the trace's id are random.
const RANDOM: u8 = 2;

/// What one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traceparent {
    pub(crate) trace: TraceId,
    /// The span of the sender.
    pub(crate) parent: SpanId,
    pub(crate) sampled: bool,
    pub(crate) random: bool,
}

impl Traceparent {
    /// That of a request; none if there is none, more than one, or one that breaks the rules.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(TRACEPARENT).iter();
        match (fields.next(), fields.next()) {
            (Some(one), None) => Self::parse(one.as_bytes()),
            _ => None,
        }
    }

    /// `version "-" trace-id "-" parent-id "-" flags`, in lower case. What is longer has a higher
    /// version, and is read as far as it is known (§4.3).
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = |at| text.get(at) == Some(&b'-');
        if !(dash(2) && dash(35) && dash(52)) {
            return None;
        }
        let [version] = hex(text.get(..2)?)?;
        let is_whole = match version {
            0xff => false,
            0 => text.len() == LENGTH,
            _ => text.len() == LENGTH || dash(LENGTH),
        };
        if !is_whole {
            return None;
        }
        let [flags] = hex(text.get(53..LENGTH)?)?;
        Some(Self {
            trace: TraceId::from_bytes(hex(text.get(3..35)?)?)?,
            parent: SpanId::from_bytes(hex(text.get(36..52)?)?)?,
            sampled: flags & SAMPLED != 0,
            random: flags & RANDOM != 0,
        })
    }

    /// As the header, in version 00.
    pub(crate) fn to_header(self) -> HeaderValue {
        let bit = |is: bool, bit| if is { bit } else { 0 };
        let flags = bit(self.sampled, SAMPLED) | bit(self.random, RANDOM);
        let text = format!("00-{}-{}-{flags:02x}", self.trace, self.parent);
        // Digits and dashes are what a header may hold.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Lower-case digits, all of them.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of W3C Trace Context §3.2.2.5.
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(text: &str) -> Option<Traceparent> {
        Traceparent::parse(text.as_bytes())
    }

    #[test]
    fn what_is_good_is_read_and_written_as_it_was() {
        let read = parse(GOOD).unwrap();
        assert_eq!(read.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(read.parent.to_string(), "00f067aa0ba902b7");
        assert!(read.sampled && !read.random);
        assert_eq!(read.to_header(), GOOD);
        for (flags, sampled, random, written) in [
            ("00", false, false, "00"),
            ("02", false, true, "02"),
            ("03", true, true, "03"),
            // Bits without a meaning yet are not passed on (§3.2.2.4).
            ("ff", true, true, "03"),
            ("fc", false, false, "00"),
        ] {
            let read = parse(&format!("{}{flags}", &GOOD[..53])).unwrap();
            assert_eq!((read.sampled, read.random), (sampled, random), "{flags}");
            assert!(read.to_header().as_bytes().ends_with(written.as_bytes()));
        }
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        for (text, good) in [
            (GOOD.replacen("00", "01", 1), true),
            (GOOD.replacen("00", "fe", 1), true),
            (GOOD.replacen("00", "01", 1) + "-what-comes", true),
            (GOOD.replacen("00", "01", 1) + "-", true),
            (GOOD.replacen("00", "01", 1) + "x", false),
            (GOOD.replacen("00", "ff", 1), false),
            (GOOD.replacen("00", "ff", 1) + "-more", false),
            (GOOD.to_owned() + "-more", false),
        ] {
            assert_eq!(parse(&text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_none() {
        for bad in [
            String::new(),
            "00".to_owned(),
            GOOD[..54].to_owned(),
            GOOD.to_owned() + "0",
            GOOD.to_uppercase(),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("-01", "-0g"),
            GOOD.replace("00-", "0x-"),
            GOOD.replace("00-4", "00--"),
            format!(" {}", &GOOD[..54]),
            "-".repeat(LENGTH),
            "\u{e4}".repeat(30),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn there_may_be_one_only() {
        let value = HeaderValue::from_static(GOOD);
        let mut headers = HeaderMap::new();
        assert_eq!(Traceparent::of(&headers), None);
        headers.append(TRACEPARENT, value.clone());
        assert!(Traceparent::of(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert_eq!(Traceparent::of(&headers), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(text in proptest::collection::vec(any::<u8>(), 0..80)) {
            Traceparent::parse(&text);
        }

        #[test]
        fn one_wrong_byte_is_never_read_as_another_trace(at in 0..55_usize, byte in any::<u8>()) {
            let mut text = GOOD.as_bytes().to_vec();
            text[at] = byte;
            if let Some(read) = Traceparent::parse(&text) {
                let written = read.to_header();
                // All but the version and bits without a meaning.
                prop_assert_eq!(&written.as_bytes()[2..53], &text[2..53]);
            }
        }
    }
}
