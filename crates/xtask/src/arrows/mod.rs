//! `cargo xtask arrows`: which crate may depend on which, and which module on which.
//!
//! - [`crates`]: every dependency between crates of the workspace is one that the design allows.
//! - [`modules`]: no import cycle between sibling modules, and the rooms of a crate import
//!   downwards only.
//!
//! Messages name file and line, as a compiler's do.

mod crates;
mod cycles;
mod modules;
mod names;
mod rooms;
mod tree;

use crate::Result;

/// What to check.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Options {
    /// Name the listed exceptions, too
    #[arg(long)]
    all: bool,
}

/// Checks the crates and the modules of the workspace.
///
/// # Errors
/// When an arrow breaks a rule; each is named.
pub(crate) fn run(options: Options) -> Result {
    crates::run()?;
    modules::run(options.all)
}
