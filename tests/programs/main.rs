//! Unmodified client programs: what they publish through the proxy arrives at a player, and what
//! they play comes from a publisher.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is a test: to panic is to fail it"
)]

#[expect(dead_code, reason = "these tests look at no screen")]
#[path = "../browser/chrome.rs"]
mod chrome;
#[expect(dead_code, reason = "these tests ask less of it")]
#[path = "../browser/page.rs"]
mod demo_page;
mod ffmpeg;
mod fronts;
mod gstreamer;
mod page;
mod process;
mod setup;
mod stacks;
mod traces;
mod web_clients;

use std::path::PathBuf;

/// Where `cargo xtask test` puts the programs.
fn programs() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("programs")
}

/// A file among the programs.
fn program(path: &str) -> PathBuf {
    let file = programs().join(path);
    assert!(
        file.is_file(),
        "{} is missing: `cargo xtask test` fetches it",
        file.display()
    );
    file
}
