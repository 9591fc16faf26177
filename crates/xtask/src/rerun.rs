//! Building ourselves again with a feature on, for the chores that need more than plain `cargo xtask` compiles.

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
use std::{path::PathBuf, process::Command};

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
use crate::{
    Result,
    command::{cargo, run},
};

/// Builds the proxy and the bench in the release profile, then runs the bench on the second core; the targets get the
/// first to themselves.
#[cfg(not(feature = "bench"))]
pub(crate) fn bench(arguments: &[String]) -> Result {
    let binary = built("release")?;
    run(&mut cargo([
        "build",
        "--release",
        "--package",
        "whipstitch",
    ]))?;
    run(cargo(["build", "--release", "--package", "xtask"]).args(["--features", "bench"]))?;
    run(Command::new("taskset")
        .args(["--cpu-list", "1"])
        .arg(binary)
        .arg("bench")
        .args(arguments))
}

/// Builds ourselves with the product in, then writes or checks the pages.
///
/// The whole workspace with its tests' features is named, and one test target, because cargo then resolves features
/// exactly as it does for `cargo xtask test`: in a run of all checks nothing is compiled twice.
#[cfg(not(feature = "reference"))]
pub(crate) fn reference(check: bool) -> Result {
    let binary = built("debug")?;
    run(cargo(["build", "--quiet", "--workspace", "--features"])
        .arg(crate::FEATURES)
        .args(["--bin", "xtask", "--test", "browser"]))?;
    run(Command::new(binary)
        .arg("reference")
        .args(check.then_some("--check")))
}

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
fn built(profile: &str) -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let folder = metadata.target_directory.into_std_path_buf();
    Ok(folder.join(profile).join("xtask"))
}
