//! The proxy grammar of Stream Manager 2.0 (Red5 Pro documentation, Stream Manager 2.0, WHIP/WHEP and WebSocket proxy).
//!
//! A guid is `scope/…/name`, and one URL is endpoint and session alike. The session URL that we give is the same with a
//! segment `session:TOKEN` behind it: a name cannot hold a colon, so this is no stream's URL; it stays below
//! `/as/v1/proxy`, by which load balancers route; the token is in the path, since red5pro-webrtc-sdk 11.0.0 and later drop
//! the query of a relative `Location`; and nothing in it says `/endpoint/`, which these replace by `/resource/`.

use super::{Form, Route};
use crate::stream::{NameError, Role, StreamKey};

/// What all of them begin with, without the first slash.
const PREFIX: &str = "as/v1/proxy/";
/// What a sealed token begins with.
pub(super) const SESSION: &str = "session:";

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
    let sealed = rest
        .rsplit_once('/')
        .and_then(|(guid, last)| Some((guid, last.strip_prefix(SESSION)?)));
    Ok(match sealed {
        Some((guid, token)) => Route::Session {
            role,
            key: StreamKey::from_guid(guid)?,
            token: Some(token.to_owned()),
        },
        None => Route::Endpoint {
            role,
            key: StreamKey::from_guid(rest)?,
            form: Form::Guid,
        },
    })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
