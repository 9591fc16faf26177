//! The URL grammar: what is asked for.
//!
//! | path | asks for | source |
//! |---|---|---|
//! | `/{scope…}/whip\|whep/endpoint/{stream}` | a new session | Red5 Pro documentation, WHIP/WHEP configuration |
//! | `/{scope…}/whip\|whep/{stream}` with `OPTIONS`, `POST` | the same, once it is written in full | see [`crate::short`] |
//! | `/{scope…}/whip\|whep/resource/{stream}/{token}` | a session that we sealed | ours, see [`crate::session`] |
//! | `/{scope…}/whip\|whep/resource/{stream}` | a session, by its stream's name | as the first |
//! | `/streammanager`, `/streammanager/` with `Upgrade: websocket` | a socket to a node | Red5 Pro documentation, Stream Manager proxy |
//! | `/streammanager/…/admin/…` | the manager's administration | Stream Manager REST API 4.0 |
//! | anything else | the manager | |
//!
//! The path is read from the right: the last `whip|whep/endpoint|resource` splits the scope from the stream, since a
//! scope may have any number of segments, rooms named `whip` among them.

use crate::stream::{NameError, Part, Role, Rule, StreamKey};

/// What a request asks for, by its path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A WHIP or WHEP endpoint, where sessions begin.
    Endpoint {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
    },
    /// A WHIP or WHEP session.
    Session {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
        /// The sealed token, if the URL has one.
        token: Option<String>,
    },
    /// Red5's WebSocket proxy.
    Socket,
    /// The Stream Manager's administration API.
    ManagerAdmin,
    /// The Stream Manager.
    Manager,
}

impl Route {
    /// Reads a path. `websocket` says whether the request asks to become a WebSocket.
    ///
    /// # Errors
    /// The path is one of WHIP or WHEP, but its scope or stream name is not allowed.
    pub fn parse(path: &str, websocket: bool) -> Result<Self, NameError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if websocket && matches!(path, "streammanager" | "streammanager/") {
            return Ok(Self::Socket);
        }
        if let Some(found) = find_signaling(path) {
            return found.into_route();
        }
        Ok(if is_admin(path) {
            Self::ManagerAdmin
        } else {
            Self::Manager
        })
    }
}

struct Signaling<'p> {
    scope: &'p str,
    role: Role,
    session: bool,
    rest: &'p str,
}

/// The last `/{whip|whep}/{endpoint|resource}` that has a scope before it.
fn find_signaling(path: &str) -> Option<Signaling<'_>> {
    let mut end = path.len();
    while let Some(slash) = path.get(..end)?.rfind('/') {
        let (scope, after) = (path.get(..slash)?, path.get(slash + 1..)?);
        let mut segments = after.splitn(3, '/');
        if let (Some(role), Some(noun)) = (
            segments.next().and_then(Role::from_protocol),
            segments.next(),
        ) {
            let session = match noun {
                "endpoint" => Some(false),
                "resource" => Some(true),
                _ => None,
            };
            if let Some(session) = session {
                return Some(Signaling {
                    scope,
                    role,
                    session,
                    rest: segments.next().unwrap_or_default(),
                });
            }
        }
        end = slash;
    }
    None
}

impl Signaling<'_> {
    fn into_route(self) -> Result<Route, NameError> {
        let rest = self.rest.strip_suffix('/').unwrap_or(self.rest);
        let (name, token) = match rest.split_once('/') {
            Some((name, token)) => (name, Some(token)),
            None => (rest, None),
        };
        let key = StreamKey::new(self.scope, name)?;
        let role = self.role;
        match (self.session, token) {
            (true, token) if token.is_none_or(|token| !token.contains('/')) => Ok(Route::Session {
                role,
                key,
                token: token.map(str::to_owned),
            }),
            (false, None) => Ok(Route::Endpoint { role, key }),
            _ => Err(NameError {
                part: Part::Stream,
                rule: Rule::Trailing,
            }),
        }
    }
}

/// How often a path is decoded: a container behind something that decodes once more decodes twice.
const DECODINGS: usize = 4;

/// Whether a servlet container could take this path for the administration API.
///
/// Containers decode escapes, drop `;parameters`, merge slashes and resolve dots before they match, so each segment
/// is compared after the same has been done to it. Dots are not resolved: that `admin` stands there is enough.
fn is_admin(path: &str) -> bool {
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        decoded = decode(&decoded);
    }
    let mut segments = decoded
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .filter_map(|segment| segment.split(|byte| *byte == b';').next())
        .map(<[u8]>::trim_ascii);
    let mut manager = false;
    segments.any(|segment| {
        manager |= segment.eq_ignore_ascii_case(b"streammanager");
        manager && segment.eq_ignore_ascii_case(b"admin")
    })
}

/// Decodes what is an escape, and leaves what is none.
fn decode(path: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escape = digit(after.first())
            .zip(digit(after.get(1)))
            .filter(|_| *first == b'%');
        let byte = escape.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(scope: &str, name: &str) -> StreamKey {
        StreamKey::new(scope, name).unwrap()
    }

    #[test]
    fn endpoints_and_sessions() {
        let endpoint = |path| Route::parse(path, false).unwrap();
        assert_eq!(
            endpoint("/live/whip/endpoint/s1"),
            Route::Endpoint {
                role: Role::Publish,
                key: key("live", "s1")
            }
        );
        assert_eq!(
            endpoint("/live/myroom/desk/whep/endpoint/s1/"),
            Route::Endpoint {
                role: Role::Play,
                key: key("live/myroom/desk", "s1")
            }
        );
        assert_eq!(
            endpoint("/live/whip/endpoint/whep/endpoint/s1"),
            Route::Endpoint {
                role: Role::Play,
                key: key("live/whip/endpoint", "s1")
            }
        );
        assert_eq!(
            endpoint("/live/whip/resource/s1"),
            Route::Session {
                role: Role::Publish,
                key: key("live", "s1"),
                token: None
            }
        );
        assert_eq!(
            endpoint("/live/whep/resource/s1/abc"),
            Route::Session {
                role: Role::Play,
                key: key("live", "s1"),
                token: Some("abc".into())
            }
        );
    }

    #[test]
    fn a_bad_name_is_an_error_and_not_the_managers() {
        for path in [
            "/live/whip/endpoint/",
            "/live/whip/endpoint",
            "/live/whip/endpoint/a b",
            "/live/whip/endpoint/a/b",
            "/live/whip/resource/a/b/c",
            "/live/../x/whip/endpoint/a",
        ] {
            assert!(Route::parse(path, false).is_err(), "{path}");
        }
    }

    #[test]
    fn a_socket_is_asked_for_by_path_and_upgrade() {
        assert_eq!(Route::parse("/streammanager", true), Ok(Route::Socket));
        assert_eq!(Route::parse("/streammanager/", true), Ok(Route::Socket));
        assert_eq!(Route::parse("/streammanager/", false), Ok(Route::Manager));
        assert_eq!(Route::parse("/streammanager/x", true), Ok(Route::Manager));
    }

    #[test]
    fn administration_is_seen_through_every_disguise() {
        for path in [
            "/streammanager/api/4.0/admin/nodegroup",
            "/streammanager/api/3.1/admin",
            "//streammanager//api/4.0/admin/x",
            "/streammanager/api/4.0/%61dmin/x",
            "/streammanager/api/4.0/%2561dmin/x",
            "/streammanager/api/4.0/%252561dmin/x",
            "/streammanager/api/4.0/admin;jsessionid=1/x",
            "/streammanager/api/4.0/ADMIN/x",
            "/streammanager/api/4.0/x/../admin/x",
            "/streammanager%2fapi%2f4.0%2fadmin",
            "/streammanager\\api\\4.0\\admin",
            "/streammanager;x/api/4.0/./admin",
            "/x/../streammanager/api/4.0/admin",
        ] {
            assert_eq!(Route::parse(path, false), Ok(Route::ManagerAdmin), "{path}");
        }
        for path in [
            "/",
            "",
            "*",
            "/admin",
            "/streammanager/api/4.0/event/live/administrator",
            "/live/x.html",
            "/images/100%25.png",
            "/caf%E9.html",
            "/streammanager/api/4.0/adm%",
        ] {
            assert_eq!(Route::parse(path, false), Ok(Route::Manager), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_built_is_what_is_read(scope in "[a-zA-Z0-9_-]{1,9}(/[a-zA-Z0-9._~-]{3,9}){0,3}", name in "[a-zA-Z0-9_~-]{1,20}") {
            let read = Route::parse(&format!("/{scope}/whep/endpoint/{name}"), false);
            prop_assert_eq!(read, Ok(Route::Endpoint { role: Role::Play, key: key(&scope, &name) }));
        }

        #[test]
        fn any_path_is_taken(path in ".{0,200}", websocket: bool) {
            let _ = Route::parse(&path, websocket);
        }
    }
}
