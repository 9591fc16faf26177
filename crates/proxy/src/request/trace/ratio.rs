//! The part of all traces that is sampled.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::TraceId;

/// A part of all traces, from none (0) to all (1), in steps of a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(u32);

/// How many millionths make one.
const WHOLE: u32 = 1_000_000;

/// It is no part of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a number from 0 to 1")]
pub struct NotARatio;

impl Ratio {
    /// All of them.
    pub const ALL: Self = Self(WHOLE);

    /// Whether this trace is one of those. A sampler that compares the last 56 bits of the id with
    /// the same ratio, as OpenTelemetry's consistent sampling does, decides alike.
    pub(super) fn has(self, trace: TraceId) -> bool {
        let left_out = u128::from(WHOLE.saturating_sub(self.0));
        trace.randomness() >= (left_out << 56) / u128::from(WHOLE)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = NotARatio;

    fn try_from(ratio: f64) -> Result<Self, NotARatio> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(NotARatio);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to a million"
        )]
        let millionths = (ratio * f64::from(WHOLE)).round() as u32;
        // What is not nothing must not become nothing.
        Ok(Self(if ratio > 0.0 { millionths.max(1) } else { 0 }))
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        Self::from(ratio.0) / Self::from(WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_of_a_whole_are_ratios() {
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::try_from(bad), Err(NotARatio), "{bad}");
        }
        assert_eq!(Ratio::try_from(1.0), Ok(Ratio::ALL));
        assert_ne!(Ratio::try_from(1e-9), Ratio::try_from(0.0));
        assert!((f64::from(Ratio::try_from(0.25).unwrap()) - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn the_last_digits_of_the_id_decide() {
        let quarter = Ratio::try_from(0.25).unwrap();
        for (last, sampled) in [
            ([0xff; 7], true),
            ([0xc0, 0, 0, 0, 0, 0, 0], true),
            ([0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false),
            ([0; 7], false),
        ] {
            let mut id = [0xff; 16];
            id[9..].copy_from_slice(&last);
            let trace = TraceId::from_bytes(id).unwrap();
            assert_eq!(quarter.has(trace), sampled, "{trace}");
            assert!(Ratio::ALL.has(trace));
            assert!(!Ratio(0).has(trace));
        }
        let told = (0..4000).filter(|_| quarter.has(TraceId::random())).count();
        assert!((800..1200).contains(&told), "{told}");
    }
}
