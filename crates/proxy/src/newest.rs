//! The newest publisher at each place, so that an old session URL cannot end a newer session.
//!
//! Red5 keys a publisher's resource by the name of its stream: whoever publishes under a name again, at the same node,
//! gets the very path that the former publisher had.

use std::{net::IpAddr, time::Duration};

use http::uri::PathAndQuery;
use moka::{policy::EvictionPolicy, sync::Cache};
use whipstitch_signaling::session::Session;

/// Most places remembered at once.
const MAX_PLACES: u64 = 10_000;

/// When the newest publisher was let in at each place. Only what this replica has let in itself: of another replica's
/// publishers it knows nothing, and lets old URLs of theirs pass.
pub(crate) struct Newest(Cache<(IpAddr, PathAndQuery), u64>);

impl Newest {
    /// Remembers as long as a session URL is good for.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let places = Cache::builder()
            .max_capacity(MAX_PLACES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(lifetime);
        Self(places.build())
    }

    /// A publisher was let in.
    pub(crate) fn remember(&self, session: &Session) {
        let place = self.0.entry(place(session));
        place.and_upsert_with(|newest| {
            newest.map_or(session.issued_at, |newest| {
                newest.into_value().max(session.issued_at)
            })
        });
    }

    /// Whether a newer publisher has taken the place of this one.
    pub(crate) fn has_newer(&self, than: &Session) -> bool {
        self.0
            .get(&place(than))
            .is_some_and(|newest| newest > than.issued_at)
    }
}

fn place(session: &Session) -> (IpAddr, PathAndQuery) {
    (session.node, session.resource.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(node: &str, resource: &'static str, issued_at: u64) -> Session {
        Session {
            node: node.parse().unwrap(),
            resource: PathAndQuery::from_static(resource),
            issued_at,
        }
    }

    #[test]
    fn only_a_newer_one_at_the_same_place_counts() {
        let newest = Newest::new(Duration::from_hours(1));
        let old = session("10.0.0.1", "/live/whip/resource/s1", 1_000);
        assert!(!newest.has_newer(&old));
        newest.remember(&old);
        assert!(!newest.has_newer(&old));
        newest.remember(&session("10.0.0.2", "/live/whip/resource/s1", 2_000));
        newest.remember(&session("10.0.0.1", "/live/whip/resource/s2", 2_000));
        assert!(!newest.has_newer(&old));
        newest.remember(&session("10.0.0.1", "/live/whip/resource/s1", 1_001));
        assert!(newest.has_newer(&old));
        // What comes late does not make it older again.
        newest.remember(&old);
        assert!(newest.has_newer(&old));
    }
}
