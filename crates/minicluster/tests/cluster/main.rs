//! The cluster over its own wire: real sockets, real media.

mod client;
mod manager;
mod media;
mod socket;
