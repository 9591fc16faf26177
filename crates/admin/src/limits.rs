//! How much of each limit is in use.

use whipstitch_ingress as ingress;
use whipstitch_proxy::{self as proxy, Permits};

/// Reads what is in use of every limit.
#[derive(Clone, Debug)]
pub struct Limits {
    connections: ingress::Metrics,
    /// `connections.max`
    connections_max: usize,
    permits: Permits,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its configuration key: a label value, and the same in every process.
    pub key: &'static str,
    /// How much there may be at once.
    pub most: usize,
    /// How much there is.
    pub used: usize,
}

impl Limits {
    /// Of these connections, and of these permits.
    pub fn new(connections: ingress::Metrics, connections_max: usize, permits: Permits) -> Self {
        Self {
            connections,
            connections_max,
            permits,
        }
    }

    /// All limits now.
    pub fn read(&self) -> [Limit; 4] {
        Self::of(self.connections_max, self.connections.open(), &self.permits)
    }

    /// All limits of such a number of connections, and of these permits.
    pub fn of(connections_max: usize, connections: usize, permits: &Permits) -> [Limit; 4] {
        [
            Limit {
                key: "connections.max",
                most: connections_max,
                used: connections,
            },
            Limit::of(&permits.in_flight),
            Limit::of(&permits.sockets),
            Limit::of(&permits.event_streams),
        ]
    }
}

impl Limit {
    fn of(limit: &proxy::Limit) -> Self {
        Self {
            key: limit.key(),
            most: limit.capacity(),
            used: limit.in_use(),
        }
    }
}
