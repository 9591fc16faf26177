//! Programs that come from Debian's packages.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::{Result, command};

/// A program and the Debian package that holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// What must be on the search path, or the absolute path of a file.
    pub(crate) program: &'static str,
    /// What to install when it is not.
    pub(crate) package: &'static str,
}

/// Makes sure that every program is there: installs the absent ones as root, otherwise fails with
/// the exact command.
pub(crate) fn ensure(needs: &[Need]) -> Result {
    let absent = absent(needs);
    if absent.is_empty() {
        return Ok(());
    }
    if !is_root() || command::find("apt-get").is_none() {
        return Err(advice(&absent).into());
    }
    command::run(Command::new("apt-get").arg("update"))?;
    command::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Tests start the servers among them; the machine must not.
            .env("RUNLEVEL", "1")
            .args(["install", "--yes", "--no-install-recommends"])
            .args(absent.iter().map(|need| need.package)),
    )?;
    let absent = self::absent(needs);
    if absent.is_empty() {
        return Ok(());
    }
    Err(format!("installed, and still not there. {}", advice(&absent)).into())
}

fn absent(needs: &[Need]) -> Vec<Need> {
    let is_absent = |need: &&Need| command::find(need.program).is_none();
    needs.iter().filter(is_absent).copied().collect()
}

fn advice(absent: &[Need]) -> String {
    let list = |name: fn(&Need) -> &'static str| {
        let names: Vec<_> = absent.iter().map(name).collect();
        names.join(" ")
    };
    format!(
        "missing: {}. Install with: sudo apt-get update && sudo apt-get install --yes {}",
        list(|need| need.program),
        list(|need| need.package)
    )
}

/// The owner of our own entry in /proc is the effective user: no library and no `unsafe` needed to
/// ask.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: Need = Need {
        program: "sh",
        package: "dash",
    };
    const GONE: Need = Need {
        program: "no-such-program-here",
        package: "no-such-package",
    };

    #[test]
    fn only_what_is_absent_is_asked_for() {
        let absent = absent(&[THERE, GONE]);
        assert_eq!(
            advice(&absent),
            "missing: no-such-program-here. Install with: \
             sudo apt-get update && sudo apt-get install --yes no-such-package"
        );
    }

    #[test]
    fn nothing_is_done_when_all_is_there() {
        ensure(&[THERE]).unwrap();
    }
}
