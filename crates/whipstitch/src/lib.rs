//! Whipstitch: a sidecar in front of a Red5 Pro Stream Manager. It terminates TLS and carries the
//! signalling of WHIP, WHEP and Red5's WebSocket dialogue to the node that the manager names.
//!
//! This crate is the wiring: it builds the parts, starts and stops them, and decides nothing about
//! a request.
//!
//! | file | one idea |
//! |---|---|
//! | [`app`] | builds and connects the parts |
//! | [`shutdown`], [`signals`] | the shutdown sequence, and what begins it |
//! | `reload.rs` | configuration and files, read again |
//! | [`readiness`] | the stage of the process |
//! | `file_watch.rs` | when watched files are read |
//! | [`session_keys`], [`ice`], [`auth_keys`] | the watched files with secrets |
//! | `metrics.rs` | metrics of the present state |
//! | [`open_files`] | the limit of file descriptors |
//! | [`service_manager`] | notifications to systemd |

pub mod app;
pub use whipstitch_cli::{self as cli, commands};
pub use whipstitch_config as config;
pub use whipstitch_telemetry as telemetry;
pub mod auth_keys;
mod file_watch;
pub mod ice;
mod metrics;
pub mod open_files;
pub mod readiness;
mod reload;
pub mod service_manager;
pub mod session_keys;
pub mod shutdown;
pub mod signals;
