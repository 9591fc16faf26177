//! A process that ends with us, whatever happens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use super::proc::Tree;
use crate::Result;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A process on a core of its own choice, ended when dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts `program` on `core`; what it says goes to `log`.
    ///
    /// `setpriv` has the kernel end it should we be killed, `taskset` pins it; both become the
    /// program, so the id is its own.
    pub(super) fn start(core: u8, program: &mut Command, log: PathBuf) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "taskset", "--cpu-list"])
            .arg(core.to_string())
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        for (key, value) in program.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let process = command.spawn().map_err(|error| {
            format!("cannot start {}: {error}", program.get_program().display())
        })?;
        Ok(Self { process, log })
    }

    /// The process and its children.
    pub(super) fn tree(&self) -> Result<Tree> {
        Tree::of(self.process.id())
    }

    /// Its id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails, with the end of its log, if the process has ended.
    pub(super) fn alive(&mut self) -> Result {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("ended with {status}: {}", self.last_words()).into()),
        }
    }

    /// The last lines of what it said.
    pub(super) fn last_words(&self) -> String {
        let log = read(&self.log);
        let mut lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.reverse();
        lines.join(" | ")
    }

    /// All that it has said so far.
    pub(super) fn said(&self) -> String {
        read(&self.log)
    }

    fn ended_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Child {
    /// Asks first: nginx's master ends its workers then, which a killed master would leave behind.
    fn drop(&mut self) {
        let Ok(tree) = self.tree() else {
            return;
        };
        signal("-TERM", &[self.process.id()]);
        if !self.ended_within(PATIENCE) {
            signal("-KILL", tree.ids());
            self.ended_within(PATIENCE);
        }
    }
}

fn signal(name: &str, ids: &[u32]) {
    // Only ids are named, and of processes that we started; one that is gone already is no error.
    let ids = ids.iter().map(u32::to_string);
    let _ = Command::new("kill")
        .arg(name)
        .args(ids)
        .stderr(Stdio::null())
        .status();
}

fn read(log: &Path) -> String {
    std::fs::read(log).map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let folder = folder();
        let log = folder.path().join("log");
        let child = Child::start(0, Command::new("sleep").arg("60"), log).unwrap();
        let id = child.process.id();
        assert_eq!(child.tree().unwrap().ids(), [id]);
        drop(child);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_child_that_ended_says_why() {
        let folder = folder();
        let log = folder.path().join("log");
        let mut program = Command::new("sh");
        program.args(["-c", "echo the port is taken >&2; exit 7"]);
        let mut child = Child::start(0, &mut program, log).unwrap();
        assert!(child.ended_within(Duration::from_secs(20)));
        let error = child.alive().unwrap_err().to_string();
        assert!(error.contains("the port is taken"), "{error}");
    }
}
