//! Facts of the build for `whipstitch --version`. Unknown ones are left out; nothing fails.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WHIPSTITCH_REVISION");
    set("REVISION", revision());
    set(
        "RUSTC",
        env::var("RUSTC")
            .ok()
            .and_then(|rustc| first_line(&rustc, &["--version"])),
    );
    set("TARGET", env::var("TARGET").ok());
    let lock = fs::read_to_string("../../Cargo.lock").unwrap_or_default();
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    for (fact, package) in [("RUSTLS", "rustls"), ("AWS_LC_RS", "aws-lc-rs")] {
        set(fact, locked(&lock, package));
    }
}

fn set(fact: &str, value: Option<String>) {
    let value = value.unwrap_or_default();
    println!("cargo::rustc-env=WHIPSTITCH_BUILD_{fact}={value}");
}

/// The commit: from `WHIPSTITCH_REVISION`, as a build outside of git sets it, or in a release build
/// from git. Not in other builds, or every commit would compile this crate anew.
fn revision() -> Option<String> {
    if let Some(given) = env::var("WHIPSTITCH_REVISION")
        .ok()
        .filter(|given| is_word(given))
    {
        return Some(given);
    }
    if env::var("PROFILE").as_deref() != Ok("release") {
        return None;
    }
    let head = first_line("git", &["rev-parse", "--short=12", "HEAD"])?;
    for name in ["HEAD", "index"] {
        if let Some(path) = first_line("git", &["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if Path::new("../../crates").exists() {
        println!("cargo::rerun-if-changed=../../crates");
    }
    // A binary of a changed tree is not that of the commit.
    let changed = first_line("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed { head + "+changes" } else { head })
}

fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-+_/".contains(&byte);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .next()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
}

/// The version of a package in a `Cargo.lock`.
fn locked(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"').map(str::to_owned)
}
