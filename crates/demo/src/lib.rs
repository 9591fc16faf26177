//! Publish and play through Whipstitch with one command: a small cluster, the real proxy in front
//! of it, and a page.
//!
//! [`Demo::start`] is what the `whipstitch-demo` command runs, and what the browser tests start on
//! free ports.

mod certificate;
mod demo;
mod error;
mod front;
pub mod greeting;
pub mod keys;
mod options;
mod page;
mod ports;
mod settings;

pub use demo::Demo;
pub use error::Error;
pub use front::Silent;
pub use options::Options;
pub use page::files as pages;
