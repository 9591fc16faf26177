//! The package in a real systemd: installed, started, reloaded, hung, upgraded, removed.
//!
//! `pinned/boot.sh` boots it in namespaces, on a copy of this system that lives in memory;
//! `pinned/check.sh` is what an administrator would do then.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Bench;
use super::report::Report;
use crate::{Result, command, debian};

/// Lines of what was said that are shown when something is wrong.
const SHOWN: usize = 25;

/// Boots, and does everything, where that can be done.
pub(crate) fn check(bench: &Bench, package: &Path, report: &mut Report) {
    if !debian::is_root() || !has_namespaces() {
        println!(
            "not checked: the unit in a running systemd, which takes root and namespaces to boot"
        );
        return;
    }
    report.check(
        "systemd: the package lives through a day in a real one",
        || boot(bench, package),
    );
}

/// Containers have root and may not make any, as a rule.
fn has_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount", "--fork", "--pid", "--uts", "--ipc", "--net", "--cgroup", "true",
    ]);
    command::output(&mut unshare, b"").is_ok()
}

fn boot(bench: &Bench, package: &Path) -> Result {
    let folder = bench.scratch.join("booted");
    let inside = folder.join("inside");
    fs::create_dir_all(&inside)?;
    let (cert, key) = bench.certificate()?;
    fs::copy(package, inside.join("package.deb"))?;
    fs::copy(cert, inside.join("tls.crt"))?;
    fs::copy(key, inside.join("tls.key"))?;
    fs::write(inside.join("session.key"), format!("{}=\n", "A".repeat(43)))?;
    let pinned = bench.root.join("crates/xtask/pinned");
    fs::copy(pinned.join("check.sh"), inside.join("check.sh"))?;
    let mut boot = Command::new("timeout");
    boot.args(["--signal=KILL", "180", "sh"])
        .arg(pinned.join("boot.sh"))
        .arg(&folder);
    command::output(&mut boot, b"").map(drop).map_err(|error| {
        let said = fs::read_to_string(folder.join("said")).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        let last = lines
            .get(lines.len().saturating_sub(SHOWN)..)
            .unwrap_or_default();
        format!("{error}\n{}", last.join("\n")).into()
    })
}
