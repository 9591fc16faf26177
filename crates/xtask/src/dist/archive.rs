//! Archives that are the same bytes for the same files.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Effort;
use crate::{Result, command};

/// Seconds since 1970 that every file of a release is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(u64);

impl Epoch {
    /// `SOURCE_DATE_EPOCH`, or the time of the commit that is checked out in `root`.
    ///
    /// # Errors
    /// Neither is there.
    pub(super) fn of(root: &Path) -> Result<Self> {
        if let Some(set) = std::env::var_os("SOURCE_DATE_EPOCH") {
            let seconds = set.to_string_lossy().parse();
            return Ok(Self(seconds.map_err(|_| "SOURCE_DATE_EPOCH is no number")?));
        }
        let mut git = Command::new("git");
        git.args(["log", "-1", "--format=%ct"]).current_dir(root);
        Ok(Self(command::output(&mut git, b"")?.trim().parse()?))
    }

    pub(super) fn seconds(self) -> u64 {
        self.0
    }
}

/// Packs the folder `name` of `parent` into `file`, compressed with gzip.
///
/// # Errors
/// tar or gzip fails.
pub(super) fn pack(parent: &Path, name: &str, file: &Path, epoch: Epoch, effort: Effort) -> Result {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=ustar", "--sort=name"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        // Whatever the umask of the caller.
        .args(["--mode=u+rwX,go=rX"])
        .arg(format!("--mtime=@{}", epoch.0))
        .arg("--directory")
        .arg(parent)
        .arg(name)
        .stdout(Stdio::piped());
    let mut tarring = tar.spawn()?;
    let mut gzip = Command::new("gzip");
    // -n: neither name nor time.
    gzip.args([effort.gzip, "-n"])
        .stdin(tarring.stdout.take().ok_or("tar has no output")?)
        .stdout(std::fs::File::create(file)?);
    let zipped = gzip.status()?;
    let tarred = tarring.wait()?;
    if tarred.success() && zipped.success() {
        return Ok(());
    }
    Err(format!(
        "{}: tar ended with {tarred}, gzip with {zipped}",
        file.display()
    )
    .into())
}
