//! Attempts to make a session by WHIP or WHEP, and what came of them.

use http::{HeaderMap, StatusCode};
use prometheus::{IntCounter, IntCounterVec, Opts};
use whipstitch_signaling::Role;

use super::Attempted;
use crate::words::node_status::made_session;

/// What came of a POST to an endpoint; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// A session, or a counter-offer, which is the beginning of one.
    Made,
    /// Another 3xx or 4xx: the client has to do something else.
    Refused,
    /// 5xx: the client could do nothing about it.
    Failed,
    /// The client left before the answer.
    Left,
}

impl Attempt {
    /// In the order of the discriminant.
    const ALL: [Self; 4] = [Self::Made, Self::Refused, Self::Failed, Self::Left];

    /// What an answer makes of it.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        if made_session(status, headers) {
            Self::Made
        } else if status.is_server_error() {
            Self::Failed
        } else {
            Self::Refused
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

/// `session_attempts_total`.
#[derive(Debug)]
pub(super) struct Attempts {
    all: IntCounterVec,
    publish: [IntCounter; Attempt::ALL.len()],
    play: [IntCounter; Attempt::ALL.len()],
}

impl Attempts {
    /// # Errors
    /// The name is none: a defect of ours.
    pub(super) fn new() -> prometheus::Result<Self> {
        let all = IntCounterVec::new(
            Opts::new(
                "session_attempts_total",
                "POSTs to WHIP and WHEP endpoints, by what came of them: made (a session, or a counter-offer), refused (3xx, 4xx), failed (5xx), left (the client did not wait). Those beyond limits.in_flight are turned away before it is known what they are.",
            ),
            &["protocol", "outcome"],
        )?;
        let of = |role: Role| {
            Attempt::ALL.map(|attempt| all.with_label_values(&[role.protocol(), attempt.label()]))
        };
        Ok(Self {
            publish: of(Role::Publish),
            play: of(Role::Play),
            all,
        })
    }

    /// What is to be registered.
    pub(super) fn collector(&self) -> IntCounterVec {
        self.all.clone()
    }

    /// What came of all of them, without their durations.
    pub(super) fn totals(&self) -> Attempted {
        let of = |attempt: Attempt| {
            let both = [&self.publish, &self.play];
            let counters = both.into_iter().filter_map(|all| all.get(attempt as usize));
            counters.map(IntCounter::get).sum()
        };
        Attempted {
            made: of(Attempt::Made),
            refused: of(Attempt::Refused),
            failed: of(Attempt::Failed),
            ..Attempted::default()
        }
    }

    pub(super) fn count(&self, role: Role, attempt: Attempt) {
        let counters = match role {
            Role::Publish => &self.publish,
            Role::Play => &self.play,
        };
        if let Some(counter) = counters.get(attempt as usize) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;

    #[test]
    fn an_answer_makes_of_it_what_it_says() {
        let bare = HeaderMap::new();
        let mut placed = HeaderMap::new();
        placed.insert(LOCATION, "/s".parse().unwrap());
        for (status, headers, attempt) in [
            (201, &placed, Attempt::Made),
            (406, &placed, Attempt::Made),
            (406, &bare, Attempt::Refused),
            (307, &placed, Attempt::Refused),
            (409, &bare, Attempt::Refused),
            (503, &bare, Attempt::Failed),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Attempt::of(status, headers), attempt, "{status}");
        }
    }

    #[test]
    fn each_is_counted_where_it_belongs() {
        let attempts = Attempts::new().unwrap();
        for role in [Role::Publish, Role::Play] {
            for attempt in Attempt::ALL {
                attempts.count(role, attempt);
                let labels = [role.protocol(), attempt.label()];
                assert_eq!(
                    attempts.all.with_label_values(&labels).get(),
                    1,
                    "{labels:?}"
                );
            }
        }
    }
}
