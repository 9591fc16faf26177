//! What a client asks of Red5's WebSocket proxy.
//!
//! | URL | source |
//! |---|---|
//! | `wss://…/streammanager/?id=…&host=NODE&app=SCOPE&…` | Red5 Pro documentation, Stream Manager proxy; red5pro-webrtc-sdk 11.0.0 for the order and the encoding |
//! | `wss://…/as/v1/proxy/ws/{publish\|subscribe}/{guid}?id=…[&host=NODE]&…` | Red5 Pro documentation, Stream Manager 2.0, WebSocket proxy |

use std::fmt;

use thiserror::Error;

use crate::{
    Role, query,
    rewrite::MAX_RESOURCE,
    stream::{NameError, StreamKey, check_scope},
};

/// The keys of 1.x that are meant for the proxy and do not reach the node.
const RESERVED: [&str; 4] = ["host", "app", "context", "usePrivateProxy"];
/// The same of 2.0.
const RESERVED_2_0: [&str; 3] = ["host", "nodeGroup", "usePrivateProxy"];

/// What a client asks of the WebSocket proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct SocketQuery {
    /// The node that is wanted.
    pub node: Wanted,
    /// The scope at the node: `app`, and `context` below it if there is one.
    pub scope: String,
    /// The stream that is published. With 1.x, whatever the client's `id` may name: `RTCPublisher`
    /// names its stream, while the ids of `RTCSubscriber` and of shared objects are made up.
    pub stream: Option<StreamKey>,
    /// What reaches the node: every other pair, byte for byte.
    pub rest: String,
}

/// The node that a socket is wanted to.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One that the client names.
    Named {
        /// As the client wrote it, decoded; not yet admitted.
        host: String,
        /// Whether its private address is asked for: `usePrivateProxy=true`, and no other way of
        /// saying it.
        private: bool,
        /// The stream for which the manager can be asked whether it names that node, if the client
        /// names one.
        stream: Option<(Role, StreamKey)>,
    },
    /// Whichever carries this stream.
    Carrier {
        /// Publish or play.
        role: Role,
        /// The stream.
        key: StreamKey,
    },
}

impl SocketQuery {
    /// Reads a raw query of 1.x.
    ///
    /// # Errors
    /// The key that is missing, doubled or wrong.
    pub fn parse(raw: &str) -> Result<Self, SocketQueryError> {
        let host = host(raw)?;
        let app = single(raw, "app")?;
        let scope = checked(&match query::get(raw, "context") {
            None | Some("") => app,
            Some(_) => format!("{app}/{}", single(raw, "context")?),
        })?;
        let stream = query::get(raw, "id")
            .map(query::unescaped)
            .filter(|id| !id.starts_with("subscriber-") && !id.starts_with("sharedobject-"))
            .and_then(|id| StreamKey::new(&scope, &id).ok());
        Ok(Self {
            node: named(host, raw, stream.clone().map(|key| (Role::Publish, key))),
            stream,
            rest: query::filter(raw, |key| !RESERVED.contains(&key)),
            scope,
        })
    }

    /// Reads a raw query of 2.0, whose path names the stream.
    ///
    /// # Errors
    /// `host` is there, and wrong.
    pub fn of_stream(role: Role, key: &StreamKey, raw: &str) -> Result<Self, SocketQueryError> {
        let node = match query::get(raw, "host") {
            Some(_) => named(host(raw)?, raw, Some((role, key.clone()))),
            None => Wanted::Carrier {
                role,
                key: key.clone(),
            },
        };
        Ok(Self {
            node,
            scope: key.scope().to_owned(),
            stream: (role == Role::Publish).then(|| key.clone()),
            rest: query::filter(raw, |key| !RESERVED_2_0.contains(&key)),
        })
    }

    /// The path and query to ask of the node: `/{app}[/{context}]/?{rest}`.
    pub fn target(&self) -> String {
        format!("/{}/?{}", self.scope, self.rest)
    }
}

/// Values can be credentials: only what is safe to print.
impl fmt::Debug for SocketQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketQuery")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Whether this is the URL of a WebSocket of 1.x, by its path and raw query. Without a query, or
/// with another one, the path is that of the Stream Manager's page.
pub fn is_url(path: &str, raw: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let is_path = segments.next().is_some_and(|segment| {
        let name = segment.split(';').next().unwrap_or_default();
        name.eq_ignore_ascii_case("streammanager")
    });
    is_path
        && segments.next().is_none()
        && query::pairs(raw).any(|(key, _)| {
            query::percent_decode(key).is_some_and(|key| matches!(key.as_str(), "host" | "app"))
        })
}

fn named(host: String, raw: &str, stream: Option<(Role, StreamKey)>) -> Wanted {
    Wanted::Named {
        host,
        private: query::get(raw, "usePrivateProxy") == Some("true"),
        stream,
    }
}

/// The node that a client names in `host`, decoded; not yet admitted.
///
/// # Errors
/// It is missing, doubled, or nothing that could be one.
pub fn host(raw: &str) -> Result<String, SocketQueryError> {
    let host = single(raw, "host")?;
    if matches!(host.as_str(), "undefined" | "null") {
        return Err(SocketQueryError {
            key: "host",
            why: Why::Undefined,
        });
    }
    Ok(host)
}

/// The scope that a client names in `app`, decoded.
///
/// # Errors
/// It is missing, doubled, or not a scope.
pub fn scope(raw: &str) -> Result<String, SocketQueryError> {
    checked(&single(raw, "app")?)
}

fn checked(scope: &str) -> Result<String, SocketQueryError> {
    match check_scope(scope) {
        Ok(scope) => Ok(scope.to_owned()),
        Err(error) => Err(SocketQueryError {
            key: "app",
            why: Why::Name(error),
        }),
    }
}

/// The only, decoded, non-empty value of a key.
fn single(raw: &str, key: &'static str) -> Result<String, SocketQueryError> {
    let mut values = query::all(raw, key);
    let why = match (values.next(), values.next()) {
        (None | Some(""), None) => Why::Missing,
        (Some(value), None) => match query::percent_decode(value) {
            Some(decoded) => return Ok(decoded),
            None => Why::Escape,
        },
        _ => Why::Doubled,
    };
    Err(SocketQueryError { key, why })
}

/// A query that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("query key `{key}` {why}")]
pub struct SocketQueryError {
    /// The key at fault.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Absent or empty.
    Missing,
    /// There twice.
    Doubled,
    /// A `%` without two hexadecimal digits, or not UTF-8.
    Escape,
    /// The text `undefined` or `null`: a page that did not wait for its lookup, or misread an array
    /// of nodes.
    Undefined,
    /// Not an allowed scope.
    Name(NameError),
    /// More bytes than can be kept.
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is required and must not be empty"),
            Self::Doubled => f.write_str("must be there only once"),
            Self::Escape => f.write_str("has a broken percent-escape"),
            Self::Undefined => f.write_str(
                "is `undefined`: the page opened the socket without the `serverAddress` of the Stream Manager's answer",
            ),
            Self::Name(error) => write!(f, "is not a scope: {error}"),
            Self::TooLong => write!(
                f,
                "is too long: the path of the session and it may have at most {MAX_RESOURCE} bytes together"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_url_of_a_socket_is_told_from_the_managers_page() {
        let raw = "id=s1&host=10.0.0.1&app=live&token=x";
        for path in [
            "/streammanager",
            "/streammanager/",
            "//streammanager//",
            "/StreamManager/",
            "/streammanager;a=b/",
        ] {
            assert!(super::is_url(path, raw), "{path}");
            assert!(
                !super::is_url(path, "") && !super::is_url(path, "page=1"),
                "{path}"
            );
        }
        for raw in ["app=live", "host=", "h%6Fst=10.0.0.1"] {
            assert!(super::is_url("/streammanager/", raw), "{raw}");
        }
        for path in [
            "/",
            "/streammanager/api/4.0/event/live/s1",
            "/live/",
            "/x/streammanager",
        ] {
            assert!(!super::is_url(path, raw), "{path}");
        }
    }

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_publisher_names_its_stream() {
        let query = SocketQuery::parse(
            "id=stream1&username=a%26b&host=10.0.0.7&app=live%2Froom1&token=x=y",
        )
        .unwrap();
        assert!(
            matches!(&query.node, Wanted::Named { host, private: false, .. } if host == "10.0.0.7")
        );
        assert_eq!(
            query.stream.as_ref().map(StreamKey::as_str),
            Some("live/room1/stream1")
        );
        assert_eq!(
            query.target(),
            "/live/room1/?id=stream1&username=a%26b&token=x=y"
        );
    }

    #[test]
    fn a_subscriber_does_not() {
        let query = SocketQuery::parse(
            "id=subscriber-1b31&host=10.0.0.7&app=live&context=room1&usePrivateProxy=true",
        )
        .unwrap();
        assert_eq!(query.stream, None);
        assert_eq!(query.target(), "/live/room1/?id=subscriber-1b31");
    }

    #[test]
    fn only_true_asks_for_the_private_address() {
        let private = |raw: &str| {
            let raw = format!("id=s&host=10.0.0.7&app=live{raw}");
            let node = SocketQuery::parse(&raw).unwrap().node;
            matches!(node, Wanted::Named { private: true, .. })
        };
        assert!(private("&usePrivateProxy=true"));
        for other in [
            "",
            "&usePrivateProxy=false",
            "&usePrivateProxy",
            "&usePrivateProxy=1",
            "&usePrivateProxy=TRUE",
            "&useprivateproxy=true",
        ] {
            assert!(!private(other), "{other}");
        }
    }

    #[test]
    fn errors_name_the_key() {
        let error = |raw: &str| {
            let SocketQueryError { key, why } = SocketQuery::parse(raw).unwrap_err();
            (key, why)
        };
        assert_eq!(error("app=live"), ("host", Why::Missing));
        assert_eq!(error("host=&app=live"), ("host", Why::Missing));
        assert_eq!(
            error("host=undefined&app=undefined"),
            ("host", Why::Undefined)
        );
        assert_eq!(
            error("host=1.2.3.4&host=1.2.3.4&app=live"),
            ("host", Why::Doubled)
        );
        assert_eq!(error("Host=1.2.3.4&app=live"), ("host", Why::Missing));
        assert_eq!(error("host=%zz&app=live"), ("host", Why::Escape));
        assert_eq!(error("host=1.2.3.4"), ("app", Why::Missing));
        assert!(matches!(
            error("host=1.2.3.4&app=..%2f"),
            ("app", Why::Name(_))
        ));
    }

    #[test]
    fn two_names_the_stream_in_its_path_and_the_node_if_it_likes() {
        let key = StreamKey::new("live/room1", "s1").unwrap();
        let raw = "id=subscriber-1b31&nodeGroup=default&token=a%26=b&app=x";
        let query = SocketQuery::of_stream(Role::Play, &key, raw).unwrap();
        assert!(
            query.node
                == Wanted::Carrier {
                    role: Role::Play,
                    key: key.clone()
                }
        );
        assert_eq!(query.stream, None);
        assert_eq!(
            query.target(),
            "/live/room1/?id=subscriber-1b31&token=a%26=b&app=x"
        );
        let raw = "id=s1&host=10.0.0.7&usePrivateProxy=true";
        let query = SocketQuery::of_stream(Role::Publish, &key, raw).unwrap();
        assert!(
            matches!(&query.node, Wanted::Named { host, private: true, .. } if host == "10.0.0.7")
        );
        assert_eq!(query.stream.as_ref(), Some(&key));
        for (raw, why) in [
            ("id=s1&host=", Why::Missing),
            ("host=undefined", Why::Undefined),
            ("host=a&host=b", Why::Doubled),
            ("host=%f", Why::Escape),
        ] {
            let error = SocketQuery::of_stream(Role::Play, &key, raw).unwrap_err();
            assert_eq!((error.key, error.why), ("host", why), "{raw}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let query = SocketQuery::parse("id=s&host=10.0.0.7&app=live&token=secret").unwrap();
        assert!(!format!("{query:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_query_is_taken(raw in ".{0,200}") {
            let _ = SocketQuery::parse(&raw);
            let key = StreamKey::new("live", "s1").unwrap();
            if let Ok(query) = SocketQuery::of_stream(Role::Play, &key, &raw) {
                prop_assert!(query.target().starts_with("/live/?"));
            }
        }
    }
}
