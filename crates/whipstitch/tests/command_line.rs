//! The binary itself: what it prints where, and how it ends.

use std::{
    io,
    process::{Command, Output},
};

fn whipstitch(args: &[&str]) -> io::Result<Output> {
    // Settings in the developer's environment must not reach it.
    Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .args(args)
        .env_clear()
        .output()
}

#[test]
fn mistakes_end_run_and_check_alike() {
    for command in ["run", "check"] {
        let output =
            whipstitch(&[command, "--https", "localhost:443", "--node-port", "0"]).unwrap();
        assert_eq!(output.status.code(), Some(78));
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        for start in [
            "--https: ",
            "--node-port: ",
            "stream_manager.url: is missing",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(start)),
                "{start} in {text}"
            );
        }
    }
}

#[test]
fn a_right_configuration_is_ok() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    std::fs::write(
        &file,
        "stream_manager.url = 'http://127.0.0.1'\nlisten.http = ['127.0.0.1:0']\nconnections.max = 10\n\
         limits = { sockets = 10, in_flight = 10, event_streams = 10 }\n",
    )
    .unwrap();
    let output = whipstitch(&["check", "--config", file.to_str().unwrap()]).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(&format!("{}: ok\n", file.display())),
        "{text}"
    );
}

#[test]
fn usage_help_and_version() {
    assert_eq!(whipstitch(&["--bogus"]).unwrap().status.code(), Some(64));
    assert_eq!(whipstitch(&["--help"]).unwrap().status.code(), Some(0));
    assert_eq!(
        whipstitch(&["run", "--help"]).unwrap().status.code(),
        Some(0)
    );
    assert_eq!(whipstitch(&["--version"]).unwrap().status.code(), Some(0));
}
