//! The layers of the stack, outermost first in [`mod@crate::stack`].

pub(crate) mod admission;
pub(crate) mod cors;
pub(crate) mod health_check;
pub(crate) mod intake;
pub(crate) mod observe;
pub(crate) mod problems;
pub mod resolving;
pub mod routing;
pub(crate) mod sanitize;
