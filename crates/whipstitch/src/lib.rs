//! Whipstitch: a sidecar in front of a Red5 Pro Stream Manager that terminates TLS and carries the
//! signalling of WHIP, WHEP and Red5's WebSocket dialogue to the node that the manager names.
//!
//! This crate is the wiring, and the only one that knows all the others.
//!
//! | file | one idea |
//! |---|---|
//! | [`app`] | what is made of what |
//! | [`shutdown`] | the order of the end |
//! | [`config`], [`cli`] | what an operator can set, and how |
//! | [`admin`], [`readiness`] | what probes and Prometheus see |
//! | [`session_keys`] | the key file, read again when it changes |
//! | [`ice`] | the secrets of the TURN servers, read again when they change |
//! | `settings` | the configuration, read again |
//! | [`open_files`] | room for sockets |
//! | [`telemetry`] | the log |
//! | `metrics.rs` | what is so at the moment that Prometheus asks |
//! | `certificates.rs` | what the certificates say of themselves |
//! | [`commands`] | what the binary does besides serving |
//! | [`service_manager`], [`inherited`] | what systemd is told, and the sockets that it keeps |
//! | [`build`] | what this binary was built from |
//! | [`reference`](mod@reference) | the reference pages, made from the types |

pub mod admin;
pub mod app;
pub mod build;
mod certificates;
pub mod cli;
pub mod commands;
pub use whipstitch_config as config;
pub use whipstitch_telemetry as telemetry;
pub mod ice;
pub mod inherited;
mod metrics;
pub mod open_files;
pub mod readiness;
pub mod reference;
mod reread;
pub mod service_manager;
pub mod session_keys;
mod settings;
pub mod shutdown;
