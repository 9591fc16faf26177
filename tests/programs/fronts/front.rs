//! A server that is started for one test, in a folder of its own.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::setup::PATIENCE;

/// Polling interval for a port of another process.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// A running server; killed when dropped.
pub(crate) struct Front {
    child: Child,
    folder: TempDir,
}

impl Front {
    /// Starts the command that `command` builds for the server's folder, and waits until it listens
    /// on all of `addresses`.
    pub(crate) async fn start(
        folder: TempDir,
        mut command: Command,
        addresses: &[SocketAddr],
    ) -> Self {
        let log = fs::File::create(folder.path().join("front.log")).unwrap();
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut front = Self { child, folder };
        for address in addresses {
            let listens = timeout(PATIENCE, front.until_listens(*address)).await;
            assert!(listens.is_ok(), "nothing on {address}: {}", front.log());
        }
        front
    }

    async fn until_listens(&mut self, address: SocketAddr) {
        while TcpStream::connect(address).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended, {ended:?}: {}", self.log());
            sleep(LOOK).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("front.log")).unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// A folder for a server.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("front-").tempdir().unwrap()
}

/// Free ports of loopback. Another process could take one before its use; the test would then fail
/// at start.
pub(crate) fn free<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// A file of `deploy/`.
pub(crate) fn shipped(path: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    Path::new(root).join(path)
}

/// Its text, in which each of `changes` is found and made.
pub(crate) fn localized(path: &str, changes: &[(&str, &str)]) -> String {
    let file = shipped(path);
    let mut text = fs::read_to_string(&file).unwrap();
    for (from, to) in changes {
        assert!(
            text.contains(from),
            "{} has no {from:?} any more",
            file.display()
        );
        text = text.replace(from, to);
    }
    text
}

/// A server from one of Debian's packages, which puts them where the path of a plain user does not
/// look.
pub(crate) fn server(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no {name}: Debian's package of that name has it"))
}
