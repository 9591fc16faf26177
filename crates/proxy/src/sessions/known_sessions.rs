//! The session that a client means when its URL has no token.
//!
//! A page that cannot read `Location` asks at `/{scope}/{whip|whep}/resource/{stream}`
//! (red5pro-webrtc-sdk 11.0.0). To guess a name must not be enough to end a stream (RFC 9725 §5),
//! so such a request reaches only the session that this very proxy made for this very client, and
//! nobody's if there is any doubt.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use http::{
    Request,
    header::{AUTHORIZATION, ORIGIN, USER_AGENT},
};
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache};
use whipstitch_signaling::{Role, StreamKey, query, session::Session};

use crate::Exchange;

/// Most clients remembered at once.
const MAX_CLIENTS: u64 = 10_000;
/// Most sessions remembered of one of them; whoever has had more at once stays in doubt.
const MAX_SESSIONS: usize = 4;

/// A client, as far as one can be told from another, and the stream that it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    address: IpAddr,
    role: Role,
    key: StreamKey,
    /// Of `User-Agent`, `Origin`, `Authorization` and a player's `requestId`, under a key of this
    /// process.
    fingerprint: u64,
}

/// Who made which session.
pub(crate) struct KnownSessions {
    /// `None` if nobody is told from another by what can be seen here.
    by_client: Option<Cache<Client, Arc<Sessions>>>,
    secret: RandomState,
}

/// The sessions of one client. More than one answers nobody.
#[derive(Clone, Default)]
struct Sessions {
    /// They differ in their places.
    known: Vec<Session>,
    /// Whether there were more, so that there is no telling which is the only one.
    more: bool,
}

impl KnownSessions {
    /// Remembers as long as a session URL is good for; nothing at all if `by_client` is off.
    pub(crate) fn new(by_client: bool, lifetime: Duration) -> Self {
        let cache = || {
            Cache::builder()
                .max_capacity(MAX_CLIENTS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(lifetime)
                .build()
        };
        Self {
            by_client: by_client.then(cache),
            secret: RandomState::new(),
        }
    }

    /// Who sends this request; `None` if the address is that of a forwarder who does not say for
    /// whom it speaks, or is not believed.
    pub(crate) fn client<B>(
        &self,
        role: Role,
        key: &StreamKey,
        request: &Request<B>,
        exchange: &Exchange,
    ) -> Option<Client> {
        let whence = &exchange.record().whence;
        if self.by_client.is_none() || !whence.is_one {
            return None;
        }
        let address = whence.client?;
        let mut hasher = self.secret.build_hasher();
        for name in [USER_AGENT, ORIGIN, AUTHORIZATION] {
            let values: Vec<&[u8]> = request
                .headers()
                .get_all(name)
                .iter()
                .map(http::HeaderValue::as_bytes)
                .collect();
            values.hash(&mut hasher);
        }
        if role == Role::Play {
            let query = request.uri().query().unwrap_or_default();
            query::get(query, "requestId").hash(&mut hasher);
        }
        Some(Client {
            address,
            role,
            key: key.clone(),
            fingerprint: hasher.finish(),
        })
    }

    /// This client got this session. Another one at the same place is over: it cannot be told from
    /// the new one there.
    pub(crate) fn remember(&self, client: Client, session: &Session) {
        self.change(client, |sessions| {
            sessions
                .known
                .retain(|known| !at_same_place(known, session));
            if sessions.known.len() < MAX_SESSIONS {
                sessions.known.push(session.clone());
            } else {
                sessions.more = true;
            }
        });
    }

    /// The one session of this client, or its one session at this node.
    pub(crate) fn recall(&self, client: &Client, node: Option<IpAddr>) -> Option<Session> {
        let sessions = self.by_client.as_ref()?.get(client)?;
        if sessions.more {
            return None;
        }
        let known = sessions.known.iter();
        let mut meant = known.filter(|session| node.is_none_or(|node| session.node == node));
        match (meant.next(), meant.next()) {
            (Some(session), None) => Some(session.clone()),
            _ => None,
        }
    }

    /// This session of this client is over.
    pub(crate) fn forget(&self, client: Client, session: &Session) {
        self.change(client, |sessions| {
            sessions.known.retain(|known| known != session);
        });
    }

    fn change(&self, client: Client, change: impl FnOnce(&mut Sessions)) {
        let Some(by_client) = &self.by_client else {
            return;
        };
        by_client.entry(client).and_compute_with(|before| {
            let before = before.map(moka::Entry::into_value);
            let mut sessions = before.as_deref().cloned().unwrap_or_default();
            change(&mut sessions);
            let is_empty = sessions.known.is_empty() && !sessions.more;
            match (before, is_empty) {
                (None, true) => Op::Nop,
                (Some(_), true) => Op::Remove,
                (_, false) => Op::Put(sessions.into()),
            }
        });
    }
}

fn at_same_place(one: &Session, other: &Session) -> bool {
    (one.node, &one.resource) == (other.node, &other.resource)
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;
    use whipstitch_signaling::tag::Tag;

    use super::*;
    use crate::Peer;

    fn known() -> KnownSessions {
        KnownSessions::new(true, Duration::from_hours(1))
    }

    fn stream() -> StreamKey {
        StreamKey::new("live", "s1").unwrap()
    }

    fn session(node: u8, issued_at: u64) -> Session {
        Session {
            node: IpAddr::from([10, 0, 0, node]),
            resource: PathAndQuery::from_static("/live/whep/resource/s1"),
            issued_at,
            tag: Tag::None,
        }
    }

    /// A request as `name: value` lines, from this address.
    fn client(
        known: &KnownSessions,
        from: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Option<Client> {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let peer = Peer::new(from.parse().unwrap(), true);
        let exchange = Exchange::begin(request.headers(), Some(peer));
        known.client(Role::Play, &stream(), &request, &exchange)
    }

    const HERE: &str = "/live/whep/resource/s1?requestId=subscriber-1";
    const PAGE: &[(&str, &str)] = &[("user-agent", "page"), ("origin", "https://a.example")];

    #[test]
    fn a_session_is_known_of_the_client_that_made_it_and_of_nobody_else() {
        let known = known();
        let maker = client(
            &known,
            "192.0.2.1:1000",
            "/x?a=b&requestId=subscriber-1",
            PAGE,
        )
        .unwrap();
        known.remember(maker, &session(1, 1));
        let ask = |from, target, fields: &[_]| {
            let client = client(&known, from, target, fields)?;
            known.recall(&client, None)
        };
        assert_eq!(ask("192.0.2.1:2000", HERE, PAGE), Some(session(1, 1)));
        assert_eq!(ask("[::ffff:192.0.2.1]:2", HERE, PAGE), Some(session(1, 1)));
        assert_eq!(ask("192.0.2.2:1000", HERE, PAGE), None);
        assert_eq!(
            ask("192.0.2.1:1000", "/x?requestId=subscriber-2", PAGE),
            None
        );
        assert_eq!(ask("192.0.2.1:1000", "/x", PAGE), None);
        assert_eq!(ask("192.0.2.1:1000", HERE, &PAGE[..1]), None);
        assert_eq!(
            ask("192.0.2.1:1000", HERE, &[("user-agent", "other"), PAGE[1]]),
            None
        );
        assert_eq!(
            ask(
                "192.0.2.1:1000",
                HERE,
                &[PAGE[0], PAGE[1], ("authorization", "x")]
            ),
            None
        );
    }

    #[test]
    fn behind_a_forwarder_nobody_is_told_from_another() {
        let known = known();
        for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            let fields = [PAGE[0], (name, "192.0.2.9")];
            assert_eq!(
                client(&known, "192.0.2.1:1000", HERE, &fields),
                None,
                "{name}"
            );
        }
        let off = KnownSessions::new(false, Duration::from_hours(1));
        assert_eq!(client(&off, "192.0.2.1:1000", HERE, PAGE), None);
    }

    #[test]
    fn two_sessions_are_a_doubt_until_one_is_over() {
        let known = known();
        let client = client(&known, "192.0.2.1:1000", HERE, PAGE).unwrap();
        known.remember(client.clone(), &session(1, 1));
        known.remember(client.clone(), &session(1, 2));
        assert_eq!(
            known.recall(&client, None),
            Some(session(1, 2)),
            "one place, one session"
        );
        known.remember(client.clone(), &session(2, 3));
        assert_eq!(known.recall(&client, None), None);
        let at = |node| known.recall(&client, Some(session(node, 0).node));
        assert_eq!(at(1), Some(session(1, 2)));
        assert_eq!(at(2), Some(session(2, 3)));
        assert_eq!(at(3), None);
        known.forget(client.clone(), &session(1, 1));
        assert_eq!(
            known.recall(&client, None),
            None,
            "that one was over before"
        );
        known.forget(client.clone(), &session(1, 2));
        assert_eq!(known.recall(&client, None), Some(session(2, 3)));
        known.forget(client.clone(), &session(2, 3));
        assert_eq!(known.recall(&client, None), None);
    }

    #[test]
    fn whoever_had_all_that_are_remembered_and_no_more_is_understood_again() {
        for (made, understood) in [(4, true), (5, false)] {
            let known = known();
            let one = client(&known, "192.0.2.1:1000", HERE, PAGE).unwrap();
            for node in 1..=made {
                known.remember(one.clone(), &session(node, 1));
            }
            assert_eq!(known.recall(&one, None), None);
            for node in 2..=made {
                known.forget(one.clone(), &session(node, 1));
            }
            let left = known.recall(&one, None);
            assert_eq!(left, understood.then(|| session(1, 1)));
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let known = known();
        let one = client(&known, "192.0.2.1:1000", HERE, PAGE).unwrap();
        for node in 0..20 {
            known.remember(one.clone(), &session(node, 1));
        }
        let cache = known.by_client.as_ref().unwrap();
        assert_eq!(cache.get(&one).unwrap().known.len(), MAX_SESSIONS);
        for number in 0..11_000_u32 {
            let mut other = one.clone();
            other.fingerprint = u64::from(number);
            known.remember(other, &session(1, 1));
        }
        cache.run_pending_tasks();
        assert!(cache.entry_count() <= MAX_CLIENTS);
    }
}
