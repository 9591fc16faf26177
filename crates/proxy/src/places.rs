//! Places for work: so many at once, and no waiting for one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, config::Limits};

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
}

/// Places of one kind. Cheap to clone: all clones are the same places.
#[derive(Clone, Debug)]
pub struct Places {
    key: &'static str,
    most: usize,
    free: Arc<Semaphore>,
}

/// A place that is taken, until this is dropped.
pub(crate) type Place = OwnedSemaphorePermit;

impl Places {
    /// So many, as the configuration key says.
    pub(crate) fn new(key: &'static str, most: usize) -> Self {
        Self {
            key,
            most,
            free: Arc::new(Semaphore::new(most)),
        }
    }

    /// One of them, if one is free.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: none is.
    pub(crate) fn take(&self) -> Result<Place, Error> {
        let place = self.free.clone().try_acquire_owned();
        place.map_err(|_| Error::Overloaded { what: self.key })
    }

    /// The configuration key that says how many there are.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
