//! GStreamer's WHIP and WHEP elements: compiled from crates.io, under a lock of their own, against
//! Debian's GStreamer.

use std::path::Path;

use crate::Result;
use crate::command::{self, cargo};
use crate::debian::{self, Need};

/// What the client is compiled against, and where the elements are that it uses.
const NEEDS: [Need; 8] = [
    need("pkg-config", "pkg-config"),
    need(
        "/usr/lib/x86_64-linux-gnu/pkgconfig/openssl.pc",
        "libssl-dev",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/pkgconfig/gstreamer-1.0.pc",
        "libgstreamer1.0-dev",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/pkgconfig/gstreamer-webrtc-1.0.pc",
        "libgstreamer-plugins-bad1.0-dev",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstopus.so",
        "gstreamer1.0-plugins-base",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstvpx.so",
        "gstreamer1.0-plugins-good",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstwebrtc.so",
        "gstreamer1.0-plugins-bad",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstnice.so",
        "gstreamer1.0-nice",
    ),
];

const fn need(program: &'static str, package: &'static str) -> Need {
    Need { program, package }
}

/// Builds the client into `programs`; cargo knows whether anything has changed.
pub(crate) fn ensure(workspace: &Path, programs: &Path) -> Result {
    debian::ensure(&NEEDS)?;
    let mut build = cargo(["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(workspace.join("tests/programs/gstreamer/Cargo.toml"));
    build.arg("--target-dir").arg(programs.join("gstreamer"));
    command::run(&mut build)
}
