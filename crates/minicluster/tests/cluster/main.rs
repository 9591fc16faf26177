//! The cluster over its own wire: real sockets, real media.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail as tests do"
)]

mod client;
mod documented;
mod faults;
mod login;
mod lookups;
mod manager;
mod media;
mod provisions;
mod socket;
mod two;
