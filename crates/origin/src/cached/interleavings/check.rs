//! What must always hold.

use super::{
    manager::{Manager, number},
    *,
};

/// When something last happened that makes earlier answers stale.
#[derive(Default)]
pub(super) struct Overs {
    pub(super) forgotten: HashMap<Lookup, Instant>,
    pub(super) ended: HashMap<StreamKey, Instant>,
    pub(super) unreachable: HashMap<IpAddr, Instant>,
    pub(super) published: HashMap<StreamKey, Instant>,
}

/// What must always hold of an answer that is used.
pub(super) struct Check {
    pub(super) manager: Arc<Manager>,
    pub(super) overs: Arc<Mutex<Overs>>,
    pub(super) config: config::Lookup,
    pub(super) last: Arc<Mutex<Option<Origin>>>,
}

impl Check {
    pub(super) fn used(
        &self,
        lookup: &Lookup,
        purpose: Purpose,
        candidates: &Candidates,
        began: Instant,
    ) {
        assert_eq!(candidates.len(), NODES);
        let first = candidates.iter().next().unwrap();
        *self.last.lock().unwrap() = Some(first.clone());
        self.manager.book(|book| {
            let given = &mut book.given[number(first)];
            // Where all candidates are ejected, more are asked for.
            let same = given.lookup == *lookup || Some(&given.lookup) == lookup.wider().as_ref();
            assert!(same, "an answer to another question");
            let over_at = self.over_at(&given.lookup, candidates);
            let fault = book.faults.get(&given.lookup).copied();
            let (age, asked) = (
                began.saturating_duration_since(given.answered_at),
                given.asked,
            );
            let life = match lookup.role {
                Role::Publish => Duration::ZERO,
                Role::Play => self.config.play_ttl,
            };
            assert!(
                age < life + self.config.stale_for.max(life),
                "{age:?} old: it was to be gone"
            );
            // A probe a second goes out as long as no other caller asks.
            let probed = book.probes.last().map(|at| *at + Duration::from_secs(1));
            let lately = fault.max(probed).filter(|at| *at + RECENT >= began);
            if lookup.role == Role::Publish && given.answered_at < began {
                let unheard = fault.max(probed).is_some_and(|at| at >= began);
                assert!(unheard, "{age:?} old, and the manager could be asked");
            }
            let in_vain = |since: Instant| lately.is_some_and(|at| at >= since);
            if lookup.role == Role::Play && age >= life * 2 {
                assert!(
                    in_vain(asked),
                    "{age:?} old, and no newer one was asked for"
                );
            }
            if let Some(over) = over_at.filter(|over| *over > asked && *over < began) {
                assert!(
                    in_vain(over),
                    "used {:?} after it did not hold",
                    began - over
                );
            }
            if purpose == Purpose::Session {
                given.sessions += 1;
                let most = match lookup.role {
                    Role::Publish => usize::MAX,
                    Role::Play => self.config.play_uses,
                };
                assert!(
                    given.sessions <= most || in_vain(asked),
                    "{} uses",
                    given.sessions
                );
            }
        });
    }

    /// A "no" that a waiter got.
    pub(super) fn refused(&self, lookup: &Lookup, which: &str, began: Instant) {
        let (asked, said) = self.manager.book(|book| {
            let refused = &book.refused[which.parse::<usize>().unwrap()];
            let same = refused.lookup == *lookup;
            assert!(same, "a \"no\" to another question");
            (refused.asked, refused.answered_at)
        });
        let age = began.saturating_duration_since(said);
        let life = match lookup.role {
            Role::Publish => Duration::ZERO,
            Role::Play => self.config.negative_ttl,
        };
        assert!(said >= began || age < life, "a \"no\", {age:?} old");
        let overs = self.overs.lock().unwrap();
        let published = overs.published.get(&lookup.key);
        let over = published.is_some_and(|at| *at > asked && *at < began);
        assert!(!over, "a \"no\" from before the publish");
    }

    fn over_at(&self, lookup: &Lookup, candidates: &Candidates) -> Option<Instant> {
        let overs = self.overs.lock().unwrap();
        let failed = candidates
            .iter()
            .filter_map(|origin| overs.unreachable.get(&origin.named()));
        [
            overs.forgotten.get(lookup),
            overs.ended.get(&lookup.key),
            failed.max(),
        ]
        .into_iter()
        .flatten()
        .max()
        .copied()
    }
}
