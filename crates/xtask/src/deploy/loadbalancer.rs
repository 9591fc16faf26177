//! Checks the configurations of load balancers with the balancers themselves.

use std::process::Command;

use super::Bench;
use super::report::Report;
use crate::{Result, command};

/// HAProxy and nginx.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "loadbalancer/haproxy.cfg: HAProxy takes it without a warning",
        || {
            let file = localized(bench, "haproxy.cfg", "/etc/haproxy/certs")?;
            let mut haproxy = Command::new(found("haproxy"));
            // -dW: a warning is an error.
            haproxy.args(["-c", "-dW", "-f", &file]);
            command::output(&mut haproxy, b"")
        },
    );
    report.check("loadbalancer/nginx.conf: nginx takes it", || {
        let file = localized(bench, "nginx.conf", "/etc/nginx/certs")?;
        let mut nginx = Command::new(found("nginx"));
        let pid = format!("pid {}/nginx.pid;", bench.scratch.display());
        nginx.args(["-t", "-q", "-e", "stderr", "-g", &pid, "-c", &file]);
        command::output(&mut nginx, b"")
    });
}

fn found(program: &str) -> std::path::PathBuf {
    command::find(program).unwrap_or_else(|| program.into())
}

/// Where nginx would write; it checks these folders even with `-t`, and Debian's need root.
fn temporary(folder: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let lines = kinds.map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"));
    lines.concat()
}

/// A copy whose certificates are those of the bench, and whose log is there too.
fn localized(bench: &Bench, name: &str, certificates: &str) -> Result<String> {
    let (cert, key) = bench.certificate()?;
    let both = std::fs::read_to_string(cert)? + &std::fs::read_to_string(key)?;
    bench.write("live.example.com.pem", &both)?;
    bench.write("live.example.com.key", &both)?;
    let folder = bench.scratch.display().to_string();
    let text = bench
        .read(&format!("loadbalancer/{name}"))?
        .replace(certificates, &folder)
        .replace("/var/log/nginx", &folder)
        .replace("\nhttp {", &format!("\nhttp {{\n{}", temporary(&folder)));
    Ok(bench.write(name, &text)?.display().to_string())
}
