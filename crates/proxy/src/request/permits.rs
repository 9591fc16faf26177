//! Places for work: so many at once, and no waiting for one. How many may change while they are
//! used.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use crate::{Error, words::config::Limits};

/// All places that the proxy has. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Room {
    /// For requests that wait for their answer's header: `limits.in_flight`.
    pub in_flight: Places,
    /// For WebSocket sessions: `limits.sockets`.
    pub sockets: Places,
    /// For streams of server-sent events: `limits.event_streams`.
    pub event_streams: Places,
}

impl Room {
    /// As much as the configuration gives.
    pub fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Places::new("limits.in_flight", limits.in_flight),
            sockets: Places::new("limits.sockets", limits.sockets),
            event_streams: Places::new("limits.event_streams", limits.event_streams),
        }
    }

    /// As many as another configuration gives, from now on.
    pub(crate) fn resize(&self, limits: &Limits) {
        self.in_flight.resize(limits.in_flight);
        self.sockets.resize(limits.sockets);
        self.event_streams.resize(limits.event_streams);
    }
}

/// Places of one kind. Cheap to clone: all clones are the same places.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: &'static str,
    free: Semaphore,
    /// Places that are taken and are not to be free again: there are fewer of them now.
    owed: AtomicUsize,
    most: Mutex<usize>,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Inner>);

impl Places {
    /// So many, as the configuration key says.
    pub(crate) fn new(key: &'static str, most: usize) -> Self {
        Self(Arc::new(Inner {
            key,
            free: Semaphore::new(most),
            owed: AtomicUsize::new(0),
            most: Mutex::new(most),
        }))
    }

    /// One of them, if one is free.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: none is.
    pub(crate) fn take(&self) -> Result<Place, Error> {
        let full = |_| Error::Overloaded { what: self.0.key };
        self.0.free.try_acquire().map_err(full)?.forget();
        Ok(Place(self.0.clone()))
    }

    /// The configuration key that says how many there are.
    pub fn key(&self) -> &'static str {
        self.0.key
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        *self.0.most.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are taken; for a while more than there are, after they have become fewer.
    pub fn taken(&self) -> usize {
        let most = self.0.most.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = self.0.owed.load(Ordering::Relaxed);
        (*most + owed).saturating_sub(self.0.free.available_permits())
    }

    /// Makes it so many from now on. Nobody loses a place: where there are to be fewer, those that
    /// become free are not given again.
    fn resize(&self, most: usize) {
        let mut now = self.0.most.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = most.checked_sub(*now) {
            let paid = (0..more).take_while(|_| self.0.pays()).count();
            self.0.free.add_permits(more - paid);
        } else {
            let fewer = *now - most;
            let gone = self.0.free.forget_permits(fewer);
            self.0.owed.fetch_add(fewer - gone, Ordering::Relaxed);
        }
        *now = most;
    }
}

impl Inner {
    /// Whether a place was owed, which is one less then.
    fn pays(&self) -> bool {
        let less = |owed: usize| owed.checked_sub(1);
        self.owed.load(Ordering::Relaxed) > 0
            && (self.owed)
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.0.pays() {
            self.0.free.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many can be taken now.
    fn free(places: &Places) -> usize {
        let taken: Vec<_> = std::iter::from_fn(|| places.take().ok()).collect();
        taken.len()
    }

    #[test]
    fn what_is_taken_is_counted_and_no_more_than_there_are_can_be() {
        let places = Places::new("limits.sockets", 2);
        let (first, _second) = (places.take().unwrap(), places.take().unwrap());
        assert_eq!((places.taken(), places.most()), (2, 2));
        let full = places.take().unwrap_err();
        let what = "limits.sockets";
        assert!(matches!(full, Error::Overloaded { what: found } if found == what));
        drop(first);
        assert_eq!(places.clone().taken(), 1);
        assert!(places.take().is_ok());
    }

    #[test]
    fn more_are_there_at_once() {
        let places = Places::new("limits.sockets", 1);
        let _taken = places.take().unwrap();
        places.resize(3);
        assert_eq!((free(&places), places.taken(), places.most()), (2, 1, 3));
    }

    #[test]
    fn fewer_take_nobody_out_and_let_nobody_in_before_enough_have_left() {
        let places = Places::new("limits.sockets", 4);
        let mut taken: Vec<_> = (0..3).map(|_| places.take().unwrap()).collect();
        places.resize(2);
        assert_eq!((free(&places), places.taken(), places.most()), (0, 3, 2));
        taken.pop();
        assert_eq!(free(&places), 0);
        taken.pop();
        assert_eq!((free(&places), places.taken()), (1, 1));
        taken.clear();
        assert_eq!(free(&places), 2);
    }

    #[test]
    fn what_is_owed_is_paid_first_when_there_are_more_again() {
        let places = Places::new("limits.sockets", 4);
        let taken: Vec<_> = (0..4).map(|_| places.take().unwrap()).collect();
        places.resize(1);
        places.resize(5);
        assert_eq!(free(&places), 1);
        drop(taken);
        assert_eq!(free(&places), 5);
    }
}
