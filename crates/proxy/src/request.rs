//! What is known of one request.

pub(crate) mod bearer;
pub(crate) mod budget;
pub(crate) mod client_key;
pub mod clock;
pub(crate) mod drain_exemption;
pub(crate) mod exchange;
pub(crate) mod message;
pub(crate) mod peer;
pub(crate) mod permits;
pub(crate) mod phases;
pub(crate) mod request_body;
pub(crate) mod request_id;
pub mod trace;
pub(crate) mod trusted_proxies;
