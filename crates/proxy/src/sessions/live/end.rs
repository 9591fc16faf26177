//! How a session ended, and the one line about it.

use tracing::info;

use super::{Kind, LiveSession};
use crate::destinations::splice::Ended;

macro_rules! ends {
    ($($end:ident $by:literal $reason:literal $meaning:literal)*) => {
        /// How a session ended. The set is closed; what a word means does not change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum End {
            $(#[doc = $meaning] $end),*
        }

        impl End {
            /// Every end, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$end),*];

            /// Who ended it: `ended_by` of the line.
            pub const fn by(self) -> &'static str {
                match self { $(Self::$end => $by),* }
            }

            /// Why: `reason` of the line.
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
    Gone "node" "gone" "WHIP, WHEP: the node said that it has no such session (404, 410, and to a DELETE 417)."
    Replaced "client" "replaced" "WHIP, WHEP: a newer session took its place at the node."
    Abandoned "client" "abandoned" "WHIP, WHEP: the client left before it had the answer to its POST, or took the counter-offer that it got for something else (problem `counter-offer`), and the session was ended at the node."
    HttpEnded "proxy" "operator" "WHIP, WHEP: the operator ended it, and the node did."
    Expired "proxy" "expired" "WHIP, WHEP: its URL is good for nothing any more (`sessions.lifetime`). When its client left is not known here."
    Forgotten "proxy" "forgotten" "WHIP, WHEP: 20 000 newer ones are remembered. It may go on; its URL is good."
}

impl End {
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

    /// The one line about a session, when it is over. `close_code` is that of the first Close.
    pub(crate) fn tell(self, session: &LiveSession, close_code: Option<u16>) {
        let (received, sent) = session.bytes().unzip();
        info!(
            target: "session",
            id = session.request_id(),
            trace = session.trace().map(display),
            session = %session.id(),
            client = session.client().map(display),
            kind = session.kind().label(),
            scope = session.scope(),
            stream = session.stream().map(display),
            node = %session.node(),
            ended_by = self.by(),
            reason = self.reason(),
            close_code,
            received,
            sent,
            age_ms = u64::try_from(session.age().as_millis()).unwrap_or(u64::MAX),
            "{}", match session.kind() {
                Kind::Socket => "a WebSocket session is over",
                Kind::Manager => "a WebSocket to the Stream Manager is over",
                Kind::Whip => "a WHIP session is over",
                Kind::Whep => "a WHEP session is over",
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_end_of_a_kind_is_told_from_the_others() {
        for kind in ["WebSocket: ", "WHIP, WHEP: "] {
            let of_kind = |end: &&End| end.meaning().starts_with(kind);
            let ends: Vec<_> = End::ALL.iter().filter(of_kind).collect();
            let words: HashSet<_> = ends.iter().map(|end| (end.by(), end.reason())).collect();
            assert_eq!(words.len(), ends.len());
        }
    }
}
