//! `cargo xtask ci`, and so `.ci/run`: the gate of a change, quick checks first.

use std::time::Instant;

use crate::command::{self, cargo};
use crate::{FEATURES, Result, arrows, deny, reference, test, words};

/// Runs every check, stops at the first that fails, and closes with the runners' lines.
fn run_all() -> Result<Vec<String>> {
    step("format", || {
        command::run(&mut cargo(["fmt", "--all", "--check"]))?;
        // Workspaces of their own.
        for apart in ["tests/programs/gstreamer", "crates/xtask/peers/pingora"] {
            let manifest = format!("{apart}/Cargo.toml");
            command::run(cargo(["fmt", "--check", "--manifest-path"]).arg(manifest))?;
        }
        Ok(())
    })?;
    step("arrows", || arrows::run(arrows::Options::default()))?;
    step("words", words::check)?;
    step("dependencies", deny::run)?;
    step("lints", || command::run(&mut clippy()))?;
    let closing = step("tests", test::run)?;
    step("docs", || command::run(&mut docs()))?;
    step("reference", || reference::run(true))?;
    Ok(closing)
}

/// Runs every check and prints the runners' closing lines once more, where a reader of the log
/// looks first.
pub(crate) fn run() -> Result {
    let closing = run_all()?;
    println!("\nall checks hold\n{}", closing.join("\n"));
    Ok(())
}

fn clippy() -> std::process::Command {
    let mut command = cargo(["clippy", "--workspace", "--all-targets", "--features"]);
    command.args([FEATURES, "--", "--deny", "warnings"]);
    command
}

fn docs() -> std::process::Command {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--features", FEATURES]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n=== {name}");
    let began = Instant::now();
    let outcome = work().map_err(|error| format!("{name}: {error}"))?;
    println!("=== {name} held, {} s", began.elapsed().as_secs());
    Ok(outcome)
}
