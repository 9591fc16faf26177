//! The token of a request: where clients put it, and how it is taken out.
//!
//! WHIP and WHEP clients send `Authorization: Bearer` (RFC 9725 §4.7). Pages can put no header on a
//! WebSocket, and Red5's SDK puts none on anything: they have `token` in the query.

use std::borrow::Cow;

use http::{
    HeaderMap, Request, Uri,
    header::AUTHORIZATION,
    uri::{Parts, PathAndQuery},
};
use whipstitch_auth::{Refused, Why};
use whipstitch_signaling::{bearer, query};

use crate::{
    Unread,
    request::message::{Ask, Signaling},
};

const KEY: &str = "token";

/// The token that a request brings, if it does. The same one in both places is one (RFC 6750 §2
/// allows one place, but Red5's pages add connection parameters to every URL).
///
/// # Errors
/// Several, or one that is no text.
pub(super) fn of<B>(request: &Request<B>) -> Result<Option<Cow<'_, str>>, Why> {
    let mut found = in_header(request.headers())?.map(Cow::Borrowed);
    for raw in query_values(request.uri()) {
        let decoded = query::percent_decode(raw).ok_or(Why::Malformed)?;
        // A page without a token often writes the key all the same.
        if decoded.is_empty() {
            continue;
        }
        if found.as_ref().is_some_and(|other| *other != decoded) {
            return Err(Why::Several);
        }
        found = Some(Cow::Owned(decoded));
    }
    Ok(found)
}

fn in_header(headers: &HeaderMap) -> Result<Option<&str>, Why> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Why::Several);
    }
    // Another scheme is for the node.
    let token = field.and_then(|field| bearer::token(field.as_bytes()));
    let token = token.map(std::str::from_utf8).transpose();
    let token = token.map_err(|_| Why::Malformed)?;
    Ok(token.filter(|token| !token.is_empty()))
}

fn query_values(uri: &Uri) -> impl Iterator<Item = &str> {
    let raw = uri.query().unwrap_or_default();
    query::pairs(raw).filter_map(|(key, value)| is_key(key).then_some(value))
}

/// A servlet container decodes keys, so `%74oken` is one, too.
fn is_key(key: &str) -> bool {
    query::percent_decode(key).is_some_and(|key| key == KEY)
}

/// Takes the token out of a request, so that neither node nor manager gets it.
///
/// # Errors
/// What remains is no URL: a defect of ours.
pub(super) fn take_out(asked: &mut Signaling<Unread>) -> Result<(), Refused> {
    if let Ask::Socket(socket) = &mut asked.ask {
        socket.rest = without(&socket.rest);
    }
    let request = &mut asked.request;
    if in_header(request.headers()) != Ok(None) {
        request.headers_mut().remove(AUTHORIZATION);
    }
    if query_values(request.uri()).next().is_none() {
        return Ok(());
    }
    let query = without(request.uri().query().unwrap_or_default());
    let path = request.uri().path();
    let target = match query.as_str() {
        "" => PathAndQuery::try_from(path),
        query => PathAndQuery::try_from(format!("{path}?{query}")),
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(target.map_err(|_| Refused::Invalid(Why::Malformed))?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Refused::Invalid(Why::Malformed))?;
    Ok(())
}

fn without(raw: &str) -> String {
    query::filter(raw, |key| !is_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(target: &str, fields: &[&str]) -> Result<Option<String>, Why> {
        let mut request = Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for field in fields {
            let value = field.parse().unwrap();
            request.headers_mut().append(AUTHORIZATION, value);
        }
        of(&request).map(|found| found.map(Cow::into_owned))
    }

    #[test]
    fn a_token_is_found_wherever_clients_put_it() {
        for (target, fields, expected) in [
            ("/", &[][..], Ok(None)),
            ("/", &["Bearer a.b"], Ok(Some("a.b"))),
            ("/", &["Bearer"], Ok(None)),
            ("/", &["Basic abc"], Ok(None)),
            ("/?token=a.b", &[], Ok(Some("a.b"))),
            ("/?id=1&%74oken=a%2Eb", &[], Ok(Some("a.b"))),
            ("/?token=", &[], Ok(None)),
            ("/?token=a", &["Bearer a"], Ok(Some("a"))),
            ("/?token=a&token=a", &[], Ok(Some("a"))),
            ("/?token=a", &["Bearer b"], Err(Why::Several)),
            ("/?token=a&token=b", &[], Err(Why::Several)),
            ("/", &["Bearer a", "Bearer a"], Err(Why::Several)),
            ("/", &["Basic a", "Bearer a"], Err(Why::Several)),
            ("/?token=%ff", &[], Err(Why::Malformed)),
        ] {
            let expected = expected.map(|token: Option<&str>| token.map(str::to_owned));
            assert_eq!(token(target, fields), expected, "{target} {fields:?}");
        }
    }

    #[test]
    fn nothing_else_of_a_query_goes_with_it() {
        assert_eq!(
            without("id=a%20b&token=x&%74oken=y&tokens=1&"),
            "id=a%20b&tokens=1"
        );
    }
}
