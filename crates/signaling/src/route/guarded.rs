//! Paths of the Stream Manager that are not everybody's, seen through what a servlet container or a
//! router makes of them.
//!
//! Containers decode escapes, drop `;parameters`, merge slashes and resolve dots before they match.
//! So each segment is compared after the same has been done to it; dots are not resolved, it is
//! enough that the words stand there in order. A path of 2.0 that is written plainly is taken at
//! its word: a stream named `admin` is no administration.

use std::borrow::Cow;

use super::Route;
use crate::{
    Api,
    stream::{Part, check_segment},
};

/// How often a path is decoded: a container behind something that decodes once more decodes twice.
const DECODINGS: usize = 4;

/// The route of a path without its first slash that is none of WHIP, WHEP or a socket.
pub(super) fn parse(path: &str, api: Api) -> Route {
    let plain = is_plain(path);
    let decoded = decoded(path);
    let segments: Vec<&[u8]> = segments(&decoded).collect();
    let second = |word: &str| match (plain, segments.as_slice()) {
        (true, [root, _, found, ..]) => is(root, "as") && is(found, word),
        (true, _) => false,
        (false, segments) => in_order(segments, &["as", word]),
    };
    if in_order(&segments, &["streammanager", "admin"]) || second("admin") {
        return Route::ManagerAdmin;
    }
    // With 2.0 all below `/as/v1/proxy` is ours to serve, and what we do not know is not for the
    // manager to do.
    if second("proxy") && (api == Api::V2 || in_order(&segments, &["proxy", "forward"])) {
        return Route::ForwardProxy;
    }
    Route::Manager
}

/// Whether a container that resolves dots would leave a folder of this path.
pub fn has_dots(path: &str) -> bool {
    let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    segments(&decoded(path)).any(is_dots)
}

/// Whether a container may read this path as one of the Stream Manager's own WebSocket proxies,
/// which dial any `host=`: everything below `/streammanager` of 1.x, and `/as/v1/proxy` of 2.0.
pub fn leads_to_a_node(path: &str) -> bool {
    let decoded = decoded(path);
    let walked = walk(&decoded);
    let begins = |words: &[&str]| {
        let mut walked = walked.iter();
        let mut words = words.iter();
        words.all(|word| walked.next().is_some_and(|segment| is(segment, word)))
    };
    begins(&["streammanager"]) || begins(&["as", "v1", "proxy"])
}

/// Whether a servlet container reads this path as WHIP or WHEP of 1.x, whatever we read. The Stream
/// Manager's own proxy for these URLs goes to any `host=` (Red5 Pro documentation, WHIP/WHEP
/// configuration), so only what we read may reach it.
pub fn signals(path: &str) -> bool {
    let decoded = decoded(path);
    let walked = walk(&decoded);
    walked.windows(2).any(|pair| {
        let [protocol, noun] = pair else { return false };
        ["whip", "whep"].iter().any(|word| is(protocol, word))
            && ["endpoint", "resource"].iter().any(|word| is(noun, word))
    })
}

/// The segments that are left when a container has merged slashes and resolved dots.
fn walk(decoded: &[u8]) -> Vec<&[u8]> {
    let mut walked: Vec<&[u8]> = Vec::new();
    for segment in segments(decoded) {
        match segment {
            b"" | b"." => {}
            b".." => drop(walked.pop()),
            _ => walked.push(segment),
        }
    }
    walked
}

/// Whether every reader sees the same segments.
fn is_plain(path: &str) -> bool {
    path.split('/')
        .all(|segment| check_segment(Part::Scope, segment).is_ok())
}

/// A path without its escapes; most paths have none, and are not copied.
fn decoded(path: &str) -> Cow<'_, [u8]> {
    let mut decoded = Cow::Borrowed(path.as_bytes());
    for _ in 0..DECODINGS {
        if !decoded.contains(&b'%') {
            break;
        }
        decoded = Cow::Owned(decode(&decoded));
    }
    decoded
}

fn segments(decoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    decoded
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .filter_map(|segment| segment.split(|byte| *byte == b';').next())
        .map(<[u8]>::trim_ascii)
}

fn is(segment: &[u8], word: &str) -> bool {
    segment.eq_ignore_ascii_case(word.as_bytes())
}

/// Whether these words stand there one after the other, with anything before, between and behind
/// them.
fn in_order(segments: &[&[u8]], words: &[&str]) -> bool {
    let mut segments = segments.iter();
    words
        .iter()
        .all(|word| segments.any(|segment| is(segment, word)))
}

/// Decodes what is an escape, and leaves what is none.
fn decode(path: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escape = digit(after.first())
            .zip(digit(after.get(1)))
            .filter(|_| *first == b'%');
        let byte = escape.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_a_node_is_seen_through_every_disguise() {
        for path in [
            "/streammanager",
            "/streammanager/x",
            "//streammanager/",
            "/StreamManager;a=b/",
            "/%73treammanager",
            "/%2573treammanager",
            "/x/../streammanager/",
            "/x/%2e%2e/streammanager/",
            "\\streammanager\\",
            "/as/v1/proxy/ws/publish/live/s1",
            "/as/./v1//proxy/ws/",
        ] {
            assert!(leads_to_a_node(path), "{path}");
        }
        for path in [
            "/",
            "/conference-api/1.0/ws/room1",
            "/as/v1/admin/ws",
            "/x/streammanager",
            "/streammanager/../x",
            "/streammanagers",
        ] {
            assert!(!leads_to_a_node(path), "{path}");
        }
    }

    #[test]
    fn signalling_is_seen_through_every_disguise() {
        for path in [
            "/live/whip//endpoint/s1",
            "/live/%77hip/endpoint/s1",
            "/live/%2577hip/endpoint/s1",
            "/live/whip;x/endpoint/s1",
            "/live/whip/./endpoint/s1",
            "/live/whep/x/../resource/s1",
            "/live\\whep\\endpoint\\s1",
        ] {
            assert!(signals(path), "{path}");
        }
        for path in [
            "/",
            "/live/whip",
            "/live/whip/docs/endpoint",
            "/live/whips/endpoint/s1",
            "/streammanager/api/4.0/event/live/whip",
        ] {
            assert!(!signals(path), "{path}");
        }
    }

    #[test]
    fn dots_are_seen_through_every_escape() {
        for path in [
            "/a/../b",
            "/a/.",
            "/%2e%2E/b",
            "/a%2f..%2fb",
            "/a/..;x=y/b",
            "/%252e./b",
            "/a\\..\\b",
        ] {
            assert!(has_dots(path), "{path}");
        }
        for path in ["/a/b", "/a..b/.c", "/...", "/a%20b", "/"] {
            assert!(!has_dots(path), "{path}");
        }
    }
}
