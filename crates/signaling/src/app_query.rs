//! WHIP and WHEP at the Stream Manager's own application, `/streammanager/{whip|whep}/…?app=SCOPE`.
//!
//! Red5's guide for moving pages from WebSockets to WHIP leaves `app: 'streammanager'` in their
//! configuration and the scope in the connection parameter `app`, so that this is what its SDK then
//! asks for. The scope is `app`, and a node receives the URL of that scope; `host=` may name the
//! node, as it does for WebSockets.

use http::uri::PathAndQuery;

use crate::{
    query,
    socket::{SocketQueryError, scope},
};

/// The target that is meant, in full; `None` if it is not one of these.
///
/// # Errors
/// `app` is missing, there twice, or not a scope.
pub fn with_app(target: &PathAndQuery) -> Option<Result<PathAndQuery, SocketQueryError>> {
    let rest = target.path().strip_prefix("/streammanager/")?;
    let (protocol, of_protocol) = rest.split_once('/')?;
    let (noun, _) = of_protocol.split_once('/')?;
    if !matches!(protocol, "whip" | "whep")
        || !matches!(noun, "endpoint" | "resource" | "extension")
    {
        return None;
    }
    let raw = target.query().unwrap_or_default();
    let scope = match scope(raw) {
        Ok(scope) => scope,
        Err(error) => return Some(Err(error)),
    };
    let query = query::filter(raw, |key| key != "app");
    let mark = if query.is_empty() { "" } else { "?" };
    // As long as it was: a scope has no escapes.
    format!("/{scope}/{rest}{mark}{query}").parse().ok().map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        socket::Why,
        stream::{Part, Rule},
    };

    fn meant(target: &str) -> Option<Result<String, (&'static str, Why)>> {
        with_app(&target.parse().unwrap()).map(|meant| {
            meant
                .map(|target| target.to_string())
                .map_err(|error| (error.key, error.why))
        })
    }

    #[test]
    fn the_scope_is_the_apps() {
        for (asked, told) in [
            (
                "/streammanager/whip/endpoint/s1?app=live",
                "/live/whip/endpoint/s1",
            ),
            (
                "/streammanager/whep/endpoint/s1?requestId=a%20b&app=live%2Froom1&host=10.0.0.1&x=%2f",
                "/live/room1/whep/endpoint/s1?requestId=a%20b&host=10.0.0.1&x=%2f",
            ),
            (
                "/streammanager/whip/resource/s1/token?host=a&app=live",
                "/live/whip/resource/s1/token?host=a",
            ),
        ] {
            assert_eq!(meant(asked), Some(Ok(told.to_owned())), "{asked}");
        }
    }

    #[test]
    fn a_missing_or_bad_app_is_named() {
        let name = |rule| {
            Why::Name(crate::NameError {
                part: Part::Scope,
                rule,
            })
        };
        for (query, why) in [
            ("", Why::Missing),
            ("?app", Why::Missing),
            ("?app=", Why::Missing),
            ("?App=live", Why::Missing),
            ("?app=live&app=live", Why::Doubled),
            ("?app=live%2", Why::Escape),
            ("?app=..", name(Rule::Dots)),
            ("?app=live%2F%2Fa", name(Rule::Empty)),
            ("?app=live%252Froom", name(Rule::Character('%'))),
            ("?app=a%3Fb", name(Rule::Character('?'))),
        ] {
            let asked = format!("/streammanager/whip/endpoint/s1{query}");
            assert_eq!(meant(&asked), Some(Err(("app", why))), "{asked}");
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        for asked in [
            "/streammanager/?app=live",
            "/streammanager/api/4.0/event/live/s1?app=live",
            "/streammanager/whip/other/s1?app=live",
            "/streammanager/whip/endpoint?app=live",
            "/streammanager/room/whip/endpoint/s1?app=live",
            "/live/whip/endpoint/s1?app=live",
        ] {
            assert_eq!(meant(asked), None, "{asked}");
        }
    }
}
