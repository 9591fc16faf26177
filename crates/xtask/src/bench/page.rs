//! The page of the last published run, `deploy/reference/BENCHMARK.md`.

use std::fmt::Write as _;
use std::process::Command;

use crate::{Result, command};

const PAGE: &str = "deploy/reference/BENCHMARK.md";

const HEAD: &str = "# Benchmark

<!-- Written by `cargo xtask bench --write`: a run replaces all of it. -->

Each round visits every work and in it every proxy in turn, on one core with one worker; figures are
medians over the rounds, ratios are medians of each round's own ratio to HAProxy. CPU time per
operation is the figure to trust: it barely moves when the machine is busy. Access logs are off for
all. Every peer does TLS in front and sends all to one node; Whipstitch also asks the Stream Manager
where each publish goes, seals the session's URL and keeps its table of sessions.
";

/// Replaces the page.
pub(super) fn write(tables: &str, closing: &str) -> Result {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let mut page = format!("{HEAD}\n{tables}\n{closing}\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{}.", machine()?);
    let file = metadata.workspace_root.join(PAGE);
    std::fs::write(&file, page)?;
    println!("wrote {file}");
    Ok(())
}

/// Where and when.
fn machine() -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or_default().trim_matches([' ', '\t', ':']);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = command::output(Command::new("date").args(["--utc", "+%Y-%m-%d"]), &[])?;
    let commit = command::output(
        Command::new("git").args(["rev-parse", "--short", "HEAD"]),
        &[],
    )?;
    let cores = cpu.lines().filter(|line| line.starts_with("processor"));
    let cores = cores.count();
    Ok(format!(
        "Measured {} at commit {} on {cores} cores of {model}, Linux {}",
        date.trim(),
        commit.trim(),
        kernel.trim()
    ))
}
