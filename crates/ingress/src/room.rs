//! Asks idle connections for their place when a new client waits for one.
//!
//! One idle connection is asked at a time, the longest idle one first. It may decline, as a request
//! arrives in the same moment: it then asks the next one. A request for room that had no effect is
//! repeated, and one that is no longer needed is ignored.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

/// Time between two requests for room. Longer than an idle connection takes to end (1 s at most, if
/// its client does not close), so that one waiting client ends one idle connection and no more.
const AGAIN: Duration = Duration::from_millis(1_500);

/// Whether places are wanted, and the signal to one idle connection.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Accept loops that wait for a place.
    waiting: AtomicUsize,
    signal: Notify,
}

impl Room {
    /// Asks idle connections to end until `place` is free.
    pub(crate) async fn ask_until<T>(&self, place: impl Future<Output = T>) -> T {
        let _waiting = Waiting::new(&self.waiting);
        let mut place = pin!(place);
        loop {
            self.ask();
            if let Ok(place) = timeout(AGAIN, place.as_mut()).await {
                return place;
            }
        }
    }

    /// Asks one idle connection to end.
    pub(crate) fn ask(&self) {
        self.signal.notify_one();
    }

    /// Ends when the place of the caller, an idle connection, is needed. Dropped before that, it
    /// leaves the signal to the next one.
    pub(crate) async fn needed(&self) {
        loop {
            self.signal.notified().await;
            if self.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            // A signal that no connection took while a client waited.
        }
    }
}

/// One accept loop that waits, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_asked_for_again_until_there_is_some() {
        let room = Room::default();
        let (free, place) = oneshot::channel();
        let idle = async {
            // The first signal has no effect: its connection does not end.
            room.needed().await;
            room.needed().await;
            free.send(()).unwrap();
        };
        let both = async { tokio::join!(room.ask_until(place), idle) };
        timeout(AGAIN * 3, both)
            .await
            .expect("asked again")
            .0
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_that_no_connection_took_ends_none_when_there_is_room() {
        let room = Room::default();
        // No connection was idle, and a busy one ended.
        room.ask_until(tokio::task::yield_now()).await;
        let needed = timeout(AGAIN * 3, room.needed()).await;
        assert!(needed.is_err(), "there is room");
    }
}
