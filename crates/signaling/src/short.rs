//! Endpoints without the word `endpoint`: `/{scope…}/whip|whep/{stream}`.
//!
//! From red5pro-webrtc-sdk 13.0.0 on, the option `endpoint` is used as it is, and pages leave the
//! word out, as the URLs of Stream Manager 2.0 do. What is meant is the endpoint of that stream,
//! which is what a node receives.
//!
//! | path | meant is | since |
//! |---|---|---|
//! | `/live/whip/s1` | `/live/whip/endpoint/s1` | |
//! | `/live/room/whep/s1/` | `/live/room/whep/endpoint/s1` | |
//! | `PATCH`, `DELETE` of `/live/whip/s1` | `/live/whip/resource/s1` | the SDK found no `Location` (see [`in_full`]) |
//! | `/live/whip/whep/s1` | `/live/whip/whep/endpoint/s1` | a scope may be called `whip` |
//! | `/live/whip/whep/endpoint/s1` | as it is | the long form is read first |
//! | `/live/whip/endpoint`, `/live/whip/resource` | as it is | the stream is missing |
//! | `/whip/s1` | as it is, the manager's | there is no scope |
//! | `/streammanager/api/4.0/event/whip/s1` | as it is, the manager's | a scope called `whip` in its API |
//! | `/as/v1/…` | as it is | Stream Manager 2.0 has URLs of its own |
//!
//! It is read so for what clients of an endpoint send, and of WHEP for `HEAD`, since a player
//! recognises an endpoint by it (draft-ietf-wish-whep, §4.1). What is fetched with `GET` is a page
//! of the manager, and so is `HEAD` of WHIP, which no publisher needs (RFC 9725 §4.1).

use http::{Method, uri::PathAndQuery};

use crate::{Role, StreamKey, query};

/// First segments below which the Stream Managers have URLs of their own.
const MANAGERS: [&str; 2] = ["streammanager", "as"];

/// The target in full, if it is a short one; `None` if it is anything else.
///
/// A session has a URL of its own, its `Location`. But a page that cannot read that uses the
/// URL of the endpoint, in which red5pro-webrtc-sdk 11.0.0 to 15 put `/resource/` for `/endpoint/`,
/// if it is there.
pub fn in_full(method: &Method, target: &PathAndQuery) -> Option<PathAndQuery> {
    let noun = match *method {
        Method::OPTIONS | Method::HEAD | Method::POST => "endpoint",
        Method::PATCH | Method::DELETE => "resource",
        _ => return None,
    };
    let path = target.path().strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (before, name) = path.rsplit_once('/')?;
    let (scope, role) = before.rsplit_once('/')?;
    let role = Role::from_protocol(role)?;
    if *method == Method::HEAD && role == Role::Publish {
        return None;
    }
    let first = scope.split('/').next()?;
    if matches!(name, "endpoint" | "resource") || MANAGERS.contains(&first) || is_long(scope) {
        return None;
    }
    let key = StreamKey::new(scope, name).ok()?;
    let (scope, protocol, name) = (key.scope(), role.protocol(), key.name());
    let query = query::filter(target.query().unwrap_or_default(), |_| true);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/{scope}/{protocol}/{noun}/{name}{mark}{query}")
        .parse()
        .ok()
}

/// Whether the long form stands in it already.
fn is_long(scope: &str) -> bool {
    let words: Vec<&str> = scope.split('/').collect();
    words.windows(2).any(|pair| {
        matches!(
            pair,
            ["whip" | "whep", "endpoint" | "resource" | "extension"]
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Route;

    fn meant(method: &Method, target: &str) -> Option<String> {
        in_full(method, &target.parse().unwrap()).map(|target| target.to_string())
    }

    #[test]
    fn the_table_holds() {
        for (sent, full) in [
            ("/live/whip/s1", "/live/whip/endpoint/s1"),
            ("/live/room/whep/s1/", "/live/room/whep/endpoint/s1"),
            ("/live/whip/whep/s1", "/live/whip/whep/endpoint/s1"),
            ("/live/whip/s1?a=%20b&c", "/live/whip/endpoint/s1?a=%20b&c"),
        ] {
            assert_eq!(meant(&Method::POST, sent).as_deref(), Some(full));
            assert_eq!(meant(&Method::OPTIONS, sent).as_deref(), Some(full));
            let is_recognised = full.contains("/whep/endpoint/");
            assert_eq!(
                meant(&Method::HEAD, sent),
                is_recognised.then(|| full.to_owned())
            );
            let session = full.replace("/endpoint/", "/resource/");
            for method in [Method::PATCH, Method::DELETE] {
                assert_eq!(meant(&method, sent).as_ref(), Some(&session));
            }
            for method in [Method::GET, Method::PUT] {
                assert_eq!(meant(&method, sent), None);
            }
        }
        for sent in [
            "/live/whip/endpoint/s1",
            "/live/whip/whep/endpoint/s1",
            "/live/whip/resource/whip/x",
            "/live/whip/endpoint/whep/s1",
            "/live/whip/endpoint",
            "/live/whip/resource",
            "/live/whip/a%2fb",
            "/live/whip",
            "/whip/s1",
            "//whip/s1",
            "/streammanager/api/4.0/event/whip/s1",
            "/as/v1/proxy/whip/s1",
            "/",
        ] {
            assert_eq!(meant(&Method::POST, sent), None, "{sent}");
        }
    }

    proptest! {
        #[test]
        fn only_what_would_be_the_managers_is_ever_read_so(
            path in "(/(live|whip|whep|endpoint|resource|room|s1|streammanager|as|a\\.b|%2e|)){1,6}",
        ) {
            if let Some(full) = meant(&Method::POST, &path) {
                prop_assert_eq!(Route::parse(&path, false, crate::Api::V1), Ok(Route::Manager), "{}", path);
                let is_endpoint = matches!(Route::parse(&full, false, crate::Api::V1), Ok(Route::Endpoint { .. }));
                prop_assert!(is_endpoint, "{} {}", path, full);
                prop_assert_eq!(meant(&Method::POST, &full), None);
            }
        }

        #[test]
        fn a_scope_called_whip_keeps_its_long_form(
            scope in "(live|whip|whep|room)(/(whip|whep|endpoint|resource|room)){0,4}",
            name in "[a-z0-9]{1,8}",
        ) {
            let long = format!("/{scope}/whip/endpoint/{name}");
            prop_assert_eq!(meant(&Method::POST, &long), None);
        }
    }
}
