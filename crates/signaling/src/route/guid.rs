//! The proxy grammar of Stream Manager 2.0 (Red5 Pro documentation, Stream Manager 2.0, WHIP/WHEP
//! and WebSocket proxy).
//!
//! A guid is `scope/…/name`, and one URL is endpoint and session alike. The session URL that we
//! give is the same with a segment `session:TOKEN` behind it: a name cannot hold a colon, so this
//! is no stream's URL; it stays below `/as/v1/proxy`, the prefix that load balancers route by; the
//! token is in the path, since red5pro-webrtc-sdk 11.0.0 and later drop the query of a relative
//! `Location`; and nothing in it says `/endpoint/`, which these replace by `/resource/`. An
//! extension's is `extension:TOKEN`.

use super::{Form, Route};
use crate::stream::{NameError, Role, StreamKey};

/// What all of them begin with, without the first slash.
const PREFIX: &str = "as/v1/proxy/";
/// What a sealed token begins with.
pub(super) const SESSION: &str = "session:";
/// What the sealed token of an extension begins with.
pub(super) const EXTENSION: &str = "extension:";

/// A path without its first slash; `None` if it is none of this grammar.
pub(super) fn parse(path: &str) -> Option<Result<Route, NameError>> {
    let (protocol, rest) = path.strip_prefix(PREFIX)?.split_once('/')?;
    if protocol == "ws" {
        let (action, guid) = rest.split_once('/')?;
        return Some(socket(action_role(action)?, guid));
    }
    Role::from_protocol(protocol).map(|role| http(role, rest))
}

fn action_role(action: &str) -> Option<Role> {
    match action {
        "publish" => Some(Role::Publish),
        "subscribe" => Some(Role::Play),
        _ => None,
    }
}

fn socket(role: Role, guid: &str) -> Result<Route, NameError> {
    let key = StreamKey::from_guid(without_slash(guid))?;
    Ok(Route::StreamSocket { role, key })
}

fn http(role: Role, rest: &str) -> Result<Route, NameError> {
    let rest = without_slash(rest);
    let form = Form::Guid;
    if let Some((guid, last)) = rest.rsplit_once('/') {
        if let Some(token) = last.strip_prefix(SESSION) {
            let (key, token) = (StreamKey::from_guid(guid)?, Some(token.to_owned()));
            return Ok(Route::Session { role, key, token });
        }
        if let Some(token) = last.strip_prefix(EXTENSION) {
            let (key, token) = (StreamKey::from_guid(guid)?, token.to_owned());
            return Ok(Route::Extension {
                role,
                key,
                form,
                token,
            });
        }
    }
    let key = StreamKey::from_guid(rest)?;
    Ok(Route::Endpoint { role, key, form })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
