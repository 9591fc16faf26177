//! The unit, as systemd itself reads it.

use std::process::Command;

use super::Bench;
use super::report::Report;
use crate::{Result, command};

const UNIT: &str = "deploy/systemd/whipstitch.service";
/// Highest exposure that is allowed, in tenths; 100 is a service that may do everything.
const THRESHOLD: &str = "--threshold=15";
/// Seconds that a drain may take beyond its deadline: a second to flush, and some to spare.
const SPARE: u64 = 6;

/// The unit, the group, and whether its time to stop is long enough.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check("systemd: the unit is understood", || verify(bench));
    report.check("systemd: the unit is exposed 1.5 at most", || {
        let mut analyze = Command::new("systemd-analyze");
        analyze
            .args(["security", "--offline=true", "--no-pager", THRESHOLD])
            .arg(bench.root.join(UNIT));
        command::output(&mut analyze, b"")
    });
    report.check("systemd: sysusers.conf is understood", || {
        let mut sysusers = Command::new("systemd-sysusers");
        // Into a root of its own, so that this machine keeps its groups.
        let root = bench.scratch.join("sysusers");
        std::fs::create_dir_all(root.join("etc"))?;
        sysusers
            .arg(format!("--root={}", root.display()))
            .arg(bench.root.join("deploy/systemd/sysusers.conf"));
        command::output(&mut sysusers, b"")?;
        let made = std::fs::read_to_string(root.join("etc/group"))?;
        let group = setting(
            &bench.read("systemd/whipstitch.service")?,
            "SupplementaryGroups=",
        )?;
        if made
            .lines()
            .any(|line| line.starts_with(&format!("{group}:")))
        {
            return Ok(());
        }
        Err(format!("it does not make {group}").into())
    });
    report.check(
        "systemd: TimeoutStopSec is longer than the whole end",
        || stop(bench),
    );
}

/// `systemd-analyze verify`, with a program in the place of ours: it looks whether there is one.
fn verify(bench: &Bench) -> Result {
    let unit = bench.read("systemd/whipstitch.service")?;
    let unit = unit.replace("/usr/bin/whipstitch", "/bin/true");
    let file = bench.write("units/whipstitch.service", &unit)?;
    let mut analyze = Command::new("sh");
    // Some mistakes are only told, and change nothing about how it ends.
    analyze
        .args(["-c", "systemd-analyze verify --man=no \"$1\" 2>&1", "sh"])
        .arg(file);
    let said = command::output(&mut analyze, b"")?;
    if said.contains("whipstitch.service") {
        return Err(said.into());
    }
    Ok(())
}

fn stop(bench: &Bench) -> Result {
    let unit = bench.read("systemd/whipstitch.service")?;
    let configuration = bench.read("systemd/whipstitch.toml")?;
    let stop = seconds(&setting(&unit, "TimeoutStopSec=")?)?;
    let deadline = seconds(&setting(&configuration, "deadline = ")?)?;
    let delay = setting(&configuration, "delay = ").map_or(Ok(0), |delay| seconds(&delay))?;
    if delay + deadline + SPARE <= stop {
        return Ok(());
    }
    Err(format!("{delay} + {deadline} + {SPARE} s do not fit into {stop} s").into())
}

/// The rest of the first line that begins with `key`.
pub(crate) fn setting(text: &str, key: &str) -> Result<String> {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    Ok(found
        .ok_or_else(|| format!("there is no {key}"))?
        .to_owned())
}

fn seconds(text: &str) -> Result<u64> {
    let number = text.trim_matches('"').strip_suffix('s');
    Ok(number
        .ok_or_else(|| format!("{text}: say it in seconds"))?
        .parse()?)
}
