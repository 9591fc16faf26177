//! Sealed handles of nodes.
//!
//! Stream Manager 2.0 names the node of an `OPTIONS` in `Session-Host`, and red5pro-webrtc-sdk
//! 12.0.0 and later send it back as `host=` with `POST`, `PATCH` and `DELETE`. We name it too, but
//! to ourselves alone: the value is sealed as a session's token is, under the same keys and for
//! another purpose, so that neither can be used as the other. It is bound to the role and the
//! stream, holds no address that a client could read, and needs no escape in a query.
//!
//! A handle says where, and not whose: any client that asks with `OPTIONS` gets one. It
//! opens no session.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Role, StreamKey,
    session::{Purpose, SessionKeys, Unsealable},
};

/// What a handle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// The node's address, as the Stream Manager names it.
    pub node: IpAddr,
    /// When it was given, in milliseconds since 1970.
    pub issued_at: u64,
}

impl SessionKeys {
    /// Seals a handle for this role and stream.
    ///
    /// # Errors
    /// [`Unsealable`]: the crypto library failed.
    pub fn seal_handle(
        &self,
        role: Role,
        key: &StreamKey,
        handle: Handle,
    ) -> Result<String, Unsealable> {
        let plain = postcard::to_allocvec(&handle).map_err(|_| Unsealable)?;
        self.seal_for(Purpose::Handle, role, key, plain)
    }

    /// Opens a handle for this role and stream; `None` for whatever is not exactly one.
    pub fn open_handle(&self, role: Role, key: &StreamKey, handle: &str) -> Option<Handle> {
        let plain = self.open_for(Purpose::Handle, role, key, handle)?;
        postcard::from_bytes(&plain).ok()
    }

    /// Whether this may be a handle that was sealed with a key that is not in this ring: by a
    /// replica with another key file, or before a start that made a new key. It leads nowhere and
    /// is nobody's fault, unlike one that was altered; nothing that is an address looks like it.
    pub fn is_foreign_handle(&self, handle: &str) -> bool {
        self.is_of_another_ring(handle)
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;
    use crate::{query, session::Session, tag::Tag};

    fn stream(name: &str) -> StreamKey {
        StreamKey::new("live", name).unwrap()
    }

    const HANDLE: Handle = Handle {
        node: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5)),
        issued_at: 1_790_000_000_123,
    };

    #[test]
    fn what_is_sealed_is_what_is_opened_by_its_own_stream_only() {
        let keys = SessionKeys::random().unwrap();
        let sealed = keys
            .seal_handle(Role::Publish, &stream("s1"), HANDLE)
            .unwrap();
        assert!(sealed.len() < 100 && !sealed.contains("10.0.0.5"));
        assert_eq!(query::percent_decode(&sealed).as_ref(), Some(&sealed));
        let open = |role, name, text: &str| keys.open_handle(role, &stream(name), text);
        assert_eq!(open(Role::Publish, "s1", &sealed), Some(HANDLE));
        assert_eq!(open(Role::Play, "s1", &sealed), None);
        assert_eq!(open(Role::Publish, "s2", &sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered.replace_range(at..=at, if &sealed[at..=at] == "A" { "Q" } else { "A" });
            assert_eq!(open(Role::Publish, "s1", &altered), None, "{at}");
            assert_eq!(open(Role::Publish, "s1", &sealed[..at]), None, "{at}");
        }
    }

    #[test]
    fn a_handle_of_another_ring_is_told_from_an_altered_one_and_from_an_address() {
        let (ours, theirs) = (
            SessionKeys::random().unwrap(),
            SessionKeys::random().unwrap(),
        );
        let v6 = Handle {
            node: "2001:db8::5".parse().unwrap(),
            ..HANDLE
        };
        for handle in [HANDLE, v6] {
            let sealed = theirs
                .seal_handle(Role::Play, &stream("s1"), handle)
                .unwrap();
            assert!(ours.is_foreign_handle(&sealed));
            assert!(!theirs.is_foreign_handle(&sealed));
            // Version and key id are the first five bytes, so the last character of the first seven
            // is half theirs.
            for at in 7..sealed.len() {
                let mut altered = sealed.clone();
                altered.replace_range(at..=at, if &sealed[at..=at] == "A" { "Q" } else { "A" });
                assert!(!theirs.is_foreign_handle(&altered), "{at}");
            }
        }
        let long = format!("edge-{}", "a".repeat(58));
        for address in [
            "10.0.0.5",
            "2001:db8::5",
            "[::1]",
            "undefined",
            "a.nodes.example.com",
            &long,
            &"A".repeat(63),
            &"A".repeat(5000),
            "",
        ] {
            assert!(!ours.is_foreign_handle(address), "{address}");
        }
    }

    #[test]
    fn a_handle_is_no_token_and_a_token_no_handle() {
        let keys = SessionKeys::random().unwrap();
        let (role, key) = (Role::Publish, stream("s1"));
        let handle = keys.seal_handle(role, &key, HANDLE).unwrap();
        assert_eq!(keys.open(role, &key, &handle), None);
        let session = Session {
            node: HANDLE.node,
            resource: PathAndQuery::from_static("/live/whip/resource/s1"),
            issued_at: HANDLE.issued_at,
            tag: Tag::None,
            owner: None,
        };
        let token = keys.seal(role, &key, &session).unwrap();
        assert_eq!(keys.open_handle(role, &key, &token), None);
        // Not even where both would be read alike.
        let plain = postcard::to_allocvec(&HANDLE).unwrap();
        let as_token = keys.seal_for(Purpose::Session, role, &key, plain).unwrap();
        assert_eq!(keys.open_handle(role, &key, &as_token), None);
    }
}
