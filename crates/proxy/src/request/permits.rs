//! Limits on concurrent work: a permit for each piece of it, and no waiting for one. A limit may
//! change while its permits are in use.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use crate::{Error, words::config::Limits};

/// All limits of the proxy. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Permits {
    /// For requests that wait for their answer's header: `limits.in_flight`.
    pub in_flight: Limit,
    /// For WebSocket sessions: `limits.sockets`.
    pub sockets: Limit,
    /// For streams of server-sent events: `limits.event_streams`.
    pub event_streams: Limit,
}

impl Permits {
    /// As many as the configuration says.
    pub fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Limit::new("limits.in_flight", limits.in_flight),
            sockets: Limit::new("limits.sockets", limits.sockets),
            event_streams: Limit::new("limits.event_streams", limits.event_streams),
        }
    }

    /// As many as another configuration says, from now on.
    pub(crate) fn resize(&self, limits: &Limits) {
        self.in_flight.resize(limits.in_flight);
        self.sockets.resize(limits.sockets);
        self.event_streams.resize(limits.event_streams);
    }
}

/// The permits of one kind. Cheap to clone: all clones are the same permits.
#[derive(Clone, Debug)]
pub struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: &'static str,
    free: Semaphore,
    /// Permits in use above the capacity, which was lowered meanwhile: they are not free again when
    /// they are given back.
    debt: AtomicUsize,
    capacity: Mutex<usize>,
}

/// A permit, in use until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Inner>);

impl Limit {
    /// This many, by the configuration key `key`.
    pub(crate) fn new(key: &'static str, capacity: usize) -> Self {
        Self(Arc::new(Inner {
            key,
            free: Semaphore::new(capacity),
            debt: AtomicUsize::new(0),
            capacity: Mutex::new(capacity),
        }))
    }

    /// A permit, if one is free.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: none is.
    pub(crate) fn acquire(&self) -> Result<Permit, Error> {
        let full = |_| Error::Overloaded { what: self.0.key };
        self.0.free.try_acquire().map_err(full)?.forget();
        Ok(Permit(self.0.clone()))
    }

    /// The configuration key of the capacity.
    pub fn key(&self) -> &'static str {
        self.0.key
    }

    /// Most permits in use at once.
    pub fn capacity(&self) -> usize {
        *self.0.lock()
    }

    /// Permits in use; for a while more than the capacity, after that was lowered.
    pub fn in_use(&self) -> usize {
        let capacity = self.0.lock();
        let debt = self.0.debt.load(Ordering::Relaxed);
        (*capacity + debt).saturating_sub(self.0.free.available_permits())
    }

    /// Changes the capacity. No permit is revoked: if there are to be fewer, those given back are
    /// not free again until the debt is paid.
    fn resize(&self, capacity: usize) {
        let mut now = self.0.lock();
        if let Some(more) = capacity.checked_sub(*now) {
            let paid = (0..more).take_while(|_| self.0.pays_debt()).count();
            self.0.free.add_permits(more - paid);
        } else {
            let fewer = *now - capacity;
            let removed = self.0.free.forget_permits(fewer);
            self.0.debt.fetch_add(fewer - removed, Ordering::Relaxed);
        }
        *now = capacity;
    }
}

impl Inner {
    /// Lowers the debt by one; whether there was one.
    fn pays_debt(&self) -> bool {
        let less = |debt: usize| debt.checked_sub(1);
        self.debt.load(Ordering::Relaxed) > 0
            && (self.debt)
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.capacity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.0.pays_debt() {
            self.0.free.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are free now.
    fn free(limit: &Limit) -> usize {
        let taken: Vec<_> = std::iter::from_fn(|| limit.acquire().ok()).collect();
        taken.len()
    }

    #[test]
    fn permits_in_use_are_counted_and_never_above_the_capacity() {
        let limit = Limit::new("limits.sockets", 2);
        let (first, _second) = (limit.acquire().unwrap(), limit.acquire().unwrap());
        assert_eq!((limit.in_use(), limit.capacity()), (2, 2));
        let full = limit.acquire().unwrap_err();
        let what = "limits.sockets";
        assert!(matches!(full, Error::Overloaded { what: found } if found == what));
        drop(first);
        assert_eq!(limit.clone().in_use(), 1);
        assert!(limit.acquire().is_ok());
    }

    #[test]
    fn a_higher_capacity_counts_at_once() {
        let limit = Limit::new("limits.sockets", 1);
        let _taken = limit.acquire().unwrap();
        limit.resize(3);
        assert_eq!((free(&limit), limit.in_use(), limit.capacity()), (2, 1, 3));
    }

    #[test]
    fn a_lower_capacity_revokes_nothing_and_grants_nothing_until_the_debt_is_paid() {
        let limit = Limit::new("limits.sockets", 4);
        let mut taken: Vec<_> = (0..3).map(|_| limit.acquire().unwrap()).collect();
        limit.resize(2);
        assert_eq!((free(&limit), limit.in_use(), limit.capacity()), (0, 3, 2));
        taken.pop();
        assert_eq!(free(&limit), 0);
        taken.pop();
        assert_eq!((free(&limit), limit.in_use()), (1, 1));
        taken.clear();
        assert_eq!(free(&limit), 2);
    }

    #[test]
    fn a_higher_capacity_pays_the_debt_first() {
        let limit = Limit::new("limits.sockets", 4);
        let taken: Vec<_> = (0..4).map(|_| limit.acquire().unwrap()).collect();
        limit.resize(1);
        limit.resize(5);
        assert_eq!(free(&limit), 1);
        drop(taken);
        assert_eq!(free(&limit), 5);
    }
}
