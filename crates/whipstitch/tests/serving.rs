//! The binary itself, serving: the quick start without a file, and the end by signals.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use whipstitch::config::{Kind, keys};

/// Longest wait for anything that should be there at once.
const SOON: Duration = Duration::from_secs(10);

/// A running `whipstitch run`, ended by force when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(folder: &Path, manager: &str, environment: &[(&str, &str)]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let any = "127.0.0.1:0";
        let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
            .current_dir(folder)
            .env_clear()
            .envs(environment.iter().copied())
            .args([
                "run",
                "--stream-manager",
                manager,
                "--https",
                any,
                "--cert",
                "cert.pem",
            ])
            .args([
                "--key",
                "key.pem",
                "--http",
                any,
                "--admin",
                any,
                "--node-port",
                "5081",
            ])
            .args(["--allow-nodes", "127.0.0.0/8,::1/128"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next log line with this message.
    fn line(&mut self, message: &str) -> serde_json::Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.out.read_line(&mut line).unwrap(),
                0,
                "the log ended before {message:?}"
            );
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"]
                .as_str()
                .is_some_and(|said| said.starts_with(message))
            {
                return event;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
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

fn get(addr: SocketAddr, target: &str) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    write!(
        socket,
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_quick_start_serves_and_a_signal_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), "http://127.0.0.1:9", &[]);
    running.line("sessions.key_file is not set");
    let ready = running.line("ready");
    let (http, admin) = (address(&ready["http"]), address(&ready["admin"]));
    assert!(get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    let answer = get(http, "/live/whip/endpoint/s1");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");

    let marker = "/streammanager/api/4.0/event/live/s1?action=broadcast&password=hunter2";
    let answer = get(http, marker);
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let line = running.line("exchange");
    let line = if line["about"] == "manager" {
        line
    } else {
        running.line("exchange")
    };
    assert_eq!(
        (&line["problem"], &line["status"]),
        (&"manager-unreachable".into(), &502.into())
    );
    assert_eq!(line["path"], "/streammanager/api/4.0/event/live/s1");
    assert_eq!(line["sent"], body.len());
    assert!(!line.to_string().contains("hunter2"), "{line}");

    running.signal("TERM");
    assert_eq!(running.line("stopping")["signal"], "SIGTERM");
    running.line("drained");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A manager that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let manager = format!("http://{}", silent.local_addr().unwrap());
    let mut running = Running::start(folder.path(), &manager, &[("WHIPSTITCH_LOG", "info")]);
    let http = address(&running.line("ready")["http"]);
    let mut request = TcpStream::connect(http).unwrap();
    write!(request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let _under_way = silent.accept().unwrap();

    running.signal("INT");
    assert_eq!(running.line("draining")["exchanges"], 1);
    running.signal("INT");
    running.line("ending at once");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_file_that_hangs_at_a_reload_is_not_in_the_way_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), "http://127.0.0.1:9", &[]);
    running.line("ready");
    let key = folder.path().join("key.pem");
    fs::remove_file(&key).unwrap();
    let made = Command::new("mkfifo").arg(&key).status().unwrap();
    assert!(made.success());
    running.signal("HUP");
    // Opens when there is a reader, who then waits for what never comes.
    let writer = fs::OpenOptions::new().write(true).open(&key).unwrap();
    running.signal("TERM");
    assert_eq!(running.line("stopping")["signal"], "SIGTERM");
    running.line("drained");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop(writer);
}

#[test]
fn a_silent_log_changes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let [addr] = free();
    let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .current_dir(folder.path())
        .env_clear()
        .env("WHIPSTITCH_LOG", "error")
        .args([
            "run",
            "--stream-manager",
            "http://127.0.0.1:9",
            "--http",
            &addr.to_string(),
        ])
        .spawn()
        .unwrap();
    // It serves as soon as it listens; it must not have ended by then.
    while TcpStream::connect(addr).is_err() {
        assert_eq!(child.try_wait().unwrap(), None);
    }
    assert!(get(addr, "/live/whip/endpoint/s1").starts_with("HTTP/1.1 204"));
    let kill = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Addresses without a listener at the moment.
fn free<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let taken = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap())
}

/// Makes `count` requests on one connection, `together` at once, each to be answered with 204.
fn exchanges(addr: SocketAddr, count: usize, together: usize) {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let requests = "GET /live/whip/endpoint/s1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(together);
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    let mut line = String::new();
    for _ in 0..count / together {
        socket.write_all(requests.as_bytes()).unwrap();
        let mut answered = 0;
        while answered < together {
            line.clear();
            assert_ne!(answers.read_line(&mut line).unwrap(), 0);
            if line.starts_with("HTTP/1.1 ") {
                assert!(line.starts_with("HTTP/1.1 204"), "{line}");
            }
            answered += usize::from(line == "\r\n");
        }
    }
}

/// The lines of a process whose standard output is this stream of the journal, or so it is told.
fn journal(format: &str, stream: impl Fn(&fs::Metadata) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let file = fs::File::create(&path).unwrap();
    let stream = stream(&file.metadata().unwrap());
    let [http] = free();
    let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .current_dir(folder.path())
        .env_clear()
        .env("JOURNAL_STREAM", stream)
        .env("WHIPSTITCH_LOG_FORMAT", format)
        .args(["run", "--stream-manager", "http://127.0.0.1:9"])
        .args(["--http", &http.to_string()])
        .stdout(file)
        .spawn()
        .unwrap();
    while TcpStream::connect(http).is_err() {
        assert_eq!(child.try_wait().unwrap(), None);
    }
    assert!(get(http, "/live/whip/endpoint/s1").starts_with("HTTP/1.1 204"));
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    fs::read_to_string(path).unwrap()
}

/// sd-daemon(3): the journal takes the first three characters for the priority of a line.
#[test]
fn the_journal_is_told_how_grave_each_line_is() {
    let own = |file: &fs::Metadata| format!("{}:{}", file.dev(), file.ino());
    let other = |file: &fs::Metadata| format!("{}:{}", file.dev(), file.ino() + 1);
    let lines = journal("auto", own);
    for line in lines.lines() {
        let (priority, event) = line.split_at(3);
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let expected = match event["level"].as_str().unwrap() {
            "WARN" => "<4>",
            "INFO" => "<6>",
            other => panic!("{other}"),
        };
        assert_eq!(priority, expected, "{line}");
    }
    assert!(
        lines.contains("<4>{") && lines.contains("\"target\":\"access\""),
        "{lines}"
    );
    for line in journal("text", own).lines() {
        let rest = line
            .strip_prefix("<6> INFO ")
            .or(line.strip_prefix("<4> WARN "));
        assert!(rest.is_some(), "{line}");
    }
    // Not the journal's: a variable that the shell inherited says nothing.
    for line in journal("text", other).lines() {
        assert!(line.starts_with("20"), "{line}");
    }
}

/// Neither a full pipe nor, behind it, a full queue of lines.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [http, admin] = free();
    let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .current_dir(folder.path())
        .env_clear()
        .args(["run", "--stream-manager", "http://127.0.0.1:9"])
        .args(["--http", &http.to_string(), "--admin", &admin.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Open to the end: a pipe that is closed takes every line.
    let out = child.stdout.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut running = Running {
        child,
        out: BufReader::new(out),
    };
    while TcpStream::connect(admin).is_err() {
        assert_eq!(running.child.try_wait().unwrap(), None);
    }
    exchanges(http, 20_000, 100);
    assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"));
    let metrics = get(admin, "/metrics");
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("whipstitch_log_lines_dropped_total "))
        .unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 1_000, "{dropped}");

    running.signal("TERM");
    let (end, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        // It ends with the process.
        let read = errors.read_to_string(&mut text);
        end.send(read.map(|_| text))
    });
    assert_eq!(ended.recv_timeout(SOON).unwrap().unwrap(), "");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

/// What `whipstitch check` takes must not end in a panic at start.
#[test]
fn the_largest_values_start() {
    let folder = tempfile::tempdir().unwrap();
    let largest: Vec<_> = keys::keys()
        // That long it would be served on, after the signal below.
        .filter(|key| key.path != "shutdown.delay")
        .filter_map(|key| match key.kind {
            Kind::Count if key.path.ends_with("_endpoints") => Some((key.variable, "64")),
            Kind::Count => Some((key.variable, "10000000")),
            Kind::Bytes => Some((key.variable, "1073741824")),
            // It would be waited for, as it says.
            Kind::Duration if key.path == "shutdown.delay" => None,
            Kind::Duration if key.path == "stream_manager.probe" => Some((key.variable, "1h")),
            Kind::Duration => Some((key.variable, "8760h")),
            Kind::Lifetime => Some((key.variable, "365d")),
            _ => None,
        })
        .collect();
    let mut running = Running::start(folder.path(), "http://127.0.0.1:9", &largest);
    let ready = running.line("ready");
    let http = address(&ready["http"]);
    assert!(get(http, "/live/whip/endpoint/s1").starts_with("HTTP/1.1 204"));
    assert!(get(http, "/streammanager/api/4.0/event/list").starts_with("HTTP/1.1 502"));
    running.signal("TERM");
    running.line("drained");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .current_dir(folder.path())
        .env_clear()
        .args([
            "run",
            "--stream-manager",
            "http://127.0.0.1:9",
            "--http",
            &addr,
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(
        log.contains(&format!("cannot listen on {addr}: Address already in use")),
        "{log}"
    );
}
