//! `cargo xtask test`: all tests, none skipped.

use crate::command::{cargo, run_lines};
use crate::debian::{self, Need};
use crate::tally::{Counts, Tally};
use crate::{FEATURES, Result, deploy, fetch};

/// What the browser tests, the test of replicas and those of load balancers need.
const NEEDS: [Need; 6] = [
    Need {
        program: "chromium",
        package: "chromium",
    },
    Need {
        program: "chromedriver",
        package: "chromium-driver",
    },
    Need {
        program: "haproxy",
        package: "haproxy",
    },
    Need {
        program: "nginx",
        package: "nginx",
    },
    Need {
        program: "/usr/lib/nginx/modules/ngx_stream_module.so",
        package: "libnginx-mod-stream",
    },
    Need {
        program: "ip",
        package: "iproute2",
    },
];

/// The test binaries that need what has to be installed, counted apart: were one to run nothing,
/// its absence would not show in a sum.
const APART: [&str; 3] = ["browser", "programs", SCALE_OUT];
/// Its hosts are network namespaces, which take root; without, it says so and does nothing.
const SCALE_OUT: &str = "scale_out";

/// Runs all tests and prints one closing line a runner.
///
/// # Errors
/// When a test failed or was skipped, or a runner ran none. The closing lines are printed all the
/// same.
pub(crate) fn run() -> Result<Vec<String>> {
    debian::ensure(&NEEDS)?;
    fetch::ensure()?;
    let (mut complaints, mut closing) = (Vec::new(), Vec::new());
    let mut close = |runner: &str, counts: Counts, complaints: &mut Vec<String>| {
        complaints.extend(complaint(runner, counts));
        closing.push(format!("{runner}: {counts}"));
    };

    let tally = cargo_test("--all-targets", &mut complaints)?;
    let native = tally.sum(|binary| !APART.contains(&binary));
    close("native", native, &mut complaints);
    for name in APART {
        if name == SCALE_OUT && !debian::is_root() {
            println!("{SCALE_OUT}: not run, since network namespaces take root");
            continue;
        }
        close(name, tally.sum(|binary| binary == name), &mut complaints);
    }

    let doc = cargo_test("--doc", &mut complaints)?;
    close("doc", doc.sum(|_| true), &mut complaints);

    match deploy::run(deploy::Options::default()) {
        Ok(counts) => close("deploy", counts, &mut complaints),
        Err(error) => complaints.push(error.to_string()),
    }

    println!("\n{}", closing.join("\n"));
    if complaints.is_empty() {
        return Ok(closing);
    }
    Err(complaints.join("; ").into())
}

/// `cargo test` over the workspace with one choice of targets.
fn cargo_test(targets: &str, complaints: &mut Vec<String>) -> Result<Tally> {
    let mut command = cargo(["test", "--workspace", targets, "--features", FEATURES]);
    command.arg("--no-fail-fast");
    command.env("CARGO_TERM_COLOR", "never");
    let mut tally = Tally::default();
    let status = run_lines(&mut command, |line| {
        println!("{line}");
        tally.take(line);
    })?;
    if !status.success() {
        complaints.push(format!("`cargo test {targets}` ended with {status}"));
    }
    Ok(tally)
}

/// What is wrong with a runner's figures, if anything is.
fn complaint(runner: &str, counts: Counts) -> Option<String> {
    if counts.failed > 0 {
        Some(format!("{runner}: {} tests failed", counts.failed))
    } else if counts.skipped > 0 {
        Some(format!("{runner}: {} tests did not run", counts.skipped))
    } else if counts.passed == 0 {
        Some(format!("{runner}: no test ran"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_skipping_and_running_nothing_are_all_wrong() {
        let counts = |passed, failed, skipped| Counts {
            passed,
            failed,
            skipped,
        };
        assert_eq!(complaint("doc", counts(3, 0, 0)), None);
        assert_eq!(
            complaint("doc", counts(0, 0, 0)).unwrap(),
            "doc: no test ran"
        );
        assert_eq!(
            complaint("doc", counts(3, 0, 1)).unwrap(),
            "doc: 1 tests did not run"
        );
        assert_eq!(
            complaint("doc", counts(3, 2, 1)).unwrap(),
            "doc: 2 tests failed"
        );
    }
}
