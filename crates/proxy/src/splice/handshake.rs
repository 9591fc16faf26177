//! The opening handshake: RFC 6455 §4 towards nodes, and towards clients that or RFC 8441.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_tungstenite::{
    is_upgrade_request,
    tungstenite::handshake::{client::generate_key, derive_accept_key},
};
use whipstitch_origin::Origin;

use crate::{
    Body, Error, body,
    error::{BadRequest, NodeFault, defect},
};

const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("Upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether a request asks to become a WebSocket, in either protocol's way. Ask before hop-by-hop fields are gone.
pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
    match *request.method() {
        Method::GET => request.version() == Version::HTTP_11 && is_upgrade_request(request),
        Method::CONNECT => request
            .extensions()
            .get::<Protocol>()
            .is_some_and(|protocol| protocol.as_str() == "websocket"),
        _ => false,
    }
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
    pub(super) fn check(request: &Request<Body>) -> Result<Self, BadRequest> {
        let headers = request.headers();
        if headers
            .get(SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version != "13")
        {
            return Err(BadRequest::Handshake("Sec-WebSocket-Version must be 13"));
        }
        let version = request.version();
        let key = if version == Version::HTTP_2 {
            // RFC 8441 has no key; the node's protocol needs one.
            HeaderValue::try_from(generate_key()).map_err(|_| BadRequest::Handshake("no key"))?
        } else {
            let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
            match (keys.next(), keys.next()) {
                // 16 bytes in base64.
                (Some(key), None) if key.len() == 24 => key.clone(),
                _ => {
                    return Err(BadRequest::Handshake(
                        "Sec-WebSocket-Key must be 16 bytes in base64, once",
                    ));
                }
            }
        };
        Ok(Self { key, version })
    }

    /// The request for the node: the client's own headers, so that subprotocols and extensions are agreed end to end.
    pub(super) fn to_node(
        &self,
        request: &Request<Body>,
        origin: &Origin,
        target: &str,
    ) -> Result<Request<Empty<Bytes>>, Error> {
        let mut asked = Request::get(target)
            .body(Empty::new())
            .map_err(defect("a WebSocket handshake"))?;
        let headers = asked.headers_mut();
        headers.clone_from(request.headers());
        headers.insert(
            HOST,
            HeaderValue::from_str(origin.authority().as_str())
                .map_err(defect("the Host of a node"))?,
        );
        headers.insert(CONNECTION, UPGRADE_TOKEN);
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        Ok(asked)
    }

    /// The node's 101 has to answer exactly this handshake (RFC 6455 §4.1).
    pub(super) fn verify(&self, answer: &HeaderMap) -> Result<(), NodeFault> {
        let holds = |name: HeaderName, token: &str| {
            let fields = answer.get_all(name);
            let mut tokens = fields
                .iter()
                .filter_map(|field| field.to_str().ok())
                .flat_map(|field| field.split(','));
            tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
        };
        if !holds(UPGRADE, "websocket") || !holds(CONNECTION, "upgrade") {
            return Err(NodeFault::Handshake("its 101 is not one to WebSocket"));
        }
        let expected = derive_accept_key(self.key.as_bytes());
        if answer
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_none_or(|accept| accept.as_bytes() != expected.as_bytes())
        {
            return Err(NodeFault::Handshake("its Sec-WebSocket-Accept is wrong"));
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

#[cfg(test)]
mod tests {
    use super::*;

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
