//! Builds xtask again with a feature, for the chores that need more than plain `cargo xtask`
//! compiles.

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
use std::{path::PathBuf, process::Command};

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
use crate::{
    Result,
    command::{cargo, run},
};

/// Builds the proxy and the bench in the release profile, then runs the bench on the second core;
/// the targets get the first to themselves.
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
/// A check comes after the tests as a rule. So it names the whole workspace with the tests'
/// features, and one test target: cargo then resolves features exactly as it did for them, and
/// nothing is compiled twice. To write pages the rest of the workspace need not even compile.
#[cfg(not(feature = "reference"))]
pub(crate) fn reference(check: bool) -> Result {
    let binary = built("debug")?;
    let mut build = cargo(["build", "--quiet"]);
    if check {
        build.args(["--workspace", "--features", crate::FEATURES]);
        build.args(["--bin", "xtask", "--test", "browser"]);
    } else {
        build.args(["--package", "xtask", "--features", "reference"]);
    }
    run(&mut build)?;
    let flag = check.then_some("--check");
    run(Command::new(binary).arg("reference").args(flag))
}

#[cfg(any(not(feature = "bench"), not(feature = "reference")))]
fn built(profile: &str) -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let folder = metadata.target_directory.into_std_path_buf();
    Ok(folder.join(profile).join("xtask"))
}
