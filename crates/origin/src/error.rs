//! Why a lookup names no node: one enum for the crate.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::{answer::MAX_ANSWER, cause::Cause, refusal::Refusal};

/// Why a lookup names no node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// The Stream Manager answered that it has none: the stream is not live, or no node is free.
    #[error("the Stream Manager has no node for this stream{}", said(.0.as_deref()))]
    NotFound(Option<Arc<str>>),
    /// The Stream Manager did not give a usable answer.
    #[error("the Stream Manager {0}")]
    Manager(ManagerFault),
    /// The limit of concurrent lookups is reached.
    #[error("too many lookups are in progress")]
    Busy,
    /// No address that the manager named passes the gate.
    #[error("the Stream Manager named only addresses that are not allowed: {0}")]
    Refused(Refused),
}

fn said(message: Option<&str>) -> String {
    message
        .map(|message| format!(": it says {message:?}"))
        .unwrap_or_default()
}

/// The first address of the manager's answer that the gate refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address:?} {refusal}")]
pub struct Refused {
    /// As the manager wrote it, cut to a printable length.
    pub address: Arc<str>,
    /// The reason.
    pub refusal: Refusal,
}

/// How the Stream Manager failed to answer. `Display` is for clients and holds no internals; the
/// operator gets [`ManagerFault::cause`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManagerFault {
    /// No connection, or one that broke.
    #[error("cannot be reached")]
    Unreachable(Cause),
    /// No whole answer within this time.
    #[error("did not answer in time")]
    Timeout(Duration),
    /// A status that is neither success nor "no such stream".
    #[error("answered with status {0}")]
    Status(u16),
    /// A body that is no answer of the lookup API.
    #[error("answered with something that is not a node")]
    NotAnAnswer,
    /// The circuit breaker is open: the manager is not asked until a probe gets an answer.
    #[error("is down")]
    CircuitOpen,
    /// A body over the limit.
    #[error("answered with more than 64 KiB")]
    TooLong,
}

impl ManagerFault {
    /// Whether the manager can be reached: it answered over HTTP, but not usefully.
    pub(crate) const fn is_an_answer(&self) -> bool {
        matches!(self, Self::Status(_) | Self::NotAnAnswer | Self::TooLong)
    }

    /// The cause, for the operator; `None` for [`Self::CircuitOpen`], whose cause the breaker
    /// keeps.
    pub fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::Unreachable(cause) => cause.clone(),
            Self::Timeout(after) => Cause::Timeout(*after),
            Self::Status(status) => Cause::Status(*status),
            Self::NotAnAnswer => Cause::NotJson,
            Self::TooLong => Cause::TooLong(MAX_ANSWER),
            Self::CircuitOpen => return None,
        })
    }
}

impl From<ManagerFault> for LookupError {
    fn from(fault: ManagerFault) -> Self {
        Self::Manager(fault)
    }
}
