//! The binary's parts: wiring, configuration and command line.

pub mod cli;
pub mod config;
pub mod reference;
