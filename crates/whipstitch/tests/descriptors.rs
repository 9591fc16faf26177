//! The binary itself, out of file descriptors: it waits, and serves again when there are some.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest wait for anything that should be there at once.
const SOON: Duration = Duration::from_secs(20);
/// File descriptors that it may have: a few for itself, the rest for clients.
const DESCRIPTORS: usize = 64;

/// A process, ended by force when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The one address in the text of a list of them.
fn address(list: &serde_json::Value) -> SocketAddr {
    let text = list.as_str().unwrap();
    text.trim_start_matches(['[', 'S', 'o', 'm', 'e', '('])
        .trim_end_matches([']', ')'])
        .parse()
        .unwrap()
}

/// A connection that is kept: while there are no descriptors there is no other way in.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(BufReader::new(socket))
    }

    /// Status line and body.
    fn get(&mut self, target: &str) -> (String, String) {
        write!(self.0.get_mut(), "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    fn metric(&mut self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().parse().unwrap()
    }
}

/// The program, where it may have few descriptors; it needs its arguments.
fn with_few_descriptors() -> Command {
    let mut command = Command::new("sh");
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
    command
        .env_clear()
        .args(["-c", &limited, env!("CARGO_BIN_EXE_whipstitch")]);
    command
}

/// A process that may have few descriptors, its address for clients, and its admin interface.
fn started() -> (Running, SocketAddr, SocketAddr, String) {
    let mut child = with_few_descriptors()
        .args(["run", "--stream-manager", "http://127.0.0.1:9"])
        .args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        // Silent clients keep their descriptors for as long as a test takes.
        .env("WHIPSTITCH_CONNECTIONS_HEADER_TIMEOUT", "10m")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let running = Running(child);
    let mut lowered = String::new();
    let ready = BufReader::new(out).lines().find_map(|line| {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let message = event["message"].as_str().unwrap();
        if message.contains("limit of open files") {
            message.clone_into(&mut lowered);
        }
        (message == "ready").then_some(event)
    });
    let ready = ready.unwrap();
    let (http, admin) = (address(&ready["http"]), address(&ready["admin"]));
    (running, http, admin, lowered)
}

/// Each probe on a connection of its own, as an orchestrator opens them.
fn is_alive(admin: SocketAddr) {
    for target in ["/livez", "/readyz", "/metrics"] {
        let (status, body) = Kept::open(admin).get(target);
        assert!(status.contains("200"), "{target}: {status} {body}");
    }
}

#[test]
fn the_configuration_is_shown_as_it_fits_and_as_it_was_set() {
    let show = |format: &[&str]| {
        let mut command = with_few_descriptors();
        command.args(["config", "show", "--stream-manager", "http://127.0.0.1:9"]);
        command.args(["--http", "127.0.0.1:0"]);
        let shown = command.args(format).output().unwrap();
        String::from_utf8(shown.stdout).unwrap()
    };
    let text = show(&[]);
    let line = text.lines().find(|line| line.starts_with("max = "));
    let words = line.unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        words.join(" "),
        "max = 5 # default; 4000 is lowered to fit the limit of open files"
    );
    let all: serde_json::Value = serde_json::from_str(&show(&["--json"])).unwrap();
    let of = |key: &str| {
        let mut all = all.as_array().unwrap().iter();
        all.find(|one| one["key"] == key).unwrap().clone()
    };
    let sockets = of("limits.sockets");
    assert_eq!(
        (&sockets["value"], &sockets["lowered_from"]),
        (&9.into(), &7000.into())
    );
    assert!(of("limits.sessions")["lowered_from"].is_null());
}

#[test]
fn clients_take_only_what_fits_and_the_admin_interface_answers_new_connections() {
    let (_running, http, admin, lowered) = started();
    assert!(lowered.contains("connections.max 4000 to 5"), "{lowered}");
    let mut watch = Kept::open(admin);
    let mut served = Kept::open(http);
    assert!(served.get("/live/whip/endpoint/s1").0.contains("204"));
    // The kernel completes them; those beyond the limit wait there to be accepted.
    let crowd: Vec<TcpStream> = (0..2 * DESCRIPTORS)
        .map(|_| TcpStream::connect(http).unwrap())
        .collect();
    std::iter::repeat_with(|| watch.metric("whipstitch_connections_open"))
        .find(|open| *open >= 5.0)
        .unwrap();
    for _ in 0..20 {
        is_alive(admin);
    }
    assert_eq!(watch.metric("whipstitch_accept_errors_total").to_bits(), 0);
    drop(crowd);
    let mut later = Kept::open(http);
    assert!(later.get("/live/whip/endpoint/s1").0.contains("204"));
    assert_eq!(watch.metric("whipstitch_panics_total").to_bits(), 0);
}

/// The limit is lowered while it runs, below what its clients may take.
#[test]
fn without_descriptors_it_waits_and_the_admin_interface_has_some_in_reserve() {
    let (running, http, admin, _) = started();
    let mut watch = Kept::open(admin);
    let mut served = Kept::open(http);
    assert!(served.get("/live/whip/endpoint/s1").0.contains("204"));
    is_alive(admin);
    let process = running.0.id();
    let used = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .count();
    let limit = |files: usize| {
        let files = files as u64;
        let id = process.try_into().unwrap();
        rlimit::prlimit(id, rlimit::Resource::NOFILE, Some((files, 64)), None).unwrap();
    };
    limit(used);
    let crowd: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(http).unwrap()).collect();
    let mut look = || {
        (
            watch.metric("whipstitch_accept_errors_total"),
            Instant::now(),
        )
    };
    let (from, since) = std::iter::repeat_with(&mut look)
        .find(|(failures, _)| *failures >= 1.0)
        .unwrap();
    let (failures, last) = std::iter::repeat_with(look)
        .find(|(failures, _)| *failures >= from + 10.0)
        .unwrap();
    // A tenth of a second each; one of them was running at the first look.
    let fewest = Duration::from_secs_f64((failures - from - 1.0) * 0.09);
    assert!(last - since >= fewest, "{failures} in {:?}", last - since);
    for _ in 0..20 {
        is_alive(admin);
    }
    assert!(served.get("/live/whip/endpoint/s1").0.contains("204"));

    limit(64);
    drop(crowd);
    let mut later = Kept::open(http);
    assert!(later.get("/live/whip/endpoint/s1").0.contains("204"));
    assert_eq!(watch.metric("whipstitch_panics_total").to_bits(), 0);
}
