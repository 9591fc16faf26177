//! The certificate, as `/status` shows it.

use std::time::SystemTime;

use serde::Serialize;
use whipstitch_ingress::CertStore;

use super::answer::unix_ms;

const DAY: i64 = 86_400_000;

/// One certificate.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    file: String,
    names: Vec<String>,
    not_after_at: Option<i64>,
    days_left: Option<i64>,
}

impl Certificate {
    /// Whole days until it is no longer valid; below zero after that.
    pub(super) fn days_left(&self) -> Option<i64> {
        self.days_left
    }
}

/// The certificate that is shown to clients at present.
pub(super) fn shown(store: &CertStore) -> Certificate {
    let shown = store.summary();
    let not_after_at = shown.own.map(|own| own.not_after.saturating_mul(1_000));
    let now = i64::try_from(unix_ms(SystemTime::now())).unwrap_or(i64::MAX);
    Certificate {
        file: shown.file.display().to_string(),
        names: shown.names,
        not_after_at,
        days_left: not_after_at.map(|end| (end - now).div_euclid(DAY)),
    }
}
