//! Why there is no answer of a node.

use std::fmt;

use whipstitch_origin::Cause;

/// Why there is no answer.
pub(crate) enum Failed {
    /// No connection, since the node refused it or let `timeouts.connect` pass: nothing was sent.
    NotConnected(Cause),
    /// No connection by the time that the budget was over: nothing was sent.
    OutOfTime(Cause),
    /// A connection that broke before the answer.
    Broken(Cause),
    /// A connection, but no header of an answer in time.
    Timeout(Cause),
    /// The request cannot be written for a node: a defect of ours, since the layers above have
    /// checked node, path and token. It says nothing about the node.
    Defect,
}

/// For the operator: what failed, in the words of [`Cause`].
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(cause)
            | Self::OutOfTime(cause)
            | Self::Broken(cause)
            | Self::Timeout(cause) => cause.fmt(f),
            Self::Defect => f.write_str("the request cannot be written for the node"),
        }
    }
}
