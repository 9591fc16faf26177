//! Why an exchange ended as it did: one word of a closed set, for the access line.

use std::fmt;

use http::StatusCode;

use crate::words::problem::Kind;

/// Who made an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answerer {
    /// This proxy.
    #[default]
    Proxy,
    /// This proxy, to a browser's preflight.
    Preflight,
    /// A node.
    Node,
    /// The Stream Manager.
    Manager,
}

/// What became of an answer on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// All of it was taken to be sent.
    Whole,
    /// The client did not take all of it.
    Left,
    /// Its source did not end it.
    BrokenOff,
    /// This proxy cut it off, as it stops.
    Stopped,
}

macro_rules! reasons {
    ($($reason:ident $label:literal $meaning:literal)*) => {
        /// Why an exchange ended as it did. The set is closed; what a word means does not change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $reason,)*
            /// The client was told of a problem, which is in the catalogue.
            Problem(Kind),
        }

        impl Reason {
            /// Every reason that is not a problem, in the order of the reference page.
            pub const PLAIN: &'static [Self] = &[$(Self::$reason),*];

            /// Its value in the log.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$reason => $label,)*
                    Self::Problem(kind) => kind.entry().slug,
                }
            }

            /// What it means, for the reference page.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$reason => $meaning,)*
                    Self::Problem(kind) => kind.entry().title,
                }
            }
        }
    };
}

reasons! {
    Node "node" "A node answered, and its answer is no error."
    NodeRefused "node-4xx" "A node answered with a status of 400 to 499."
    NodeFailed "node-5xx" "A node answered with a status of 500 to 599."
    Manager "manager" "The Stream Manager answered, and its answer is no error."
    ManagerRefused "manager-4xx" "The Stream Manager answered with a status of 400 to 499."
    ManagerFailed "manager-5xx" "The Stream Manager answered with a status of 500 to 599."
    Proxy "proxy" "This proxy answered by itself: which methods a URL has, or a redirect to `https`."
    Preflight "preflight" "This proxy answered a browser that asked whether its page may ask."
    ClientLeft "client-left" "The client left before there was an answer; `status` is 0. The phases in the line show how far the request got."
    ClientBrokeOff "client-broke-off" "The client left in the middle of the answer."
    NodeBrokeOff "node-broke-off" "The node's answer ended before its end: it closed the connection, or broke HTTP. `detail` says how."
    ManagerBrokeOff "manager-broke-off" "The same of the Stream Manager."
    Shutdown "shutdown" "A stream of events was ended because this process stops."
}

impl Reason {
    /// How it came to `status`, which is none if there was no answer.
    pub(crate) fn of(
        answerer: Answerer,
        problem: Option<Kind>,
        status: Option<StatusCode>,
        delivery: Delivery,
    ) -> Self {
        let Some(status) = status else {
            return Self::ClientLeft;
        };
        // What was told is what counts, even if the client did not wait to hear all of it.
        if let Some(kind) = problem {
            return Self::Problem(kind);
        }
        match (delivery, answerer) {
            (Delivery::Left, _) => Self::ClientBrokeOff,
            (Delivery::Stopped, _) => Self::Shutdown,
            (Delivery::BrokenOff, Answerer::Node) => Self::NodeBrokeOff,
            (Delivery::BrokenOff, Answerer::Manager) => Self::ManagerBrokeOff,
            // What we made ourselves is there as a whole.
            (Delivery::Whole | Delivery::BrokenOff, Answerer::Proxy) => Self::Proxy,
            (Delivery::Whole | Delivery::BrokenOff, Answerer::Preflight) => Self::Preflight,
            (Delivery::Whole, Answerer::Node) => match status.as_u16() {
                400..=499 => Self::NodeRefused,
                500.. => Self::NodeFailed,
                _ => Self::Node,
            },
            (Delivery::Whole, Answerer::Manager) => match status.as_u16() {
                400..=499 => Self::ManagerRefused,
                500.. => Self::ManagerFailed,
                _ => Self::Manager,
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{
        Answerer::{Manager, Node, Preflight, Proxy},
        Delivery::{BrokenOff, Left, Stopped, Whole},
        *,
    };

    #[test]
    fn every_word_is_its_own() {
        let problems = Kind::ALL.iter().map(|kind| Reason::Problem(*kind));
        let all: Vec<_> = Reason::PLAIN.iter().copied().chain(problems).collect();
        let words: HashSet<_> = all.iter().map(|reason| reason.label()).collect();
        assert_eq!(words.len(), all.len());
    }

    #[test]
    fn who_answered_and_how_it_went_is_the_reason() {
        let of = |answerer, status, delivery| {
            let status = StatusCode::from_u16(status).ok();
            Reason::of(answerer, None, status, delivery).label()
        };
        for (answerer, status, delivery, expected) in [
            (Node, 101, Whole, "node"),
            (Node, 201, Whole, "node"),
            (Node, 404, Whole, "node-4xx"),
            (Node, 503, Whole, "node-5xx"),
            (Node, 200, Left, "client-broke-off"),
            (Node, 200, BrokenOff, "node-broke-off"),
            (Node, 200, Stopped, "shutdown"),
            (Manager, 302, Whole, "manager"),
            (Manager, 404, Whole, "manager-4xx"),
            (Manager, 500, Whole, "manager-5xx"),
            (Manager, 500, BrokenOff, "manager-broke-off"),
            (Proxy, 204, Whole, "proxy"),
            (Preflight, 204, Whole, "preflight"),
            (Proxy, 0, Left, "client-left"),
        ] {
            assert_eq!(of(answerer, status, delivery), expected);
        }
        let told = Some(Kind::NotLive);
        let status = Some(StatusCode::CONFLICT);
        let reason = Reason::of(Proxy, told, status, Left);
        assert_eq!(reason.label(), "not-live");
        assert_eq!(Reason::of(Proxy, told, None, Left), Reason::ClientLeft);
    }
}
