//! The ids of traces and spans. All zeros is no id (W3C Trace Context §3.2.2), so it cannot be said
//! here.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::{NonZeroU64, NonZeroU128},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Names a trace: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// Names a span within its trace: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// A new one, all of whose digits are random (W3C Trace Context level 2 §3.2.2.3).
    pub fn random() -> Self {
        let id = (u128::from(bits()) << 64) | u128::from(bits());
        Self(NonZeroU128::new(id).unwrap_or(NonZeroU128::MIN))
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        NonZeroU128::new(u128::from_be_bytes(bytes)).map(Self)
    }

    /// As bytes, the first digits first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// The digits that are random in every trace that says so: the last 56 bits.
    pub(super) fn randomness(self) -> u128 {
        self.0.get() & ((1 << 56) - 1)
    }
}

impl SpanId {
    /// A new one.
    pub fn random() -> Self {
        Self(NonZeroU64::new(bits()).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        NonZeroU64::new(u64::from_be_bytes(bytes)).map(Self)
    }

    /// As bytes, the first digits first.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// 64 bits that are not predictable outside of this process: a keyed hash of a counter. No secret
/// depends on them.
fn bits() -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    SEED.hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_digits_and_never_zero() {
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        assert_eq!(SpanId::from_bytes([0; 8]), None);
        let trace = TraceId::from_bytes([0xab; 16]).unwrap();
        assert_eq!(trace.to_string(), "ab".repeat(16));
        assert_eq!(trace.to_bytes(), [0xab; 16]);
        assert_eq!(
            SpanId::from_bytes([1; 8]).unwrap().to_string(),
            "01".repeat(8)
        );
        assert_ne!(TraceId::random(), TraceId::random());
        assert_ne!(SpanId::random(), SpanId::random());
    }
}
