//! Sealed URLs of protocol extensions.
//!
//! A node offers an extension in a `Link` whose target is a URL of its own (RFC 9725 §4.9):
//! server-sent events and layers for players (draft-ietf-wish-whep, core extensions), statistics
//! for red5pro-webrtc-sdk 15. We give a URL of ours in its place, sealed as a session's is, under
//! the same keys and for another purpose, so that neither can be used as the other. It is bound to
//! the role and the stream, and ends when the session does that it was offered with.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::{
    Role, StreamKey,
    owner::Owner,
    rewrite::MAX_RESOURCE,
    session::{Purpose, Session, SessionKeys, Unsealable},
    tag::Tag,
};

/// The relation of an endpoint for statistics, which red5pro-webrtc-sdk 15 looks for on `OPTIONS`.
pub const STATISTICS: &str = "statistics";

/// What the relations of registered extensions begin with (RFC 9725 §4.9; draft-ietf-wish-whep,
/// IANA considerations).
const REGISTERED: [&str; 2] = ["urn:ietf:params:whip:ext:", "urn:ietf:params:whep:ext:"];

/// Whether a link with this relation, in lower case, leads to an extension.
pub fn is_relation(relation: &str) -> bool {
    relation == STATISTICS || REGISTERED.iter().any(|urn| relation.starts_with(urn))
}

/// What the token in the URL of an extension holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The node's address.
    pub node: IpAddr,
    /// The extension's path and query at that node.
    pub target: PathAndQuery,
    /// Where the session is that it was offered with, if it was with one: a newer one there ends
    /// both.
    pub session: Option<PathAndQuery>,
    /// When that session was made, or the extension offered without one, in milliseconds since
    /// 1970.
    pub issued_at: u64,
    /// Who made that session, or asked for the offer, if that was judged.
    pub owner: Option<Owner>,
}

/// The wire form of an [`Extension`].
#[derive(Serialize, Deserialize)]
struct Sealed<'s> {
    node: IpAddr,
    issued_at: u64,
    target: &'s str,
    session: Option<&'s str>,
}

impl Extension {
    /// Whether the URL of it stays as short as a session's: both paths together have at most
    /// [`MAX_RESOURCE`] bytes.
    pub fn fits(&self) -> bool {
        let session = self.session.as_ref().map_or(0, |path| path.as_str().len());
        self.target.as_str().len() + session <= MAX_RESOURCE
    }

    /// One that is offered with this session.
    pub fn of(session: &Session, target: PathAndQuery) -> Self {
        Self {
            node: session.node,
            target,
            session: Some(session.resource.clone()),
            issued_at: session.issued_at,
            owner: session.owner,
        }
    }

    /// The session that it was offered with.
    pub fn session(&self) -> Option<Session> {
        Some(Session {
            node: self.node,
            resource: self.session.clone()?,
            issued_at: self.issued_at,
            tag: Tag::None,
            owner: self.owner,
        })
    }
}

impl SessionKeys {
    /// Seals an extension for the URL of this role and stream.
    ///
    /// # Errors
    /// [`Unsealable`]: the crypto library failed.
    pub fn seal_extension(
        &self,
        role: Role,
        key: &StreamKey,
        extension: &Extension,
    ) -> Result<String, Unsealable> {
        let plain = Sealed {
            node: extension.node,
            issued_at: extension.issued_at,
            target: extension.target.as_str(),
            session: extension.session.as_ref().map(PathAndQuery::as_str),
        };
        let mut plain = postcard::to_allocvec(&plain).map_err(|_| Unsealable)?;
        Owner::append(extension.owner, &mut plain);
        self.seal_for(Purpose::Extension, role, key, plain)
    }

    /// Opens a token that stands in the URL of an extension of this role and stream; `None` for
    /// whatever is not exactly one.
    pub fn open_extension(&self, role: Role, key: &StreamKey, token: &str) -> Option<Extension> {
        let plain = self.open_for(Purpose::Extension, role, key, token)?;
        let (plain, rest): (Sealed<'_>, _) = postcard::take_from_bytes(&plain).ok()?;
        let session = plain.session.map(str::parse).transpose().ok()?;
        Some(Extension {
            node: plain.node,
            target: plain.target.parse().ok()?,
            session,
            issued_at: plain.issued_at,
            owner: Owner::read(rest).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamKey {
        StreamKey::new("live", name).unwrap()
    }

    fn extension(session: Option<&'static str>) -> Extension {
        Extension {
            node: "10.0.0.5".parse().unwrap(),
            target: PathAndQuery::from_static("/live/whep/events/s1?id=1"),
            session: session.map(PathAndQuery::from_static),
            issued_at: 1_790_000_000_123,
            owner: session.map(|path| Owner::of(&[path])),
        }
    }

    #[test]
    fn only_registered_extensions_and_statistics_are_meant() {
        for relation in [
            "urn:ietf:params:whep:ext:core:server-sent-events",
            "urn:ietf:params:whip:ext:example",
            "statistics",
        ] {
            assert!(is_relation(relation), "{relation}");
        }
        for relation in [
            "ice-server",
            "self",
            "urn:ietf:params:whep:",
            "http://a",
            "",
        ] {
            assert!(!is_relation(relation), "{relation}");
        }
    }

    #[test]
    fn what_is_sealed_is_what_is_opened_by_its_own_stream_only() {
        let keys = SessionKeys::random().unwrap();
        for session in [None, Some("/live/whip/resource/s1")] {
            let sealed = keys
                .seal_extension(Role::Play, &stream("s1"), &extension(session))
                .unwrap();
            let open = |role, name, text: &str| keys.open_extension(role, &stream(name), text);
            assert_eq!(open(Role::Play, "s1", &sealed), Some(extension(session)));
            assert_eq!(open(Role::Publish, "s1", &sealed), None);
            assert_eq!(open(Role::Play, "s2", &sealed), None);
            for at in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered.replace_range(at..=at, if &sealed[at..=at] == "A" { "Q" } else { "A" });
                assert_eq!(open(Role::Play, "s1", &altered), None, "{at}");
                assert_eq!(open(Role::Play, "s1", &sealed[..at]), None, "{at}");
            }
        }
    }

    #[test]
    fn the_longest_one_can_be_opened() {
        let keys = SessionKeys::random().unwrap();
        let long = |c: &str| -> PathAndQuery {
            format!("/{}", c.repeat(MAX_RESOURCE / 2 - 1))
                .parse()
                .unwrap()
        };
        let session = Session {
            node: "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(),
            resource: long("a"),
            issued_at: u64::MAX,
            tag: Tag::None,
            owner: None,
        };
        let longest = Extension::of(&session, long("b"));
        assert!(longest.fits() && !Extension::of(&session, long("bb")).fits());
        let key = stream("s1");
        let sealed = keys.seal_extension(Role::Publish, &key, &longest).unwrap();
        assert_eq!(
            keys.open_extension(Role::Publish, &key, &sealed).as_ref(),
            Some(&longest)
        );
        assert_eq!(longest.session(), Some(session));
    }

    #[test]
    fn it_is_no_session_and_no_handle() {
        let keys = SessionKeys::random().unwrap();
        let (role, key) = (Role::Publish, stream("s1"));
        let session = Session {
            node: "10.0.0.5".parse().unwrap(),
            resource: PathAndQuery::from_static("/x"),
            issued_at: 1,
            tag: Tag::None,
            owner: None,
        };
        let sealed = keys.seal_extension(role, &key, &extension(None)).unwrap();
        assert_eq!(keys.open(role, &key, &sealed), None);
        assert_eq!(keys.open_handle(role, &key, &sealed), None);
        let token = keys.seal(role, &key, &session).unwrap();
        assert_eq!(keys.open_extension(role, &key, &token), None);
        // Not even where both would be read alike.
        let plain = keys
            .open_for(Purpose::Extension, role, &key, &sealed)
            .unwrap();
        for other in [Purpose::Session, Purpose::Handle] {
            let token = keys.seal_for(other, role, &key, plain.clone()).unwrap();
            assert_eq!(keys.open_extension(role, &key, &token), None);
        }
    }
}
