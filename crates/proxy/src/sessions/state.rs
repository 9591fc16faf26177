//! The states of a session and their transitions.

/// How far a session has come that a node has made and that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The client does not have all of its answer yet.
    Unclaimed,
    /// The client has it.
    Open,
    /// No client has it, and the reaper ends it.
    Orphaned,
    /// A DELETE for it is in flight.
    Closing {
        /// Whether no client has the session.
        orphaned: bool,
    },
}

impl State {
    /// Its value in the admin interface.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::Open => "open",
            Self::Orphaned => "orphaned",
            Self::Closing { .. } => "closing",
        }
    }

    /// The last frame of its answer was taken to be sent.
    pub(super) const fn claimed(self) -> Self {
        match self {
            Self::Unclaimed => Self::Open,
            other => other,
        }
    }

    /// Its answer did not become the client's, or the client does not want it.
    pub(super) const fn orphaned(self) -> Self {
        match self {
            Self::Closing { .. } => Self::Closing { orphaned: true },
            Self::Unclaimed | Self::Open | Self::Orphaned => Self::Orphaned,
        }
    }

    /// A DELETE is sent.
    pub(super) const fn closing(self) -> Self {
        let orphaned = matches!(self, Self::Orphaned | Self::Closing { orphaned: true });
        Self::Closing { orphaned }
    }

    /// The node did not end it.
    pub(super) const fn kept(self) -> Self {
        match self {
            Self::Closing { orphaned: true } => Self::Orphaned,
            Self::Closing { .. } => Self::Open,
            other => other,
        }
    }
}

/// What the table says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is open.
    Open,
    /// A newer session has its slot.
    Superseded,
    /// It has ended, and nothing newer is there.
    Ended,
    /// The table does not know it: another replica made it, this one before a restart, or it was
    /// evicted.
    Unknown,
}

/// Whether a DELETE may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts as in flight from now on.
    Send,
    /// Not while a POST is in flight.
    Wait,
    /// A newer session has the slot.
    Superseded,
}
