//! Which paths of the manager are its administration, however they are written.

use whipstitch_signaling::{
    Api, Route,
    route::{has_dots, leads_to_a_node, signals},
};

use super::Rules;
use crate::{
    Error,
    words::error::{BadRequest, Denied},
};

impl Rules {
    /// Whether a path that is the manager's here is one of its administration there.
    /// `stream_manager.strip_prefix` and a path of `stream_manager.url` change it on its way, so
    /// what the manager gets is judged too, and what a client would have had to write to get the
    /// same.
    pub(super) fn is_guarded(&self, path: &str, websocket: bool) -> Result<bool, Error> {
        if self.base.has_path() && has_dots(path) {
            return Err(BadRequest::Path.into());
        }
        let mut admin = false;
        let forms = [
            path.into(),
            self.base.at_manager(path),
            self.base.with_prefix(path),
        ];
        for (index, form) in forms.into_iter().enumerate() {
            if index > 0 && form == path {
                continue;
            }
            // The manager's own proxies would dial whatever a client names.
            if websocket && leads_to_a_node(&form) {
                let what = "WebSockets to nodes are at /streammanager/ and, with Stream Manager 2.0, at /as/v1/proxy/ws/; \
                    this path is neither";
                return Err(BadRequest::Handshake(what).into());
            }
            // The same over HTTP. Signalling that is written plainly has its own way, with the gate
            // on it.
            if self.api == Api::V1 && signals(&form) {
                return Err(BadRequest::Disguised.into());
            }
            if index == 0 {
                continue;
            }
            match Route::parse(&form, false, self.api) {
                Ok(Route::Manager) => {}
                Ok(Route::ManagerAdmin) => admin = true,
                // Signalling has its own way, which this would lead around.
                Ok(_) | Err(_) => return Err(Denied::ForwardProxy.into()),
            }
        }
        Ok(admin)
    }
}
