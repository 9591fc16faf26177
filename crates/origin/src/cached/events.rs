//! When something last happened to each key, for as long as it can invalidate an answer.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ahash::RandomState;
use tokio::time::Instant;

/// Maximum number of keys; the one whose event is the oldest goes first.
const MAX_KEYS: usize = 10_000;

/// The last event of each key. Its lock is held for one look-up in a map.
#[derive(Debug)]
pub(super) struct Events<K> {
    longest: Duration,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    last: HashMap<K, Instant, RandomState>,
    /// All events in their order; of a key's only the last one counts.
    order: VecDeque<(Instant, K)>,
}

impl<K: Clone + Eq + Hash> Events<K> {
    /// Events are forgotten after `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let state = Mutex::new(State {
            last: HashMap::default(),
            order: VecDeque::new(),
        });
        Self { longest, state }
    }

    /// It happens now.
    pub(super) fn note(&self, key: &K) {
        let now = Instant::now();
        let mut state = self.lock();
        state.last.insert(key.clone(), now);
        state.order.push_back((now, key.clone()));
        state.forget(now, self.longest);
    }

    /// When it last happened to this key.
    pub(super) fn last(&self, key: &K) -> Option<Instant> {
        self.lock().last.get(key).copied()
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    /// Drops what is too old or too much. The order holds at most twice as many events as keys may
    /// be kept: one key alone cannot make it grow.
    fn forget(&mut self, now: Instant, longest: Duration) {
        while let Some((at, key)) = self.order.front() {
            let is_last = self.last.get(key) == Some(at);
            let is_old = now.duration_since(*at) >= longest || self.last.len() > MAX_KEYS;
            if is_last && !is_old {
                break;
            }
            if is_last {
                self.last.remove(key);
            }
            self.order.pop_front();
        }
        if self.order.len() > 2 * MAX_KEYS {
            let last = &self.last;
            self.order.retain(|(at, key)| last.get(key) == Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_last_event_of_a_key_counts_until_it_is_old() {
        let events = Events::new(LONGEST);
        events.note(&"a");
        advance(Duration::from_secs(6)).await;
        events.note(&"a");
        let last = Instant::now();
        assert_eq!(events.last(&"a"), Some(last));
        assert_eq!(events.last(&"b"), None);
        advance(Duration::from_secs(6)).await;
        events.note(&"b");
        assert_eq!(events.last(&"a"), Some(last));
        advance(Duration::from_secs(6)).await;
        events.note(&"b");
        assert_eq!(events.last(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_order_are_bounded() {
        let events = Events::new(LONGEST);
        for key in 0..3 * MAX_KEYS {
            events.note(&key);
            advance(Duration::from_nanos(1)).await;
        }
        assert_eq!(events.lock().last.len(), MAX_KEYS);
        assert_eq!(events.last(&0), None);
        assert!(events.last(&(3 * MAX_KEYS - 1)).is_some());
        for _ in 0..5 * MAX_KEYS {
            events.note(&0);
            advance(Duration::from_nanos(1)).await;
        }
        assert!(events.lock().order.len() <= 2 * MAX_KEYS);
        assert_eq!(events.lock().last.len(), MAX_KEYS);
    }
}
