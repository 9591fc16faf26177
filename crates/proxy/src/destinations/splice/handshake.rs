//! The opening handshake: RFC 6455 §4 towards nodes, and towards clients that or RFC 8441.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use hyper::ext::Protocol;
use hyper_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use crate::{
    Body, Error,
    words::{
        body,
        error::{BadRequest, defect},
    },
};

const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("Upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What a WebSocket's URL says to a request that shows no sign of one.
pub(crate) const NO_UPGRADE: &str = "this URL opens a WebSocket, and `Upgrade: websocket` is missing: the client is no WebSocket client, \
     or a proxy in front takes the field away (nginx passes it on with `proxy_http_version 1.1`, \
     `proxy_set_header Upgrade $http_upgrade` and `proxy_set_header Connection \"upgrade\"`)";
const HTTP_10: &str = "a WebSocket cannot be opened over HTTP/1.0, which a proxy in front speaks: nginx does so without \
     `proxy_http_version 1.1`; it needs `proxy_set_header Upgrade $http_upgrade` and \
     `proxy_set_header Connection \"upgrade\"` too";
const HTTP_2: &str = "over HTTP/2 a WebSocket is opened with an extended CONNECT (RFC 8441), and this is another method: \
     a proxy in front that cannot do that has to speak HTTP/1.1 to this one";
const NO_CONNECTION: &str = "`Connection: upgrade` is missing from a WebSocket's handshake: a proxy in front takes it away \
     (nginx passes it on with `proxy_http_version 1.1` and `proxy_set_header Connection \"upgrade\"`)";
const METHOD: &str = "a WebSocket is opened with GET, and this is another method";
pub(crate) const BODY: &str = "a WebSocket request has no body";
const VERSION: &str = "Sec-WebSocket-Version must be 13, once";
const KEY: &str = "Sec-WebSocket-Key must be 16 bytes in base64, once";

/// Whether a request asks to become a WebSocket, in either protocol's way. Ask before hop-by-hop
/// fields are gone.
///
/// A handshake that shows that a WebSocket is meant, and is not one, is refused whatever its URL:
/// no server behind us could complete what remains of it, and its query holds credentials that are
/// meant for a node.
///
/// # Errors
/// The mistake, with its usual cause.
pub(crate) fn is_asked<B: http_body::Body>(request: &Request<B>) -> Result<bool, BadRequest> {
    let wrong = |what| Err(BadRequest::Handshake(what));
    let headers = request.headers();
    let protocol = request.extensions().get::<Protocol>();
    let extended =
        protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"));
    let upgrade = holds(headers, &UPGRADE, "websocket");
    let signs = [
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION,
        SEC_WEBSOCKET_PROTOCOL,
    ];
    if !extended && !upgrade && !signs.iter().any(|name| headers.contains_key(name)) {
        return Ok(false);
    }
    match (request.version(), request.method()) {
        (Version::HTTP_2, &Method::CONNECT) if extended => {}
        (Version::HTTP_2, _) => return wrong(HTTP_2),
        (Version::HTTP_11, &Method::GET) => {
            if !upgrade {
                return wrong(NO_UPGRADE);
            }
            if !holds(headers, &CONNECTION, "upgrade") {
                return wrong(NO_CONNECTION);
            }
        }
        (Version::HTTP_11, _) => return wrong(METHOD),
        _ => return wrong(HTTP_10),
    }
    // A body here is how a second request is smuggled past an upgrade. One of unknown length is
    // read first, and has to be empty.
    if request.body().size_hint().lower() > 0 {
        return wrong(BODY);
    }
    Handshake::check(request).map(|_| true)
}

/// Whether one of the elements of a list field is this token.
fn holds(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let fields = headers.get_all(name).iter();
    let mut tokens = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// A client's handshake that can be carried on.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The key that the node has to answer.
    key: HeaderValue,
    version: Version,
}

impl Handshake {
    /// RFC 6455 §4.2.1, RFC 8441 §5.
    pub(super) fn check<B>(request: &Request<B>) -> Result<Self, BadRequest> {
        let headers = request.headers();
        if single(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(BadRequest::Handshake(VERSION));
        }
        let version = request.version();
        let key = if version == Version::HTTP_2 {
            // RFC 8441 has no key; the node's protocol needs one.
            HeaderValue::try_from(generate_key()).map_err(|_| BadRequest::Handshake("no key"))?
        } else {
            let key = single(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
            key.cloned().ok_or(BadRequest::Handshake(KEY))?
        };
        Ok(Self { key, version })
    }

    /// The request for a node or the Stream Manager, without its `Host`: the client's own headers,
    /// so that subprotocols and extensions are agreed end to end.
    pub(super) fn to<B>(
        &self,
        request: &Request<B>,
        target: &str,
    ) -> Result<Request<Bytes>, Error> {
        let mut asked = Request::get(target)
            .body(Bytes::new())
            .map_err(defect("a WebSocket handshake"))?;
        let headers = asked.headers_mut();
        headers.clone_from(request.headers());
        headers.insert(CONNECTION, UPGRADE_TOKEN);
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        Ok(asked)
    }

    /// The 101 has to answer exactly this handshake (RFC 6455 §4.1); else what is wrong with it.
    pub(super) fn verify(&self, answer: &HeaderMap) -> Result<(), &'static str> {
        if !holds(answer, &UPGRADE, "websocket") || !holds(answer, &CONNECTION, "upgrade") {
            return Err("its 101 is not one to WebSocket");
        }
        let expected = derive_accept_key(self.key.as_bytes());
        if answer
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_none_or(|accept| accept.as_bytes() != expected.as_bytes())
        {
            return Err("its Sec-WebSocket-Accept is wrong");
        }
        Ok(())
    }

    /// The client's 101, or its 200 over HTTP/2, with what the node agreed to.
    pub(super) fn to_client(&self, answer: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(body::empty());
        let headers = response.headers_mut();
        for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
            for value in answer.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        if self.version != Version::HTTP_2 {
            headers.insert(CONNECTION, UPGRADE_TOKEN);
            headers.insert(UPGRADE, WEBSOCKET);
            if let Some(accept) = answer.get(SEC_WEBSOCKET_ACCEPT) {
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
            }
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        response
    }
}

/// The value of a field that may be there once only.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// 16 bytes in base64, which is 22 digits and two signs of padding.
fn is_key(key: &[u8]) -> bool {
    let digits = key.strip_suffix(b"==").filter(|digits| digits.len() == 22);
    digits.is_some_and(|digits| {
        digits
            .iter()
            .all(|digit| digit.is_ascii_alphanumeric() || matches!(digit, b'+' | b'/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A browser's request, changed: an empty value takes a field out.
    fn asked(
        version: Version,
        method: Method,
        changes: &[(&'static str, &'static str)],
    ) -> Result<bool, String> {
        let mut request = request();
        *request.version_mut() = version;
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(CONNECTION, UPGRADE_TOKEN);
        for (name, value) in changes {
            headers.remove(*name);
            if !value.is_empty() {
                headers.insert(*name, HeaderValue::from_static(value));
            }
        }
        is_asked(&request).map_err(|error| error.to_string())
    }

    #[test]
    fn a_failed_handshake_is_named_and_what_is_none_goes_on() {
        use Version as V;
        let get =
            |changes: &[(&'static str, &'static str)]| asked(V::HTTP_11, Method::GET, changes);
        assert_eq!(get(&[]), Ok(true));
        assert_eq!(get(&[("connection", "keep-alive, Upgrade")]), Ok(true));
        assert_eq!(get(&[("upgrade", "WebSocket")]), Ok(true));
        let none = [
            ("upgrade", ""),
            ("connection", ""),
            ("sec-websocket-key", ""),
            ("sec-websocket-version", ""),
        ];
        for (version, method) in [
            (V::HTTP_10, Method::GET),
            (V::HTTP_11, Method::POST),
            (V::HTTP_2, Method::GET),
        ] {
            assert_eq!(asked(version, method, &none), Ok(false));
        }
        let h2c = [none.as_slice(), &[("upgrade", "h2c")]].concat();
        assert_eq!(get(&h2c), Ok(false));
        let refused = |version, method, changes: &[_], what: &str| {
            assert_eq!(
                asked(version, method, changes),
                Err(what.to_owned()),
                "{changes:?}"
            );
        };
        // What nginx makes of it without settings for upgrades: HTTP/1.0, and both hop-by-hop
        // fields gone.
        let stripped = [("upgrade", ""), ("connection", "close")];
        refused(V::HTTP_10, Method::GET, &stripped, HTTP_10);
        refused(V::HTTP_10, Method::GET, &[], HTTP_10);
        refused(V::HTTP_11, Method::GET, &stripped, NO_UPGRADE);
        refused(V::HTTP_11, Method::GET, &[("upgrade", "h2c")], NO_UPGRADE);
        refused(
            V::HTTP_11,
            Method::GET,
            &[("connection", "close")],
            NO_CONNECTION,
        );
        refused(
            V::HTTP_11,
            Method::GET,
            &[("connection", "")],
            NO_CONNECTION,
        );
        refused(V::HTTP_11, Method::POST, &[], METHOD);
        refused(V::HTTP_2, Method::GET, &stripped, HTTP_2);
        for version in ["", "8", "13, 8", "013"] {
            refused(
                V::HTTP_11,
                Method::GET,
                &[("sec-websocket-version", version)],
                VERSION,
            );
        }
        for key in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25j!Q==",
            "dGhlIHNhbXBsZSBub25jZQAA",
        ] {
            refused(V::HTTP_11, Method::GET, &[("sec-websocket-key", key)], KEY);
        }
    }

    /// The example of RFC 6455 §1.3.
    fn request() -> Request<Body> {
        Request::get("/streammanager/")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
            .body(body::empty())
            .unwrap()
    }

    fn answer(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_the_answer_to_this_very_key_counts() {
        let handshake = Handshake::check(&request()).unwrap();
        let good = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let (upgrade, connection) = (
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
        );
        assert_eq!(
            handshake.verify(&answer(&[good, upgrade, connection])),
            Ok(())
        );
        for wrong in [
            answer(&[upgrade, connection]),
            answer(&[good, connection]),
            answer(&[good, upgrade]),
            answer(&[
                ("sec-websocket-accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                upgrade,
                connection,
            ]),
        ] {
            assert!(handshake.verify(&wrong).is_err());
        }
    }

    #[test]
    fn a_handshake_outside_the_rules_is_refused() {
        for (name, value) in [
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "short"),
        ] {
            let mut request = request();
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            assert!(Handshake::check(&request).is_err(), "{name}");
        }
    }
}
