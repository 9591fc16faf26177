//! Clients that were judged by `[auth]`.

use prometheus::{IntCounter, IntCounterVec, Opts};
use whipstitch_auth::Outcome;

/// `auth_total`.
#[derive(Debug)]
pub(super) struct Judged {
    all: IntCounterVec,
    by_outcome: [IntCounter; Outcome::ALL.len()],
}

impl Judged {
    /// # Errors
    /// The name is none: a defect of ours.
    pub(super) fn new() -> prometheus::Result<Self> {
        let all = IntCounterVec::new(
            Opts::new(
                "auth_total",
                "Requests for signalling that were judged by auth.rules, by what came of it: admitted, missing (no token), invalid (a bad one), not_permitted, unavailable (it could not be decided).",
            ),
            &["outcome"],
        )?;
        let by_outcome = Outcome::ALL.map(|outcome| all.with_label_values(&[outcome.label()]));
        Ok(Self { all, by_outcome })
    }

    /// What is to be registered.
    pub(super) fn collector(&self) -> IntCounterVec {
        self.all.clone()
    }

    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.by_outcome.get(outcome as usize) {
            counter.inc();
        }
    }
}
