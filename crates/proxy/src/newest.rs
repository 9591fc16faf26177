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

/// How far the clocks of replicas may be apart, in milliseconds. A token of another replica that is older than our
/// newest publisher by less may be the newer one.
const SKEW: u64 = 2_000;

/// When the newest publisher was let in at each place. Only what this replica has let in itself: of another replica's
/// publishers it knows nothing, and lets old URLs of theirs pass.
pub(crate) struct Newest(Cache<(IpAddr, PathAndQuery), Last>);

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
        let places = Cache::builder()
            .max_capacity(MAX_PLACES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(lifetime);
        Self(places.build())
    }

    /// A publisher was let in.
    pub(crate) fn remember(&self, session: &Session) {
        let place = self.0.entry(place(session));
        place.and_upsert_with(|last| {
            last.map_or(Last::of(session.issued_at), |last| {
                last.into_value().and(session.issued_at)
            })
        });
    }

    /// Whether a newer publisher has taken the place of this one.
    pub(crate) fn has_newer(&self, than: &Session) -> bool {
        let last = self.0.get(&place(than));
        last.is_some_and(|last| last.is_newer(than.issued_at))
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

    #[test]
    fn a_publisher_of_another_replica_whose_clock_is_behind_keeps_its_session() {
        let newest = Newest::new(Duration::from_hours(1));
        let at = |issued_at| session("10.0.0.1", "/live/whip/resource/s1", issued_at);
        newest.remember(&at(10_000));
        assert!(!newest.has_newer(&at(8_500)), "it may be the newer one");
        assert!(newest.has_newer(&at(7_900)));
        // Our own are told apart to the millisecond, whichever is told of first.
        newest.remember(&at(10_500));
        newest.remember(&at(10_499));
        assert!(newest.has_newer(&at(10_000)) && newest.has_newer(&at(10_499)));
        assert!(!newest.has_newer(&at(10_500)) && !newest.has_newer(&at(10_501)));
    }
}
