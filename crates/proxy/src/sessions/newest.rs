//! The newest session at each slot, so that an old session URL cannot end a newer session.
//!
//! Red5 keys a publisher's resource by the name of its stream: a client that publishes under a name
//! again, at the same node, gets the very path that the former publisher had. A player's session is
//! keyed by the `requestId` that the player made up, four hexadecimal digits (red5pro-webrtc-sdk
//! 11.0.0), so another player can get the same one later.
//!
//! Sessions that this replica made are ordered by their arrival here, never by the wall clock (see
//! [`crate::request::clock`]).

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::uri::PathAndQuery;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use whipstitch_signaling::{Role, query, session::Session};

use crate::request::clock::{SKEW, WallClock, millis};

/// Most slots remembered at once.
const MAX_PLACES: u64 = 10_000;

/// Most earlier sessions of this replica remembered at one slot.
const MAX_EARLIER: usize = 16;

/// A moment in the order of arrival at this replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival(u64);

/// The newest session at each slot, of those that this replica made. Of another replica's sessions
/// it knows nothing, and lets their URLs pass unless they are surely older.
pub(crate) struct Newest {
    publishers: Places,
    /// Apart, or many players would drive a publisher out.
    players: Places,
    arrivals: AtomicU64,
    clock: WallClock,
}

type Places = Cache<(IpAddr, PathAndQuery), Arc<Last>>;

/// The sessions that this replica made at one slot.
#[derive(Clone, Debug)]
struct Last {
    /// `issued_at` of the newest; it tells this replica's sessions apart and orders none of them.
    newest: u64,
    arrived: Arrival,
    /// When it arrived, by a clock that is never set.
    at: Instant,
    /// `issued_at` of those before it.
    earlier: Vec<u64>,
}

impl Last {
    /// Those of before, and one more.
    fn and(before: Option<&Self>, issued_at: u64, arrived: Arrival) -> Self {
        let mut earlier: Vec<u64> = before
            .map(|last| last.earlier.iter().copied().chain([last.newest]).collect())
            .unwrap_or_default();
        earlier.retain(|one| *one != issued_at);
        let surplus = earlier.len().saturating_sub(MAX_EARLIER);
        earlier.drain(..surplus);
        Self {
            newest: issued_at,
            arrived,
            at: Instant::now(),
            earlier,
        }
    }

    /// Whether the newest one is newer than the session of this time, at `now` of the wall clock.
    fn is_newer(&self, than: u64, now: u64) -> bool {
        if than == self.newest {
            return false;
        }
        // Another replica's. The newest one's time by today's wall clock: that may have been set
        // since.
        let began = || now.saturating_sub(millis(self.at.elapsed()));
        self.earlier.contains(&than) || began().saturating_sub(than) > millis(SKEW)
    }
}

impl Newest {
    /// Remembers as long as a session URL is good for.
    pub(crate) fn new(lifetime: Duration, clock: WallClock) -> Self {
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
            arrivals: AtomicU64::new(0),
            clock,
        }
    }

    /// The present moment in the order of arrival.
    pub(crate) fn moment(&self) -> Arrival {
        Arrival(self.arrivals.load(Ordering::Relaxed))
    }

    /// A session was made.
    pub(crate) fn remember(&self, role: Role, session: &Session) {
        let Some(places) = self.of(role, session) else {
            return;
        };
        let place = places.entry(place(session));
        place.and_upsert_with(|last| {
            // Inside, so that the entries of one slot are in the order of their numbers.
            let arrived = Arrival(self.arrivals.fetch_add(1, Ordering::Relaxed) + 1);
            let last = last.map(moka::Entry::into_value);
            Arc::new(Last::and(last.as_deref(), session.issued_at, arrived))
        });
    }

    /// Whether a newer session has taken the slot of this one.
    pub(crate) fn has_newer(&self, role: Role, than: &Session) -> bool {
        let last = self.last(role, than);
        last.is_some_and(|last| last.is_newer(than.issued_at, self.clock.now()))
    }

    /// Whether a session was made at the slot of this one after that moment.
    pub(crate) fn has_since(&self, role: Role, at: &Session, moment: Arrival) -> bool {
        self.last(role, at)
            .is_some_and(|last| last.arrived > moment)
    }

    fn last(&self, role: Role, session: &Session) -> Option<Arc<Last>> {
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

    const HERE: &str = "/live/whip/resource/s1";

    fn session(node: &str, resource: &'static str, issued_at: u64) -> Session {
        Session {
            node: node.parse().unwrap(),
            resource: PathAndQuery::from_static(resource),
            issued_at,
            tag: Tag::None,
        }
    }

    fn newest() -> (Newest, WallClock) {
        let clock = WallClock::default();
        (Newest::new(Duration::from_hours(1), clock.clone()), clock)
    }

    #[test]
    fn only_a_newer_one_at_the_same_place_counts() {
        let (newest, clock) = newest();
        let now = clock.now();
        let old = session("10.0.0.1", HERE, now);
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(Role::Publish, &old);
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(Role::Publish, &session("10.0.0.2", HERE, now + 1));
        let other = session("10.0.0.1", "/live/whip/resource/s2", now + 1);
        newest.remember(Role::Publish, &other);
        assert!(!newest.has_newer(Role::Publish, &old));
        newest.remember(Role::Publish, &session("10.0.0.1", HERE, now + 1));
        assert!(newest.has_newer(Role::Publish, &old));
    }

    #[test]
    fn ours_are_in_the_order_of_their_arrival_whatever_the_clock_says() {
        for steps in [
            [0, 0, 0],
            [-60_000, 0, 0],
            [60_000, -120_000, 0],
            [-3_600_000, 7_200_000, -500],
            [i64::from(i32::MAX), i64::from(i32::MIN), 0],
        ] {
            let (newest, clock) = newest();
            let mut made: Vec<Session> = Vec::new();
            for step in steps {
                clock.step(step);
                // Two within a millisecond do not happen at one slot.
                let issued_at = clock.now() + u64::try_from(made.len()).unwrap();
                let moment = newest.moment();
                let one = session("10.0.0.1", HERE, issued_at);
                newest.remember(Role::Publish, &one);
                assert!(newest.has_since(Role::Publish, &one, moment), "{steps:?}");
                assert!(!newest.has_since(Role::Publish, &one, newest.moment()));
                made.push(one);
                let (last, before) = made.split_last().unwrap();
                assert!(!newest.has_newer(Role::Publish, last), "{steps:?}");
                assert!(
                    before
                        .iter()
                        .all(|old| newest.has_newer(Role::Publish, old))
                );
            }
        }
    }

    #[test]
    fn only_so_many_of_one_place_are_kept() {
        let (newest, clock) = newest();
        let now = clock.now();
        for later in 0..100 {
            newest.remember(Role::Publish, &session("10.0.0.1", HERE, now + later));
        }
        let last = newest.last(Role::Publish, &session("10.0.0.1", HERE, 0));
        assert_eq!(last.unwrap().earlier.len(), MAX_EARLIER);
    }

    #[test]
    fn players_are_told_apart_by_their_request_id_or_not_at_all() {
        let (newest, clock) = newest();
        let now = clock.now();
        let at = |resource, issued_at| session("10.0.0.1", resource, issued_at);
        for (resource, newer) in [
            ("/live/whep/resource/s1?requestId=a", true),
            ("/live/whep/resource/s1", false),
        ] {
            let (old, moment) = (at(resource, now), newest.moment());
            newest.remember(Role::Play, &old);
            assert!(newest.has_since(Role::Play, &old, moment) == newer);
            newest.remember(Role::Play, &at(resource, now + 1));
            assert_eq!(newest.has_newer(Role::Play, &old), newer);
            assert!(!newest.has_newer(Role::Publish, &old));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_replicas_session_is_refused_only_if_it_is_older_by_more_than_the_skew() {
        let (newest, clock) = newest();
        let at = |issued_at| session("10.0.0.1", HERE, issued_at);
        newest.remember(Role::Publish, &at(clock.now()));
        let judged = |ago: u64| newest.has_newer(Role::Publish, &at(clock.now() - ago));
        assert!(!judged(10_000), "its replica may be 10 s behind");
        assert!(!judged(29_000) && judged(31_000));
        assert!(!newest.has_newer(Role::Publish, &at(clock.now() + 3_600_000)));
        // The clock had been a minute ahead when ours was made, and is right now.
        clock.step(-60_000);
        assert!(!judged(10_000) && judged(31_000));
        tokio::time::advance(Duration::from_mins(10)).await;
        clock.step(600_000);
        assert!(!judged(610_000) && judged(631_000));
    }
}
