//! A duration that may be given in days (of 24 hours) and weeks: `"7d"`, `"36h"`, `"1w"`.
//!
//! The form for everything shorter, jiff's friendly duration, refuses days because a calendar day
//! may last 23 hours.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

const DAY: u64 = 24 * 60 * 60;

/// Writes whole days as days.
pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = value.as_secs();
    if value.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(DAY) {
        return serializer.collect_str(&format_args!("{}d", seconds / DAY));
    }
    jiff::fmt::serde::unsigned_duration::friendly::compact::required::serialize(value, serializer)
}

/// Reads any friendly span without months and years.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: Span = text.parse().map_err(D::Error::custom)?;
    let signed: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(D::Error::custom)?;
    Duration::try_from(signed).map_err(D::Error::custom)
}
