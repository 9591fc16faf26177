//! What a session carries: written by the one task that carries it, read by the admin interface.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Which sides of a session are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The client's.
    pub client: bool,
    /// The node's.
    pub node: bool,
}

const CLIENT_GONE: u8 = 1;
const NODE_GONE: u8 = 2;

/// Counts of one session. One task writes, so a plain store does for an addition, in relaxed order:
/// nothing else is synchronised by it.
#[derive(Debug)]
pub(crate) struct Traffic {
    began: Instant,
    from_client: AtomicU64,
    from_node: AtomicU64,
    /// Milliseconds after `began`; 0 if nothing has passed since.
    last: AtomicU64,
    gone: AtomicU8,
    sampled: AtomicU64,
    /// Bytes a second, both ways, between the last two samples; `u64::MAX` before the first.
    rate: AtomicU64,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            from_client: AtomicU64::new(0),
            from_node: AtomicU64::new(0),
            last: AtomicU64::new(0),
            gone: AtomicU8::new(0),
            sampled: AtomicU64::new(0),
            rate: AtomicU64::new(u64::MAX),
        }
    }

    /// The bytes that have passed each way by now.
    pub(crate) fn passed(&self, from_client: u64, from_node: u64) {
        if self.from_client.load(Ordering::Relaxed) == from_client
            && self.from_node.load(Ordering::Relaxed) == from_node
        {
            return;
        }
        self.from_client.store(from_client, Ordering::Relaxed);
        self.from_node.store(from_node, Ordering::Relaxed);
        self.touch();
    }

    /// A byte or a request passes now.
    pub(crate) fn touch(&self) {
        self.last
            .store(millis(self.age()).max(1), Ordering::Relaxed);
    }

    /// Whether nothing has passed since the beginning.
    pub(super) fn is_silent(&self) -> bool {
        self.last.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn client_gone(&self) {
        self.gone.fetch_or(CLIENT_GONE, Ordering::Relaxed);
    }

    pub(crate) fn node_gone(&self) {
        self.gone.fetch_or(NODE_GONE, Ordering::Relaxed);
    }

    pub(super) fn sides(&self) -> Sides {
        let gone = self.gone.load(Ordering::Relaxed);
        Sides {
            client: gone & CLIENT_GONE == 0,
            node: gone & NODE_GONE == 0,
        }
    }

    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// From the beginning to the last byte.
    pub(super) fn last(&self) -> Duration {
        Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    pub(super) fn bytes(&self) -> (u64, u64) {
        (
            self.from_client.load(Ordering::Relaxed),
            self.from_node.load(Ordering::Relaxed),
        )
    }

    pub(super) fn sample(&self, since_last: Duration) {
        let (up, down) = self.bytes();
        let now = up.saturating_add(down);
        let before = self.sampled.swap(now, Ordering::Relaxed);
        // A session that is younger than the last sample was silent until it began.
        let over = since_last.min(self.age());
        self.rate.store(
            per_second(now.saturating_sub(before), over),
            Ordering::Relaxed,
        );
    }

    /// Bytes a second, both ways: between the last two samples, or over all its life before the
    /// first.
    pub(super) fn rate(&self) -> u64 {
        match self.rate.load(Ordering::Relaxed) {
            u64::MAX => {
                let (up, down) = self.bytes();
                per_second(up.saturating_add(down), self.age())
            }
            rate => rate,
        }
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    // Less than a second says little: nothing is multiplied.
    let millis = millis(time).max(1_000);
    bytes.saturating_mul(1_000) / millis
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
