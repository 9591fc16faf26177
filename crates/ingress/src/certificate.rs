//! Certificate files: read, put in order, and judged.

pub(crate) mod bundle;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod pem;
pub(crate) mod summary;
