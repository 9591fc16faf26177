//! The Unix socket of the admin interface.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener as StdListener,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{Admin, Listener};

/// Owner and group may use it.
const MODE: u32 = 0o660;
/// Most connections at once; further ones wait.
const CONNECTIONS: usize = 32;
/// Longest wait for the header of a request.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub struct AdminSocket(UnixListener);

/// The file of the socket, removed on drop. Its identity is kept because another process may have
/// replaced the file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Why the socket cannot be made.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another process listens there.
    #[error("{}: another process answers there; is Whipstitch running already?", _0.display())]
    InUse(PathBuf),
    /// Something else has that name.
    #[error("{}: is there, and is no socket; nothing is removed that Whipstitch did not make", _0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("{}: cannot be made: {_1} (its folder has to exist and be writable)", _0.display())]
    Io(PathBuf, #[source] io::Error),
}

impl AdminSocket {
    /// Makes the socket, and replaces a stale one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The system refuses, another file has that name, or another process listens there.
    pub fn bind(path: &Path) -> Result<(Self, SocketFile), SocketError> {
        let failed = |error| SocketError::Io(path.to_owned(), error);
        remove_stale(path)?;
        // Made under another name, so that the known name never has another mode.
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        remove_stale(&new)?;
        let listener = StdListener::bind(&new).map_err(failed)?;
        let ready = || {
            fs::set_permissions(&new, fs::Permissions::from_mode(MODE))?;
            let identity = identity(&new)?;
            fs::rename(&new, path)?;
            listener.set_nonblocking(true)?;
            io::Result::Ok(identity)
        };
        let identity = ready()
            .inspect_err(|_| drop(fs::remove_file(&new)))
            .map_err(failed)?;
        let file = SocketFile {
            path: path.to_owned(),
            identity,
        };
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok((Self(listener), file))
    }

    /// Serves until `stop`.
    pub async fn run(self, admin: Admin, tasks: TaskTracker, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let accepting = async {
            loop {
                let permit = permits.clone().acquire_owned().await;
                match (permit, self.0.accept().await) {
                    (Ok(permit), Ok((stream, _))) => {
                        tasks.spawn(serve(stream, admin.clone(), stop.clone(), permit));
                    }
                    (_, Err(error)) => {
                        warn!(%error, "the admin socket cannot accept; trying again in 100 ms");
                        tokio::time::sleep(PAUSE).await;
                    }
                    (Err(_), _) => return,
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
    }
}

async fn serve(
    stream: UnixStream,
    admin: Admin,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(admin.service(Listener::Unix));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .half_close(false);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the admin socket ended early");
    }
}

/// Removes a stale socket.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |error| SocketError::Io(path.to_owned(), error);
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    if is_in_use(path).map_err(failed)? {
        return Err(SocketError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(failed)
}

fn is_in_use(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Not blocking: a socket with a full queue is alive, too.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            io::ErrorKind::WouldBlock => Ok(true),
            _ => Err(error),
        },
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(StdListener::bind(&path).unwrap());
        let socket = AdminSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        assert!(matches!(
            AdminSocket::bind(&path),
            Err(SocketError::InUse(_))
        ));
        drop(socket);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            AdminSocket::bind(&path),
            Err(SocketError::NotASocket(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let nowhere = folder.path().join("no/admin.sock");
        assert!(matches!(
            AdminSocket::bind(&nowhere),
            Err(SocketError::Io(..))
        ));
    }

    #[tokio::test]
    async fn a_socket_of_another_process_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = StdListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
