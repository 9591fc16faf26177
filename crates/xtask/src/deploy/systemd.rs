//! Checks the units with systemd itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Bench;
use super::report::Report;
use crate::{Result, command};

/// Seconds that a drain may take beyond its deadline: a second to flush, and some to spare.
const SPARE: u64 = 6;

/// The unit, the group, and whether its time to stop is long enough.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check("systemd: the unit is understood", || {
        verify(&service(bench, "units")?)
    });
    report.check("systemd: the unit is exposed 1.5 at most", || {
        exposed(&service(bench, "units")?, 15)
    });
    report.check(
        "systemd: the socket unit is understood, and the service with it exposed 1.1 at most",
        || with_socket(bench),
    );
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

/// The service with a stand-in program: systemd checks that the file exists.
fn service(bench: &Bench, folder: &str) -> Result<PathBuf> {
    let unit = bench.read("systemd/whipstitch.service")?;
    let unit = unit.replace("/usr/bin/whipstitch", "/bin/true");
    bench.write(&format!("{folder}/whipstitch.service"), &unit)
}

/// `systemd-analyze verify`.
fn verify(unit: &Path) -> Result {
    let mut analyze = Command::new("sh");
    // Some mistakes are printed only, and do not change the exit code.
    analyze
        .args(["-c", "systemd-analyze verify --man=no \"$1\" 2>&1", "sh"])
        .arg(unit);
    let said = command::output(&mut analyze, b"")?;
    if said.contains("whipstitch.s") {
        return Err(said.into());
    }
    Ok(())
}

/// `systemd-analyze security`, with the highest exposure that is allowed, in tenths; 100 is a
/// service that may do everything.
fn exposed(unit: &Path, threshold: u8) -> Result {
    let mut analyze = Command::new("systemd-analyze");
    analyze
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={threshold}"))
        .arg(unit);
    command::output(&mut analyze, b"").map(drop)
}

/// The socket, and beside it the service as `socket.conf` changes it.
fn with_socket(bench: &Bench) -> Result {
    let service = service(bench, "with-socket")?;
    let changes = bench.read("systemd/socket.conf")?;
    bench.write("with-socket/whipstitch.service.d/socket.conf", &changes)?;
    let socket = bench.read("systemd/whipstitch.socket")?;
    let configured = bench.read("systemd/whipstitch.toml")?;
    let address = setting(&socket, "ListenStream=")?;
    if !configured.contains(&format!("https = [\"{address}\"]")) {
        return Err(format!("listen.https of whipstitch.toml is not {address}").into());
    }
    verify(&bench.write("with-socket/whipstitch.socket", &socket)?)?;
    exposed(&service, 11)
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
