//! What this replica knows of the sessions at the nodes.

pub(crate) mod abandoned;
pub(crate) mod close_signal;
pub(crate) mod countered;
pub(crate) mod creation;
pub(crate) mod known_sessions;
pub mod live;
pub(crate) mod newest;
pub(crate) mod pins;
pub(crate) mod under_way;
