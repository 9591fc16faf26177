//! The binary itself under a service manager, and with its Unix socket.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::{UnixDatagram, UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longest wait for anything that should be there at once.
const SOON: Duration = Duration::from_secs(20);

/// A running `whipstitch run`, ended by force when dropped.
struct Running {
    child: Child,
    log: mpsc::Receiver<serde_json::Value>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
            .current_dir(folder)
            .env_clear()
            .envs(environment.iter().copied())
            .args(["run", "--stream-manager", "http://127.0.0.1:9"])
            .args(["--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (line, log) = mpsc::channel();
        thread::spawn(move || {
            for text in out.lines().map_while(Result::ok) {
                let _ = line.send(serde_json::from_str(&text).unwrap());
            }
        });
        Self { child, log }
    }

    /// The next log line that meets this condition.
    fn line(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let line = self.log.recv_timeout(SOON).unwrap();
            if wanted(&line) {
                return line;
            }
        }
    }

    fn says(&self, message: &str) -> serde_json::Value {
        self.line(|line| line["message"] == message)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }
}

fn post(socket: &Path, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What the service manager receives, until one of the messages begins with this.
fn receive(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut received = Vec::new();
    // The watchdog messages never stop, so the read timeout alone does not end a failed wait.
    for _ in 0..100 {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let found = message.starts_with(wanted);
        received.push(message);
        if found {
            return received;
        }
    }
    panic!("no {wanted} among {received:?}")
}

#[test]
fn the_service_manager_is_notified_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("notify");
    let manager = UnixDatagram::bind(&name).unwrap();
    manager.set_read_timeout(Some(SOON)).unwrap();
    let mut running = Running::start(
        folder.path(),
        &[
            ("NOTIFY_SOCKET", name.to_str().unwrap()),
            ("WATCHDOG_USEC", "200000"),
        ],
    );
    assert_eq!(
        receive(&manager, "READY=1").len(),
        1,
        "nothing comes before"
    );
    let status = receive(&manager, "STATUS=").pop().unwrap();
    assert!(status.contains("ready; 0 WebSocket"), "{status}");
    for _ in 0..3 {
        receive(&manager, "WATCHDOG=1");
    }
    running.signal("HUP");
    let reloading = receive(&manager, "RELOADING=1").pop().unwrap();
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    receive(&manager, "READY=1");
    let reloaded = running.says("reloaded");
    assert_eq!(reloaded["certificates"], "none");
    running.signal("TERM");
    receive(&manager, "STOPPING=1");
    running.says("drained");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_log_is_changed_while_it_runs_and_a_drained_process_waits_for_its_signal() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let name = socket.to_str().unwrap();
    let mut running = Running::start(folder.path(), &[("WHIPSTITCH_ADMIN_SOCKET", name)]);
    let ready = running.says("ready");
    let http = ready["http"].as_str().unwrap().trim_matches(['[', ']']);
    let changed = post(
        &socket,
        "/log-level",
        "{\"level\":\"trace\",\"for_ms\":3000}",
    );
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
    // A lookup is logged at this level.
    let mut client = TcpStream::connect(http).unwrap();
    let request = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\n\
        Content-Length: 5\r\n\r\nv=0\r\n";
    client.write_all(request.as_bytes()).unwrap();
    running.line(|line| line["level"] == "DEBUG" && line["message"] == "lookup");
    running.says("configured log filter restored");

    let drain = post(&socket, "/drain", "{\"wait\":true}");
    assert!(drain.starts_with("HTTP/1.1 200"), "{drain}");
    running.says("drained");
    assert_eq!(running.child.try_wait().unwrap(), None, "it has not ended");
    running.signal("TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}
