//! Panics on purpose, in debug builds only: tests show that one harms nothing else.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU8, Ordering};

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// The task of a lookup.
    Lookup = 1,
    /// The task of a WebSocket, after it has been counted.
    Splice = 2,
    /// The task that ends an orphan.
    Reaper = 3,
}

#[cfg(debug_assertions)]
static NEXT: AtomicU8 = AtomicU8::new(0);

/// The next task that comes to this place panics.
#[cfg(debug_assertions)]
pub fn next(place: Place) {
    NEXT.store(place as u8, Ordering::SeqCst);
}

/// A task comes to this place.
///
/// # Panics
/// If that was asked for.
#[cfg(debug_assertions)]
pub fn at(place: Place) {
    let asked = NEXT.compare_exchange(place as u8, 0, Ordering::SeqCst, Ordering::SeqCst);
    assert!(asked.is_err(), "on purpose: {place:?}");
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub const fn at(_: Place) {}
