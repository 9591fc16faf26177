//! The forward proxy of Stream Manager 2.0: what has to be true of a request before its target is
//! looked at.

use http::{HeaderMap, Method, header::AUTHORIZATION};
use whipstitch_signaling::{Api, ForwardTarget};

use super::{Decision, Rules};
use crate::{
    Clean, Error,
    request::message::ManagerAsk,
    words::{
        config::Forwarding,
        error::{BadRequest, Denied},
    },
};

/// The methods that it has (Red5 Pro documentation, Stream Manager 2.0, Proxy API).
const METHODS: &str = "GET, POST, PUT, DELETE";

impl Rules {
    pub(super) fn forwarded(&self, clean: Clean) -> Result<Decision, Error> {
        let path = clean.request.uri().path();
        let is_plain = matches!(path, "/as/v1/proxy/forward" | "/as/v1/proxy/forward/");
        let is_open = self.proxy.forward == Forwarding::Nodes && self.api == Api::V2;
        if !is_open || !is_plain || clean.websocket {
            return Err(Denied::ForwardProxy.into());
        }
        if !matches!(
            *clean.request.method(),
            Method::GET | Method::POST | Method::PUT | Method::DELETE
        ) {
            return Err(Error::Method { allow: METHODS });
        }
        if !has_bearer(clean.request.headers()) {
            return Err(Denied::Bearer.into());
        }
        let target = ForwardTarget::parse(clean.request.uri().query().unwrap_or_default());
        let target = target.map_err(BadRequest::from)?;
        self.with_body(clean, ManagerAsk::Forward(target))
    }
}

/// Whether there is one `Authorization`, and a token in it. Whose it is, the Stream Manager judges.
fn has_bearer(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    field
        .to_str()
        .ok()
        .and_then(|field| field.split_once(' '))
        .is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
        })
}
