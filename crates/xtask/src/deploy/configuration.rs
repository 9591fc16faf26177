//! Checks every shipped whipstitch.toml with the program itself.

use std::path::Path;
use std::process::Command;

use super::report::Report;
use super::{Bench, helm};
use crate::{Result, command};

const FILES: [&str; 6] = [
    "whipstitch.toml",
    "systemd/whipstitch.toml",
    "docker/whipstitch.toml",
    "stream-manager-2/whipstitch.toml",
    "kubernetes/overlays/edge/whipstitch.toml",
    "kubernetes/overlays/sidecar/whipstitch.toml",
];

/// Each file, and what the chart writes.
pub(crate) fn check(bench: &Bench, program: &Path, report: &mut Report) {
    for file in FILES {
        report.check(&format!("{file}: whipstitch check takes it"), || {
            judge(bench, program, &bench.read(file)?)
        });
    }
    for case in helm::CASES {
        report.check(
            &format!("helm {case}: whipstitch check takes its configuration"),
            || {
                let rendered = bench
                    .tools
                    .yaml(&bench.read(&format!("helm/golden/{case}.yaml"))?)?;
                let text = rendered
                    .iter()
                    .find_map(|one| one.pointer("/data/whipstitch.toml")?.as_str());
                judge(bench, program, text.ok_or("there is no whipstitch.toml")?)
            },
        );
    }
}

/// Files that the configuration names are those of the bench: a variable wins over the file.
fn judge(bench: &Bench, program: &Path, text: &str) -> Result {
    let file = bench.write("judged.toml", text)?;
    let mut check = Command::new(program);
    check.arg("check").arg("--config").arg(file);
    if text.contains("turn_secret_file = ") {
        check.env(
            "WHIPSTITCH_ICE_TURN_SECRET_FILE",
            bench.write("turn.secret", "secret\n")?,
        );
    }
    command::output(own_files(bench, &mut check)?, b"").map(drop)
}

/// Points the program to a certificate, a key file and a socket of the bench.
///
/// # Errors
/// The certificate cannot be made.
pub(crate) fn own_files<'a>(bench: &Bench, command: &'a mut Command) -> Result<&'a mut Command> {
    let (cert, key) = bench.certificate()?;
    let session = bench.write("session.key", &format!("{}=\n", "A".repeat(43)))?;
    Ok(command
        .env("WHIPSTITCH_CERT", cert)
        .env("WHIPSTITCH_KEY", key)
        .env("WHIPSTITCH_SESSION_KEY", session)
        .env("WHIPSTITCH_ADMIN_SOCKET", bench.scratch.join("admin.sock")))
}
