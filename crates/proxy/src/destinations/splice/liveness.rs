//! Finds a side of a session that has vanished: its host lost power, its process was stopped, or it
//! reads nothing.
//!
//! TCP alone does not tell. Its keepalive does not run while data is unacknowledged, the kernel of
//! a stopped process acknowledges all the same, and one stream of an HTTP/2 connection has no
//! keepalive of its own. So a relay looks at both sides at every tick, which costs an idle session
//! a timer and a busy one nothing for each frame:
//!
//! | the side | ticks | the relay |
//! |---|---|---|
//! | has sent a byte since the last tick | | waits |
//! | has sent nothing | 2 | sends it a Ping, between two frames |
//! | has sent nothing since that Ping | 1 | gives it up |
//! | has taken none of the bytes that wait for it | 3 | gives it up |
//!
//! A peer has to answer a Ping with a Pong (RFC 6455 §5.5.2); that Pong passes to the other side,
//! where an unsolicited one is allowed and means nothing (§5.5.3).

use std::time::Duration;

/// Time between two looks. A silent side is pinged after 20 to 30 s and given up 10 s later; one
/// that reads nothing, after 30 to 40 s.
pub(super) const TICK: Duration = Duration::from_secs(10);

/// Ticks without a byte before a Ping.
const SILENT: u8 = 2;
/// Ticks without progress before a side that bytes wait for is given up.
const STALLED: u8 = 3;

/// What is known of one side of a session.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    silent: u8,
    stalled: u8,
    pinged: bool,
}

/// What a side did since the last tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// It sent bytes, or may have: it is not read from while the other side takes nothing.
    pub(super) sent: bool,
    /// Bytes wait for it, and it took none.
    pub(super) blocked: bool,
}

/// What has to be done about a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Wait,
    /// Send it a Ping; [`Liveness::pinged`] says that one was sent.
    Ping,
    /// It is no longer there.
    GiveUp,
}

impl Liveness {
    /// One tick is over.
    pub(super) fn tick(&mut self, signs: Signs) -> Action {
        if signs.blocked {
            self.stalled += 1;
        } else {
            self.stalled = 0;
        }
        if self.stalled >= STALLED {
            return Action::GiveUp;
        }
        if signs.sent {
            self.silent = 0;
            self.pinged = false;
            return Action::Wait;
        }
        if self.pinged {
            // The Ping itself may still wait for a side that is slow to read: then it is judged by
            // that.
            return if signs.blocked {
                Action::Wait
            } else {
                Action::GiveUp
            };
        }
        self.silent = self.silent.saturating_add(1);
        if self.silent >= SILENT {
            Action::Ping
        } else {
            Action::Wait
        }
    }

    /// A Ping was sent. Without it the next tick asks again: a Ping has to wait for the end of a
    /// frame.
    pub(super) fn pinged(&mut self) {
        self.pinged = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Signs = Signs {
        sent: false,
        blocked: false,
    };
    const SENT: Signs = Signs {
        sent: true,
        blocked: false,
    };
    const BLOCKED: Signs = Signs {
        sent: false,
        blocked: true,
    };

    fn actions(signs: &[Signs]) -> Vec<Action> {
        let mut side = Liveness::default();
        let mut tick = |signs: &Signs| {
            let action = side.tick(*signs);
            if action == Action::Ping {
                side.pinged();
            }
            action
        };
        signs.iter().map(&mut tick).collect()
    }

    #[test]
    fn a_silent_side_is_pinged_once_and_given_up_a_tick_later() {
        use Action::{GiveUp, Ping, Wait};
        assert_eq!(actions(&[NOTHING; 3]), [Wait, Ping, GiveUp]);
        assert_eq!(
            actions(&[NOTHING, NOTHING, SENT, NOTHING, NOTHING, NOTHING]),
            [Wait, Ping, Wait, Wait, Ping, GiveUp]
        );
        assert_eq!(actions(&[SENT; 20]), [Wait; 20]);
    }

    #[test]
    fn a_side_that_takes_nothing_is_given_up_though_it_sends() {
        use Action::{GiveUp, Wait};
        let deaf = Signs {
            sent: true,
            blocked: true,
        };
        assert_eq!(actions(&[deaf; 3]), [Wait, Wait, GiveUp]);
        assert_eq!(
            actions(&[deaf, deaf, SENT, deaf, deaf]),
            [Wait; 5],
            "progress starts the count again"
        );
    }

    #[test]
    fn a_ping_that_waits_for_a_slow_reader_is_no_silence() {
        use Action::{GiveUp, Ping, Wait};
        assert_eq!(
            actions(&[NOTHING, NOTHING, BLOCKED, BLOCKED, BLOCKED]),
            [Wait, Ping, Wait, Wait, GiveUp]
        );
    }

    #[test]
    fn a_ping_that_could_not_be_sent_is_asked_for_again() {
        let mut side = Liveness::default();
        let actions: Vec<_> = (0..4).map(|_| side.tick(NOTHING)).collect();
        assert_eq!(
            actions,
            [Action::Wait, Action::Ping, Action::Ping, Action::Ping]
        );
    }
}
