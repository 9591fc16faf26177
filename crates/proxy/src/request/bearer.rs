//! A client's bearer token, as nodes read it (`proxy.bearer`).
//!
//! It is translated at the last moment, on the request that goes to one node. So nothing else ever
//! has it in a URL: no lookup and no request to the Stream Manager, no sealed session URL, no log,
//! incident or span. Clients are told apart by the header that they send, as ever, and a DELETE of
//! our own carries the header up to there, too.

use http::{
    HeaderMap, Request, Uri,
    header::AUTHORIZATION,
    uri::{Parts, PathAndQuery},
};
use thiserror::Error;
use whipstitch_signaling::bearer;

use crate::words::{config::Bearer, error::BadRequest};

/// Longest path and query of a request whose token is translated, in bytes: more than any node
/// takes of a header.
const MAX_TARGET: usize = 32 * 1024;

/// The request with the token would be longer than any node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bearer token makes the request longer than any node takes")]
pub(crate) struct TooLong;

impl Bearer {
    /// Looks whether what a client sends can be translated.
    ///
    /// # Errors
    /// What is wrong with its `Authorization`.
    pub(crate) fn check<B>(self, request: &Request<B>) -> Result<(), BadRequest> {
        if self == Self::Pass {
            return Ok(());
        }
        let mut fields = request.headers().get_all(AUTHORIZATION).iter();
        let (Some(field), next) = (fields.next(), fields.next()) else {
            return Ok(());
        };
        if next.is_some() {
            return Err(BadRequest::Authorization(
                "the Authorization header must be there only once",
            ));
        }
        let Some(token) = bearer::token(field.as_bytes()) else {
            return Ok(());
        };
        let target = request.uri().path_and_query();
        let is_short = target.is_none_or(|target| target.as_str().len() <= MAX_TARGET);
        match bearer::with_token("", token) {
            Some(_) if is_short => Ok(()),
            _ => Err(BadRequest::Authorization(
                "the bearer token of the Authorization header makes a query that is longer than a node takes: at most \
                 6144 bytes of it, and 32768 of path and query",
            )),
        }
    }

    /// Translates the token of a request whose URI is that at a node. An `Authorization` of another
    /// scheme stays.
    ///
    /// # Errors
    /// It would become too long.
    pub(crate) fn apply<B>(self, request: &mut Request<B>) -> Result<(), TooLong> {
        if self == Self::Pass {
            return Ok(());
        }
        let Some(query) = query(request.uri(), request.headers()) else {
            return Ok(());
        };
        let query = query?;
        let path = request.uri().path();
        let target = match query.as_str() {
            "" => PathAndQuery::try_from(path),
            query => PathAndQuery::try_from(format!("{path}?{query}")),
        };
        let mut parts: Parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(target.map_err(|_| TooLong)?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| TooLong)?;
        request.headers_mut().remove(AUTHORIZATION);
        Ok(())
    }
}

/// The query with the token, if there is one.
fn query(uri: &Uri, headers: &HeaderMap) -> Option<Result<String, TooLong>> {
    let token = bearer::token(headers.get(AUTHORIZATION)?.as_bytes())?;
    let own = uri.query().unwrap_or_default();
    Some(bearer::with_token(own, token).ok_or(TooLong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[&str]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for field in fields {
            let value = field.parse().unwrap();
            request.headers_mut().append(AUTHORIZATION, value);
        }
        request
    }

    /// Target and `Authorization` at the node.
    fn at_node(mode: Bearer, target: &str, field: &str) -> (String, bool) {
        let mut request = request(target, &[field]);
        mode.apply(&mut request).unwrap();
        let kept = request.headers().contains_key(AUTHORIZATION);
        (request.uri().to_string(), kept)
    }

    #[test]
    fn a_token_moves_from_the_header_to_the_query() {
        for (target, field, at, kept) in [
            ("/a?x=1", "Bearer abc", "/a?x=1&token=abc", false),
            ("/a", "bearer abc", "/a?token=abc", false),
            ("/a?token=mine", "Bearer abc", "/a?token=mine", false),
            (
                "/a",
                "Bearer username=u&password=p",
                "/a?username=u&password=p",
                false,
            ),
            ("/a", "Bearer ", "/a", false),
            ("/a?x", "Basic abc", "/a?x", true),
        ] {
            let at = (at.to_owned(), kept);
            assert_eq!(
                at_node(Bearer::Query, target, field),
                at,
                "{target} {field}"
            );
            let same = (target.to_owned(), true);
            assert_eq!(at_node(Bearer::Pass, target, field), same);
        }
    }

    #[test]
    fn what_cannot_be_translated_is_refused() {
        let (long, target) = ("x".repeat(7000), format!("/?{}", "x".repeat(40_000)));
        let long = format!("Bearer {long}");
        for (target, fields, good) in [
            ("/", &[][..], true),
            ("/", &["Bearer a"], true),
            ("/", &["Basic a"], true),
            ("/", &["Bearer a", "Bearer a"], false),
            ("/", &["Basic a", "Bearer a"], false),
            ("/", &[&long], false),
            (&target, &["Bearer a"], false),
            (&target, &[], true),
        ] {
            let request = request(target, fields);
            assert_eq!(Bearer::Query.check(&request).is_ok(), good, "{fields:?}");
            assert!(Bearer::Pass.check(&request).is_ok());
        }
        let mut request = request("/", &[&long]);
        assert_eq!(Bearer::Query.apply(&mut request), Err(TooLong));
    }
}
