//! Descriptors in reserve for one server: when there are no others, it gives one up for each
//! connection that it accepts, and takes it again when there are some.

use std::sync::{Mutex, PoisonError};

use socket2::{Domain, Socket, Type};

/// Descriptors that stand for nothing. Empty unless it was made with a size.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    held: Mutex<Vec<Socket>>,
    size: usize,
}

impl Reserve {
    pub(crate) fn new(size: usize) -> Self {
        let held = Mutex::default();
        let reserve = Self { held, size };
        reserve.refill();
        reserve
    }

    /// Gives one up; whether there was one.
    pub(crate) fn give(&self) -> bool {
        self.lock().pop().is_some()
    }

    /// Takes as many again as there are.
    pub(crate) fn refill(&self) {
        let mut held = self.lock();
        while held.len() < self.size {
            // Neither bound nor connected.
            let Ok(socket) = Socket::new(Domain::UNIX, Type::DGRAM, None) else {
                return;
            };
            held.push(socket);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Socket>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_taken_again() {
        let reserve = Reserve::new(2);
        assert!(reserve.give() && reserve.give() && !reserve.give());
        reserve.refill();
        assert!(reserve.give());
        assert!(!Reserve::default().give());
    }
}
