//! What a node's `Location` means.
//!
//! A node names the new session in any of RFC 3986's forms: absolute, path-absolute (Red5), or relative. Clients never
//! see it; it is sealed into the session URL that we give. So all that is needed here is the path and query *at the
//! node*, and the certainty that it is this node that is meant.

use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery, Uri};
use thiserror::Error;

use crate::query;

/// Longest path and query of a session at a node, in bytes; more would not fit the URLs that clients keep.
pub const MAX_RESOURCE: usize = 512;

/// What a node may call itself.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// What was dialled.
    pub dialled: &'a Authority,
    /// Its public address.
    pub address: IpAddr,
    /// The host name by which it was named, if it was.
    pub name: Option<&'a str>,
}

impl Node<'_> {
    /// Whether a URL's host is this node.
    fn is(&self, host: &str) -> bool {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        host == self.dialled.host()
            || bare.parse() == Ok(self.address)
            || self
                .name
                .is_some_and(|name| name.eq_ignore_ascii_case(host))
    }
}

/// The path and query at the node that a `Location` names.
///
/// `endpoint` is the request target of the POST that made the session. Two habits of Red5's clients are kept: a
/// `Location` that still says `endpoint` means `resource` (red5pro-webrtc-sdk 11.0.0), and the `requestId` of the
/// endpoint, by which a node tells a player's session, stays if the `Location` does not bring one of its own.
///
/// # Errors
/// The `Location` names another host, or is no URL.
pub fn resource(
    node: Node<'_>,
    endpoint: &PathAndQuery,
    location: &str,
) -> Result<PathAndQuery, LocationError> {
    let target = at_node(node, endpoint, location)?;
    let (path, own_query) = target.split_once('?').unwrap_or((&target, ""));
    let path = remove_dot_segments(path);
    let path = match path.strip_prefix(endpoint.path()) {
        Some(rest) => format!("{}{rest}", as_resource(endpoint.path())),
        None => path,
    };
    let request_id = query::filter(endpoint.query().unwrap_or_default(), |key| {
        key == "requestId"
    });
    let query = query::merge(&request_id, own_query);
    let whole = if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    };
    if whole.len() > MAX_RESOURCE {
        return Err(LocationError::TooLong);
    }
    PathAndQuery::try_from(whole).map_err(|_| LocationError::Malformed)
}

/// The path and query at the node that any other reference in an answer names: the target of a `Link`, or the `Location`
/// of what an extension has made. `base` is the request target of the answer (RFC 3986 §5.1.3).
///
/// # Errors
/// It names another host, or is no URL.
pub fn target(
    node: Node<'_>,
    base: &PathAndQuery,
    reference: &str,
) -> Result<PathAndQuery, LocationError> {
    let target = at_node(node, base, reference)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    let whole = format!("{}{mark}{query}", remove_dot_segments(path));
    if whole.len() > MAX_RESOURCE {
        return Err(LocationError::TooLong);
    }
    PathAndQuery::try_from(whole).map_err(|_| LocationError::Malformed)
}

/// An endpoint's path as that of its sessions. The last `endpoint` is meant: a scope may hold one too.
fn as_resource(endpoint: &str) -> String {
    match endpoint.rsplit_once("/endpoint/") {
        Some((before, name)) => format!("{before}/resource/{name}"),
        None => endpoint.to_owned(),
    }
}

/// The reference resolved against the endpoint (RFC 3986 §5.2), without scheme, authority and fragment.
fn at_node(
    node: Node<'_>,
    endpoint: &PathAndQuery,
    location: &str,
) -> Result<String, LocationError> {
    let reference = location.split('#').next().unwrap_or_default();
    if let Some(after) = reference.strip_prefix("//") {
        return absolute(node, &format!("http://{after}"));
    }
    if has_scheme(reference) {
        return absolute(node, reference);
    }
    let base = endpoint.path();
    Ok(if reference.starts_with('/') {
        reference.to_owned()
    } else if reference.is_empty() || reference.starts_with('?') {
        format!("{base}{reference}")
    } else {
        let folder = base
            .rfind('/')
            .and_then(|slash| base.get(..=slash))
            .unwrap_or("/");
        format!("{folder}{reference}")
    })
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find(['/', '?']).unwrap_or(reference.len());
    reference.get(..end).is_some_and(|head| head.contains(':'))
}

fn absolute(node: Node<'_>, reference: &str) -> Result<String, LocationError> {
    let uri = Uri::try_from(reference).map_err(|_| LocationError::Malformed)?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(LocationError::Malformed);
    }
    // A port that is not ours is forgiven (a node may name its public one); another host never is.
    match uri.authority() {
        Some(authority) if node.is(authority.host()) && !authority.as_str().contains('@') => {
            Ok(uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string))
        }
        _ => Err(LocationError::Foreign),
    }
}

/// RFC 3986 §5.2.4.
fn remove_dot_segments(path: &str) -> String {
    if !path.contains("/.") {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in path.split('/').skip(1) {
        folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    format!(
        "/{}{}",
        kept.join("/"),
        if folder && !kept.is_empty() { "/" } else { "" }
    )
}

/// A `Location` that cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LocationError {
    /// It names another host than the node that gave it.
    #[error("its Location names another host")]
    Foreign,
    /// It is no URL.
    #[error("its Location is not a URL")]
    Malformed,
    /// It is longer than [`MAX_RESOURCE`].
    #[error("its Location is longer than {MAX_RESOURCE} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(endpoint: &str, location: &str) -> Result<String, LocationError> {
        resource(
            Node {
                dialled: &Authority::from_static("10.0.0.5:5080"),
                address: IpAddr::from([203, 0, 113, 5]),
                name: Some("a.nodes.example.com"),
            },
            &endpoint.parse().unwrap(),
            location,
        )
        .map(|target| target.to_string())
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
            // What is an endpoint stays one.
            ("/live/whep/endpoint/s1", "/live/whep/endpoint/s1"),
        ] {
            assert_eq!(at(reference).as_deref(), Ok(expected), "{reference}");
        }
        for foreign in [
            "http://10.0.0.6/e",
            "//evil.example/e",
            "http://u@10.0.0.5/e",
        ] {
            assert_eq!(at(foreign), Err(LocationError::Foreign), "{foreign}");
        }
        assert_eq!(at("localhost:8080/api"), Err(LocationError::Malformed));
        assert_eq!(at(&"a".repeat(600)), Err(LocationError::TooLong));
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
    fn another_host_is_refused() {
        let whip = "/live/whip/endpoint/s1";
        for location in [
            "http://10.0.0.6:5080/x",
            "http://203.0.113.6:5080/x",
            "http://[::ffff:203.0.113.5]/x",
            "//169.254.169.254/latest",
            "http://user@10.0.0.5/x",
            "http://10.0.0.5.evil.example/x",
            "http://b.nodes.example.com/x",
            "http://a.nodes.example.com.evil.example/x",
            "http://user@a.nodes.example.com/x",
        ] {
            assert_eq!(
                at(whip, location),
                Err(LocationError::Foreign),
                "{location}"
            );
        }
        for location in ["ftp://10.0.0.5/x", "javascript:alert(1)", "http://", "/a b"] {
            assert_eq!(
                at(whip, location),
                Err(LocationError::Malformed),
                "{location}"
            );
        }
        assert_eq!(
            at(whip, &format!("/{}", "a".repeat(600))),
            Err(LocationError::TooLong)
        );
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
