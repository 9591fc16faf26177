//! What a page of another origin may send, and read.

use std::fmt::Write as _;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, COOKIE,
        FORWARDED, HOST, ORIGIN,
    },
};
use whipstitch_signaling::{
    Api, Route, headers::is_hop_by_hop, query::unescaped, web_origin::WebOrigin,
};

/// `OPTIONS` is not a safelisted method: Red5's SDK needs it listed. Players decide on trickle by
/// finding `PATCH`.
const SIGNALING: HeaderValue = HeaderValue::from_static("OPTIONS, POST, PATCH, DELETE, GET, HEAD");
const MANAGER: HeaderValue =
    HeaderValue::from_static("OPTIONS, POST, PATCH, DELETE, GET, HEAD, PUT");
/// Listed whether they are asked for or not; `*` would not cover `Authorization` (Fetch, CORS
/// protocol). `ETag` as a request header is what some clients send in place of `If-Match`.
const HEADERS: &str = "Authorization, Content-Type, If-Match, ETag, Accept, Link, Last-Event-ID, traceparent, X-Requested-With";
const EXPOSED: &str = "Location, Link, ETag, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate, \
     Access-Control-Allow-Methods, Session-Host, X-Request-Id, Server-Timing";
/// Most names that are added to either list, and most bytes of them together.
const MAX_NAMES: usize = 64;
const MAX_BYTES: usize = 4096;

/// What is configured, and which URLs mean what.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) api: Api,
    /// `proxy.allowed_origins` and `proxy.cors_origins`; any if empty.
    pub(super) origins: Vec<WebOrigin>,
}

/// Whose pages may use an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Anybody's.
    Any,
    /// Those of the origin that asks, as it is written.
    Asking(HeaderValue),
    /// Nobody's: the origin that asks is not in the list, or there is none.
    None,
}

impl Rules {
    /// Whose pages may use the answer to this request.
    pub(super) fn allowed(&self, asked: &HeaderMap) -> Allowed {
        if self.origins.is_empty() || self.origins.iter().any(WebOrigin::is_any) {
            return Allowed::Any;
        }
        let mut origins = asked.get_all(ORIGIN).iter();
        let (Some(asking), None) = (origins.next(), origins.next()) else {
            return Allowed::None;
        };
        let origin: Option<WebOrigin> = asking.to_str().ok().and_then(|text| text.parse().ok());
        match origin {
            Some(origin) if self.origins.contains(&origin) => Allowed::Asking(asking.clone()),
            _ => Allowed::None,
        }
    }

    /// The methods that are served at this path, as far as a page has to know.
    pub(super) fn methods(&self, path: &str) -> HeaderValue {
        match Route::parse(&unescaped(path), false, self.api) {
            Ok(Route::Manager | Route::ManagerAdmin | Route::ForwardProxy) => MANAGER,
            _ => SIGNALING,
        }
    }
}

/// The request headers that are allowed: the usual ones, and whatever else a preflight asks for.
/// Without credentials a page can send nothing that another client could not, so a list of ours
/// would only break those that add headers to each request, as error reporters do (`sentry-trace`,
/// `baggage`). Headers that are never forwarded are not allowed either.
pub(super) fn headers(asked: &HeaderMap) -> HeaderValue {
    let asked = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    joined(HEADERS, names(asked).filter(|name| !stays_here(name)))
}

/// The answer's headers that a page may read: ours, and those that the node or the Stream Manager
/// lets it read.
pub(super) fn exposed(answer: &HeaderMap) -> HeaderValue {
    joined(
        EXPOSED,
        names(answer.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter()),
    )
}

/// The names in these fields that are names.
fn names<'h>(fields: impl Iterator<Item = &'h HeaderValue>) -> impl Iterator<Item = HeaderName> {
    fields
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .take(MAX_NAMES)
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

/// The list, and behind it those that it does not hold, each once.
fn joined(list: &'static str, names: impl Iterator<Item = HeaderName>) -> HeaderValue {
    let mut text = String::new();
    let mut added: Vec<HeaderName> = Vec::new();
    for name in names {
        let is_listed = || {
            list.split(", ")
                .any(|known| known.eq_ignore_ascii_case(name.as_str()))
        };
        let fits = text.len() + name.as_str().len() <= MAX_BYTES;
        if fits && !is_listed() && !added.contains(&name) {
            // Writing to a string does not fail.
            let _ = write!(text, ", {name}");
            added.push(name);
        }
    }
    let listed = || HeaderValue::from_static(list);
    if text.is_empty() {
        return listed();
    }
    HeaderValue::try_from(format!("{list}{text}")).unwrap_or_else(|_| listed())
}

/// Whether a header of a request ends here, or is not a page's to set.
fn stays_here(name: &HeaderName) -> bool {
    is_hop_by_hop(name)
        || [HOST, CONTENT_LENGTH, COOKIE, ORIGIN, FORWARDED].contains(name)
        || name == "x-real-ip"
        || name.as_str().starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_str(value));
        values.map(|value| (name.clone(), value.unwrap())).collect()
    }

    fn added(values: &[&str]) -> String {
        let value = headers(&fields(&ACCESS_CONTROL_REQUEST_HEADERS, values));
        let text = value.to_str().unwrap().strip_prefix(HEADERS).unwrap();
        text.strip_prefix(", ").unwrap_or(text).to_owned()
    }

    #[test]
    fn what_a_page_asks_for_it_may_send() {
        assert_eq!(added(&[]), "");
        assert_eq!(added(&["content-type,authorization, IF-MATCH"]), "");
        assert_eq!(
            added(&["sentry-trace, baggage,X-Mine", "baggage,tracestate"]),
            "sentry-trace, baggage, x-mine, tracestate"
        );
        // No names, and headers that are never forwarded.
        assert_eq!(
            added(&["a b, ,\"x\",é,x:y,connection,x-forwarded-for,Forwarded,te,host,cookie,ok"]),
            "ok"
        );
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<String> = (0..1000).map(|at| format!("x-{at}")).collect();
        assert_eq!(added(&[&many.join(",")]).split(", ").count(), MAX_NAMES);
        let long: Vec<String> = (0..60)
            .map(|at| format!("x-{at}-{}", "a".repeat(200)))
            .collect();
        let length = added(&[&long.join(",")]).len();
        assert!(
            (MAX_BYTES / 2..MAX_BYTES + 300).contains(&length),
            "{length}"
        );
    }

    #[test]
    fn what_the_manager_exposes_is_exposed_besides() {
        let value = exposed(&fields(
            &ACCESS_CONTROL_EXPOSE_HEADERS,
            &["X-Total-Count, location", "*"],
        ));
        assert_eq!(value, format!("{EXPOSED}, x-total-count, *"));
        assert_eq!(exposed(&HeaderMap::new()), EXPOSED);
    }

    #[test]
    fn methods_are_those_of_the_url() {
        let rules = |api| Rules {
            api,
            origins: vec![],
        };
        for path in [
            "/live/whip/endpoint/s1",
            "/live/whep/resource/s%31/x",
            "/live/whip/endpoint/a%00",
        ] {
            assert_eq!(rules(Api::V1).methods(path), SIGNALING, "{path}");
        }
        for path in [
            "/streammanager/api/4.0/event/live/s1",
            "/",
            "/as/v1/proxy/whip/live/s1",
        ] {
            assert_eq!(rules(Api::V1).methods(path), MANAGER, "{path}");
        }
        assert_eq!(
            rules(Api::V2).methods("/as/v1/proxy/whip/live/s1"),
            SIGNALING
        );
    }

    #[test]
    fn an_origin_is_compared_in_its_one_spelling() {
        let rules = |origins: &[&str]| Rules {
            api: Api::V1,
            origins: origins
                .iter()
                .map(|origin| origin.parse().unwrap())
                .collect(),
        };
        let asked = |origin: &str| fields(&ORIGIN, &[origin]);
        let listed = rules(&["https://App.example:443", "null"]);
        for origin in ["https://app.example", "HTTPS://APP.example", "null"] {
            let written = HeaderValue::from_str(origin).unwrap();
            assert_eq!(
                listed.allowed(&asked(origin)),
                Allowed::Asking(written),
                "{origin}"
            );
        }
        for origin in [
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil",
            "*",
            "",
        ] {
            assert_eq!(listed.allowed(&asked(origin)), Allowed::None, "{origin}");
        }
        assert_eq!(listed.allowed(&HeaderMap::new()), Allowed::None);
        let two = fields(&ORIGIN, &["https://app.example", "https://evil.example"]);
        assert_eq!(listed.allowed(&two), Allowed::None);
        assert_eq!(
            rules(&["https://app.example"]).allowed(&asked("null")),
            Allowed::None
        );
        for any in [rules(&[]), rules(&["https://app.example", "*"])] {
            assert_eq!(any.allowed(&asked("https://b.example")), Allowed::Any);
        }
    }
}
