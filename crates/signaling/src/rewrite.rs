//! What a node's `Location` means, and the target of its `Link`.
//!
//! A node names a new session in any of RFC 3986's forms: absolute, path-absolute (Red5), or
//! relative. Clients never see it; it is sealed into the session URL that we give. So all that is
//! needed is the path and query *at the node*.
//!
//! | reference | host | meaning |
//! |---|---|---|
//! | `Location` | any | the path, at the node that answered: it has made the session, whatever it calls itself |
//! | target of a `Link` | the node's, or ours (a node may build it from `X-Forwarded-Host`) | the path, at that node |
//! | target of a `Link` | another | not the node's: the link is left out |
//!
//! A host in a reference opens nothing: only the node that answered is ever asked for the path. A
//! `Location` that cannot be read, or is too long, is not followed, and the session is where Red5
//! keeps it ([`usual`]): a session that a node has made is not lost by a limit of ours.

mod reference;

use std::{borrow::Cow, net::IpAddr};

use http::uri::{Authority, PathAndQuery};
use thiserror::Error;

use self::reference::{remove_dot_segments, resolved};
use crate::{host, query};

/// Longest path and query of a session at a node, in bytes. Sealed, as part of a URL of ours, it
/// stays below the 4096 bytes in which FFmpeg reads a line of a header (libavformat/http.c,
/// `MAX_URL_SIZE`).
pub const MAX_RESOURCE: usize = 2048;

/// Names that can only mean the node itself.
const ITSELF: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a node may call itself.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// What was dialled.
    pub dialled: &'a Authority,
    /// Its public address.
    pub address: IpAddr,
    /// Its host name, if it was named by one.
    pub name: Option<&'a str>,
    /// The names under which clients reach this proxy, as [`host::normal`] writes them: a node
    /// receives one of them in `X-Forwarded-Host`.
    pub ours: &'a [String],
}

impl Node<'_> {
    /// Whether a URL's host means this node.
    fn is(&self, named: &str) -> bool {
        let named = host::normal(named);
        let is_address = || host::normal(&self.address.to_string()) == named;
        host::normal(self.dialled.host()) == named
            || is_address()
            || self.name.is_some_and(|name| host::same(name, &named))
            || ITSELF.contains(&named.as_str())
            || self.ours.contains(&named)
    }
}

/// The path and query at the node that a `Location` names.
///
/// `endpoint` is the request target of the POST that made the session. Two habits of Red5's clients
/// are kept: a `Location` that still says `endpoint` means `resource` (red5pro-webrtc-sdk 11.0.0),
/// and the `requestId` of the endpoint, which identifies a player's session at a node, stays if the
/// `Location` does not bring one of its own.
///
/// # Errors
/// The `Location` is no URL, or longer than [`MAX_RESOURCE`].
pub fn resource(
    endpoint: &PathAndQuery,
    location: impl AsRef<[u8]>,
) -> Result<PathAndQuery, LocationError> {
    let target = resolved(endpoint, location.as_ref(), |_| true)?;
    let (path, own_query) = target.split_once('?').unwrap_or((&target, ""));
    let path = remove_dot_segments(path);
    let path = match path.strip_prefix(endpoint.path()) {
        Some(rest) => Cow::Owned(as_resource(endpoint.path()) + rest),
        None => path,
    };
    let request_id = query::filter(endpoint.query().unwrap_or_default(), |key| {
        key == "requestId"
    });
    bounded(&path, &query::merge(&request_id, own_query))
}

/// Where a Red5 node keeps the session that a POST to `endpoint` makes, if it does not say where.
///
/// # Errors
/// That is longer than [`MAX_RESOURCE`], which no honest client's `requestId` makes it.
pub fn usual(endpoint: &PathAndQuery) -> Result<PathAndQuery, LocationError> {
    resource(endpoint, "")
}

/// The path and query at the node of what an extension has made there, from its `Location`. `base`
/// is the request target of the answer (RFC 3986 §5.1.3).
///
/// # Errors
/// It is no URL, or longer than [`MAX_RESOURCE`].
pub fn made(
    base: &PathAndQuery,
    location: impl AsRef<[u8]>,
) -> Result<PathAndQuery, LocationError> {
    let target = resolved(base, location.as_ref(), |_| true)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    bounded(&remove_dot_segments(path), query)
}

/// The path and query at the node that the target of a `Link` names. `base` is the request target
/// of the answer (RFC 3986 §5.1.3).
///
/// # Errors
/// It names another host, is no URL, or is longer than [`MAX_RESOURCE`].
pub fn target(
    node: Node<'_>,
    base: &PathAndQuery,
    reference: &str,
) -> Result<PathAndQuery, LocationError> {
    let target = resolved(base, reference.as_bytes(), |host| node.is(host))?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    bounded(&remove_dot_segments(path), query)
}

fn bounded(path: &str, query: &str) -> Result<PathAndQuery, LocationError> {
    let mark = if query.is_empty() { "" } else { "?" };
    let whole = [path, mark, query].concat();
    if whole.len() > MAX_RESOURCE {
        return Err(LocationError::TooLong);
    }
    PathAndQuery::try_from(whole).map_err(|_| LocationError::Malformed)
}

/// An endpoint's path as that of its sessions. The last `endpoint` is meant: a scope may hold one
/// too.
fn as_resource(endpoint: &str) -> String {
    match endpoint.rsplit_once("/endpoint/") {
        Some((before, name)) => [before, "/resource/", name].concat(),
        None => endpoint.to_owned(),
    }
}

/// A `Location`, or the target of a `Link`, that cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LocationError {
    /// The target of a `Link` names another host than the node that gave it.
    #[error("it names another host")]
    Foreign,
    /// It is no URL.
    #[error("it is not a URL")]
    Malformed,
    /// It is longer than [`MAX_RESOURCE`].
    #[error("it is longer than {MAX_RESOURCE} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(endpoint: &str, location: &str) -> Result<String, LocationError> {
        resource(&endpoint.parse().unwrap(), location).map(|target| target.to_string())
    }

    #[test]
    fn every_form_of_a_location() {
        let whip = "/live/whip/endpoint/s1?signal=true&mode=live";
        for (location, target) in [
            ("/live/whip/resource/s1", "/live/whip/resource/s1"),
            ("/live/whip/endpoint/s1", "/live/whip/resource/s1"),
            ("", "/live/whip/resource/s1"),
            ("?id=1", "/live/whip/resource/s1?id=1"),
            ("s1/abc", "/live/whip/resource/s1/abc"),
            ("webrtc?id=1", "/live/whip/endpoint/webrtc?id=1"),
            ("../resource/s1", "/live/whip/resource/s1"),
            ("/a/b?c=d#e", "/a/b?c=d"),
            ("http://10.0.0.5:5080/x/y", "/x/y"),
            ("http://10.0.0.5/x?y", "/x?y"),
            ("//10.0.0.5:5080/x", "/x"),
            ("http://203.0.113.5:5080/x", "/x"),
            ("//203.0.113.5/x", "/x"),
            ("https://a.nodes.example.com/x", "/x"),
            ("//A.Nodes.example.com:5080/x", "/x"),
            // The path counts, whatever a node calls itself.
            ("http://10.0.0.6:5080/x", "/x"),
            ("https://live.example:8443/x?y#z", "/x?y"),
            ("HTTPS://user@Live.Example./x", "/x"),
            ("wss://live.example/x", "/x"),
            ("//169.254.169.254/latest", "/latest"),
            ("http://[fe80::1]:5080/x", "/x"),
            ("http://10.0.0.5?id=1", "/?id=1"),
            ("http://10.0.0.5", "/"),
            (" /x\t", "/x"),
            ("/a b/ü\"", "/a%20b/%C3%BC%22"),
        ] {
            assert_eq!(at(whip, location).as_deref(), Ok(target), "{location}");
        }
    }

    #[test]
    fn every_form_of_another_reference() {
        let node = Node {
            dialled: &Authority::from_static("10.0.0.5:5080"),
            address: IpAddr::from([203, 0, 113, 5]),
            name: Some("a.nodes.example.com"),
            ours: &["live.example".to_owned()],
        };
        let base = PathAndQuery::from_static("/live/whep/endpoint/s1?requestId=x");
        let at = |reference: &str| {
            let target = target(node, &base, reference);
            target.map(|target| target.to_string())
        };
        for (reference, expected) in [
            ("/events/1?a=b#c", "/events/1?a=b"),
            ("events", "/live/whep/endpoint/events"),
            ("../../../x/./y", "/x/y"),
            ("http://10.0.0.5:5080/e", "/e"),
            ("//a.nodes.example.com/e", "/e"),
            ("https://A.nodes.example.com.:8443/e", "/e"),
            ("http://[::ffff:203.0.113.5]/e", "/e"),
            ("http://localhost:5080/e", "/e"),
            ("https://Live.Example:8443/e", "/e"),
            // What is an endpoint stays one.
            ("/live/whep/endpoint/s1", "/live/whep/endpoint/s1"),
        ] {
            assert_eq!(at(reference).as_deref(), Ok(expected), "{reference}");
        }
        for foreign in [
            "http://10.0.0.6/e",
            "//evil.example/e",
            "http://10.0.0.5@evil.example/e",
            "http://10.0.0.5.evil.example/e",
            "http://b.nodes.example.com/e",
            "http://live.example.evil.example/e",
            "//169.254.169.254/latest",
        ] {
            assert_eq!(at(foreign), Err(LocationError::Foreign), "{foreign}");
        }
        assert_eq!(at("localhost:8080/api"), Err(LocationError::Malformed));
        assert_eq!(at(&"a".repeat(2100)), Err(LocationError::TooLong));
    }

    #[test]
    fn a_players_request_id_stays_with_its_session() {
        let whep = "/live/whep/endpoint/s1?requestId=subscriber-1b31&signal=true";
        assert_eq!(
            at(whep, "/live/whep/resource/s1").unwrap(),
            "/live/whep/resource/s1?requestId=subscriber-1b31"
        );
        assert_eq!(
            at(whep, "/live/whep/resource/s1?requestId=other").unwrap(),
            "/live/whep/resource/s1?requestId=other"
        );
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let whip = "/live/whip/endpoint/s1";
        for location in [
            "ftp://10.0.0.5/x",
            "javascript:alert(1)",
            "localhost:8080/x",
            "http://",
            "http:///x",
            "//",
            "http:/x",
            "http://a b/x",
        ] {
            assert_eq!(
                at(whip, location),
                Err(LocationError::Malformed),
                "{location}"
            );
        }
        let of = |length: usize| at(whip, &format!("/{}", "a".repeat(length - 1)));
        assert!(of(MAX_RESOURCE).is_ok());
        assert_eq!(of(MAX_RESOURCE + 1), Err(LocationError::TooLong));
        // Bytes that are no text are escaped, too.
        let odd = resource(&whip.parse().unwrap(), b"/x/\xff").unwrap();
        assert_eq!(odd.as_str(), "/x/%FF");
    }

    #[test]
    fn the_usual_place_is_known_before_a_session_is() {
        let usual = |endpoint: &str| usual(&endpoint.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(
            usual("/live/whep/endpoint/s1?requestId=a&x=1").as_deref(),
            Ok("/live/whep/resource/s1?requestId=a")
        );
        let long = format!(
            "/live/whep/endpoint/s1?requestId={}",
            "a".repeat(MAX_RESOURCE)
        );
        assert_eq!(usual(&long), Err(LocationError::TooLong));
    }

    proptest! {
        #[test]
        fn any_location_is_taken(location in ".{0,200}") {
            if let Ok(target) = at("/live/whip/endpoint/s1", &location) {
                prop_assert!(target.starts_with('/'));
            }
        }
    }
}
