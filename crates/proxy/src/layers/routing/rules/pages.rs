//! Which pages may open a WebSocket: `proxy.allowed_origins`.
//!
//! A browser lets a page open a WebSocket anywhere, without a preflight (RFC 6455 §10.2): only the
//! server can refuse. What sends no `Origin` is no page, and could send any.

use http::header::ORIGIN;
use whipstitch_signaling::web_origin::WebOrigin;

use super::Rules;
use crate::{Clean, Error, request::exchange::Subject, words::error::Denied};

impl Rules {
    /// Refuses the WebSocket of a page whose origin is neither in the list nor the host that the
    /// request is for.
    pub(super) fn may_open(&self, clean: &Clean) -> Result<(), Error> {
        let allowed = &self.proxy.allowed_origins;
        if !clean.websocket || allowed.is_empty() || allowed.iter().any(WebOrigin::is_any) {
            return Ok(());
        }
        let is_allowed = |origin: &WebOrigin| allowed.contains(origin) || origin.is_at(&clean.host);
        let may = clean.request.headers().get_all(ORIGIN).iter().all(|text| {
            let origin = text.to_str().ok().and_then(|text| text.parse().ok());
            origin.as_ref().is_some_and(is_allowed)
        });
        if may {
            return Ok(());
        }
        clean.exchange.is_about(Subject::Socket, None);
        Err(Denied::Page.into())
    }
}
