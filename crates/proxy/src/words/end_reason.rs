//! How a session ends: closed sets of words for log lines, metrics and the reference pages.

macro_rules! ends {
    ($($end:ident $by:literal $reason:literal $meaning:literal)*) => {
        /// Why a session ended. The set is closed; what a word means does not change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EndReason {
            $(#[doc = $meaning] $end),*
        }

        impl EndReason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$end),*];

            /// Who ended the session: `ended_by` of the log line.
            pub const fn by(self) -> &'static str {
                match self { $(Self::$end => $by),* }
            }

            /// Why: `reason` of the log line.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$end => $reason),* }
            }

            /// What it means, for the reference page.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$end => $meaning),* }
            }
        }
    };
}

ends! {
    ClientClosed "client" "close" "WebSocket: the client sent the first Close; `close_code` is its code."
    NodeClosed "node" "close" "WebSocket: the node, or the Stream Manager if it was a WebSocket to it (`kind` is `manager`), sent the first Close; `close_code` is its code."
    ClientLost "client" "lost" "WebSocket: the client's connection ended without a Close, it answered no Ping after 20 seconds of silence, or it took nothing for 30 seconds."
    NodeLost "node" "lost" "WebSocket: the node's connection ended without a Close, it answered no Ping after 20 seconds of silence, or it took nothing for 30 seconds."
    Drain "proxy" "drain" "WebSocket: this process stops, or was drained; both sides were sent a Close with 1001."
    SocketEnded "proxy" "operator" "WebSocket: the operator ended it; both sides were sent a Close with 1001."
    Deleted "client" "deleted" "WHIP, WHEP: the client's DELETE was carried out."
    Gone "node" "gone" "WHIP, WHEP: the node answered that it has no such session (404, 410, and to a DELETE 417)."
    Superseded "client" "replaced" "WHIP, WHEP: a newer session took its slot at the node."
    Vanished "client" "vanished" "WHIP: the Stream Manager does not list the stream any more, and no DELETE was seen: the client vanished."
    Abandoned "client" "abandoned" "WHIP, WHEP: the client left before it had the answer to its POST, or took the counter-offer that it got for something else (problem `counter-offer`), and the session was ended at the node."
    HttpEnded "proxy" "operator" "WHIP, WHEP: the operator ended it, and the node carried that out."
    Expired "proxy" "expired" "WHIP, WHEP: not ended by its client within `sessions.lifetime`, after which its URL is refused."
    Evicted "proxy" "forgotten" "WHIP, WHEP: the table is full (`limits.sessions`) and this was the oldest session. It may still be open at the node; its URL stays good."
}

impl EndReason {
    /// The end of a WebSocket. Of the two ways in which this proxy ends one, only a drain ends all.
    pub(crate) const fn of_socket(ended: Ended, draining: bool) -> Self {
        match ended {
            Ended::Client => Self::ClientClosed,
            Ended::Node => Self::NodeClosed,
            Ended::ClientLost => Self::ClientLost,
            Ended::NodeLost => Self::NodeLost,
            Ended::Proxy if draining => Self::Drain,
            Ended::Proxy => Self::SocketEnded,
        }
    }

    /// Whether the node has the session no more beyond doubt, so that what depends on it is
    /// refused.
    pub(crate) const fn is_certain(self) -> bool {
        !matches!(self, Self::Vanished | Self::Expired | Self::Evicted)
    }
}

/// Who ended a WebSocket session; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client sent the first Close.
    Client,
    /// The node sent the first Close.
    Node,
    /// The client's connection ended without a Close.
    ClientLost,
    /// The node's connection ended without a Close.
    NodeLost,
    /// This proxy, because it shuts down or the operator ended the session.
    Proxy,
}

impl Ended {
    /// Every value.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Node,
        Self::ClientLost,
        Self::NodeLost,
        Self::Proxy,
    ];

    /// Its value in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Node => "node",
            Self::ClientLost => "client_lost",
            Self::NodeLost => "node_lost",
            Self::Proxy => "proxy",
        }
    }
}

/// What a DELETE of ours achieved; the reaper's is a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrphanOutcome {
    /// The node ended the session when it got the DELETE.
    Deleted,
    /// The node had no such session.
    Gone,
    /// A newer session took the slot, and a DELETE would have ended that one.
    Replaced,
    /// The node did not end the session, although it got the DELETE.
    Failed,
    /// The POST was not answered, so it is not known whether there is a session; or other POSTs for
    /// the slot were not, so it is not known whose session is there.
    Unknown,
    /// The reaper's queue was full.
    Dropped,
}

impl OrphanOutcome {
    /// Every value.
    pub(crate) const ALL: [Self; 6] = [
        Self::Deleted,
        Self::Gone,
        Self::Replaced,
        Self::Failed,
        Self::Unknown,
        Self::Dropped,
    ];

    /// Its value in metrics and logs.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Dropped => "dropped",
        }
    }

    /// Whether the node has the session no more.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Deleted | Self::Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_reasons_of_one_kind_of_session_are_distinct() {
        let is_socket = |end: &EndReason| end.meaning().starts_with("WebSocket: ");
        let (sockets, http): (Vec<EndReason>, Vec<EndReason>) =
            EndReason::ALL.iter().copied().partition(is_socket);
        for ends in [sockets, http] {
            let words: HashSet<_> = ends.iter().map(|end| (end.by(), end.reason())).collect();
            assert_eq!(words.len(), ends.len());
        }
    }
}
