//! The newest session at each place, so that an old session URL cannot end a newer session.
//!
//! Red5 keys a publisher's resource by the name of its stream: whoever publishes under a name again, at the same node,
//! gets the very path that the former publisher had. A player's session is keyed by the `requestId` that the player made
//! up, four hexadecimal digits (red5pro-webrtc-sdk 11.0.0), so another one can come by the same when it is over.

use std::{net::IpAddr, time::Duration};

use http::uri::PathAndQuery;
use moka::{policy::EvictionPolicy, sync::Cache};
use whipstitch_signaling::{Role, query, session::Session};

/// Most places remembered at once.
const MAX_PLACES: u64 = 10_000;

/// How far the clocks of replicas may be apart, in milliseconds. A token of another replica that is older than our
/// newest publisher by less may be the newer one.
const SKEW: u64 = 2_000;

/// When the newest session was let in at each place. Only what this replica has let in itself: of another replica's
/// sessions it knows nothing, and lets old URLs of theirs pass.
pub(crate) struct Newest {
    publishers: Places,
    /// Apart, or many players would drive a publisher out.
    players: Places,
}

type Places = Cache<(IpAddr, PathAndQuery), Last>;

/// When the last two were let in, in milliseconds since 1970. By this replica's own clock, so these two are told apart
/// however close they are.
#[derive(Clone, Copy)]
struct Last {
    newest: u64,
    before: Option<u64>,
}

impl Last {
    const fn of(newest: u64) -> Self {
        Self {
            newest,
            before: None,
        }
    }

    fn and(self, issued_at: u64) -> Self {
        let (older, newest) = (issued_at.min(self.newest), issued_at.max(self.newest));
        if older == newest {
            return self;
        }
        Self {
            newest,
            before: self.before.max(Some(older)),
        }
    }

    fn is_newer(self, than: u64) -> bool {
        self.before.is_some_and(|before| than <= before) && than < self.newest
            || self.newest > than.saturating_add(SKEW)
    }
}

impl Newest {
    /// Remembers as long as a session URL is good for.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let places = || {
            Cache::builder()
                .max_capacity(MAX_PLACES)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(lifetime)
                .build()
        };
        Self {
            publishers: places(),
            players: places(),
        }
    }

    /// A session was let in.
    pub(crate) fn remember(&self, role: Role, session: &Session) {
        let Some(places) = self.of(role, session) else {
            return;
        };
        let place = places.entry(place(session));
        place.and_upsert_with(|last| {
            last.map_or(Last::of(session.issued_at), |last| {
                last.into_value().and(session.issued_at)
            })
        });
    }

    /// Whether a newer session has taken the place of this one.
    pub(crate) fn has_newer(&self, role: Role, than: &Session) -> bool {
        let last = self.last(role, than);
        last.is_some_and(|last| last.is_newer(than.issued_at))
    }

    /// Whether a session was let in at the place of this one when it was made, or after that.
    pub(crate) fn has_since(&self, role: Role, than: &Session) -> bool {
        let last = self.last(role, than);
        last.is_some_and(|last| last.newest >= than.issued_at)
    }

    fn last(&self, role: Role, session: &Session) -> Option<Last> {
        self.of(role, session)?.get(&place(session))
    }

    /// `None` for a player whose node tells it from others by nothing that is in its URL.
    fn of(&self, role: Role, session: &Session) -> Option<&Places> {
        match role {
            Role::Publish => Some(&self.publishers),
            Role::Play => {
                let query = session.resource.query().unwrap_or_default();
                query::get(query, "requestId").map(|_| &self.players)
            }
        }
    }
}

fn place(session: &Session) -> (IpAddr, PathAndQuery) {
    (session.node, session.resource.clone())
}

#[cfg(test)]
mod tests {
    use whipstitch_signaling::tag::Tag;

    use super::*;

    fn session(node: &str, resource: &'static str, issued_at: u64) -> Session {
        Session {
            node: node.parse().unwrap(),
            resource: PathAndQuery::from_static(resource),
            issued_at,
            tag: Tag::None,
        }
    }

    #[test]
    fn only_a_newer_one_at_the_same_place_counts() {
        let newest = Newest::new(Duration::from_hours(1));
        let old = session("10.0.0.1", "/live/whip/resource/s1", 1_000);
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(Role::Publish, &old);
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(
            Role::Publish,
            &session("10.0.0.2", "/live/whip/resource/s1", 2_000),
        );
        newest.remember(
            Role::Publish,
            &session("10.0.0.1", "/live/whip/resource/s2", 2_000),
        );
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(
            Role::Publish,
            &session("10.0.0.1", "/live/whip/resource/s1", 1_001),
        );
        assert!(newest.has_newer(Role::Publish, &old));
        // What comes late does not make it older again.
        newest.remember(Role::Publish, &old);
        assert!(newest.has_newer(Role::Publish, &old));
    }

    #[test]
    fn players_are_told_apart_by_their_request_id_or_not_at_all() {
        let newest = Newest::new(Duration::from_hours(1));
        let at = |resource, issued_at| session("10.0.0.1", resource, issued_at);
        for (resource, newer) in [
            ("/live/whep/resource/s1?requestId=a", true),
            ("/live/whep/resource/s1", false),
        ] {
            let old = at(resource, 1_000);
            newest.remember(Role::Play, &old);
            assert!(newest.has_since(Role::Play, &old) == newer);
            assert!(!newest.has_since(Role::Play, &at(resource, 1_001)));
            newest.remember(Role::Play, &at(resource, 1_001));
            assert_eq!(newest.has_newer(Role::Play, &old), newer);
            assert!(!newest.has_newer(Role::Publish, &old));
        }
    }

    #[test]
    fn a_publisher_of_another_replica_whose_clock_is_behind_keeps_its_session() {
        let newest = Newest::new(Duration::from_hours(1));
        let at = |issued_at| session("10.0.0.1", "/live/whip/resource/s1", issued_at);
        newest.remember(Role::Publish, &at(10_000));
        assert!(
            !newest.has_newer(Role::Publish, &at(8_500)),
            "it may be the newer one"
        );
        assert!(newest.has_newer(Role::Publish, &at(7_900)));
        // Our own are told apart to the millisecond, whichever is told of first.
        newest.remember(Role::Publish, &at(10_500));
        newest.remember(Role::Publish, &at(10_499));
        assert!(
            newest.has_newer(Role::Publish, &at(10_000))
                && newest.has_newer(Role::Publish, &at(10_499))
        );
        assert!(
            !newest.has_newer(Role::Publish, &at(10_500))
                && !newest.has_newer(Role::Publish, &at(10_501))
        );
    }
}
