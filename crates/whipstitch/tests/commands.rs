//! The commands of the binary itself: right and wrong flags, a whipstitch that is not there, stops
//! or refuses, and what other programs make of what is printed.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for anything that should be there at once.
const SOON: Duration = Duration::from_secs(10);

/// The commands that ask a running whipstitch.
const QUESTIONS: [&str; 9] = [
    "status",
    "sessions",
    "sessions end s-1",
    "nodes",
    "lookups",
    "lookups forget --all",
    "drain",
    "reload",
    "log-level",
];

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whipstitch"));
    // Settings in the developer's environment must not reach it.
    command.args(line.split_whitespace()).env_clear();
    command
}

fn whipstitch(line: &str) -> Output {
    command(line).output().unwrap()
}

/// How it ended, and what it said on standard error.
fn failed(output: &Output) -> (i32, String) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.stdout.is_empty(), "{text}");
    (output.status.code().unwrap(), text)
}

fn printed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A socket that answers every request with this status and body.
fn served(path: &Path, status: &'static str, body: &'static str) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            answer(&mut socket.unwrap(), status, body);
        }
    });
}

fn answer(socket: &mut (impl Read + Write), status: &str, body: &str) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) == 1 {
        read.extend(byte);
    }
    let length = body.len();
    let _ = write!(
        socket,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

#[test]
fn a_whipstitch_that_is_not_there_ends_with_3_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let name = socket.to_str().unwrap();
    for question in QUESTIONS {
        let (code, said) = failed(&whipstitch(&format!("{question} --admin {name}")));
        assert_eq!(code, 3, "{question}: {said}");
        assert!(
            said.contains(name) && said.contains("is whipstitch running"),
            "{said}"
        );
    }
    // It was killed, and its socket is left.
    drop(UnixListener::bind(&socket).unwrap());
    let (code, said) = failed(&whipstitch(&format!("status --admin {name}")));
    assert!(code == 3 && said.contains("is not running"), "{said}");
    // A port without a listener.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, said) = failed(&whipstitch(&format!("status --admin {port}")));
    assert!(code == 3 && said.contains("listen.admin"), "{said}");
}

#[test]
fn one_that_stops_midway_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let gone = thread::spawn(move || drop(listener.accept().unwrap()));
    let (code, said) = failed(&whipstitch(&format!("status --admin {}", socket.display())));
    assert!(code == 3 && said.contains("went away"), "{said}");
    gone.join().unwrap();
}

#[test]
fn a_refusal_ends_with_4_in_the_words_of_the_other_side() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    served(
        &socket,
        "403 Forbidden",
        r#"{"error":"changes go through the socket"}"#,
    );
    let (code, said) = failed(&whipstitch(&format!("reload --admin {}", socket.display())));
    assert_eq!(
        (code, &*said),
        (4, "error: changes go through the socket\n")
    );
}

/// Only root can become another user, and no permission keeps root out.
#[test]
fn no_permission_names_the_owner() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("admin.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    if fs::metadata(&socket).unwrap().uid() != 0 {
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
    }
    // From a place that everybody can reach. Another process copies it: a file that this one has
    // open for writing is in every child that another test forks at that moment, and cannot be
    // executed until that child is another program.
    let binary = folder.path().join("whipstitch");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_whipstitch")).arg(&binary);
    assert!(copy.status().unwrap().success());
    let mut command = Command::new(&binary);
    command.args(["status", "--admin"]).arg(&socket).env_clear();
    if fs::metadata(&socket).unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let (code, said) = failed(&command.output().unwrap());
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("belongs to user") && said.contains("sudo"),
        "{said}"
    );
}

#[test]
fn tables_for_eyes_and_one_document_for_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    served(
        &socket,
        "200 OK",
        r#"{"state":"ready","version":"1.2.3","total":1,"nodes":[{"address":"10.0.0.7","state":"healthy"}]}"#,
    );
    let socket = socket.display();
    let table = printed(&whipstitch(&format!("nodes --admin {socket}")));
    assert!(
        table.starts_with("NODE      STATE") && table.contains("10.0.0.7  healthy"),
        "{table}"
    );
    // A pipe is no terminal.
    assert!(!table.contains('\u{1b}'));
    let json = printed(&whipstitch(&format!("nodes --json --admin {socket}")));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["nodes"][0]["address"], "10.0.0.7");
    assert!(
        printed(&whipstitch(&format!("status --admin unix:{socket}")))
            .starts_with("whipstitch 1.2.3: ready")
    );
}

#[test]
fn bad_news_ends_with_1_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    served(
        &socket,
        "200 OK",
        r#"{"state":"draining","certificates":"failed: no such file"}"#,
    );
    for question in ["status", "reload"] {
        let output = whipstitch(&format!("{question} --admin {}", socket.display()));
        assert_eq!(output.status.code(), Some(1), "{question}");
        assert!(!output.stdout.is_empty(), "{question}");
    }
}

#[test]
fn the_configuration_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            answer(&mut socket.unwrap(), "200 OK", r#"{"state":"ready"}"#);
        }
    });
    // A mistake elsewhere is no hindrance, and every address is this one too.
    fs::write(
        &file,
        format!("listen.admin = '0.0.0.0:{port}'\nnonsense = 1\n"),
    )
    .unwrap();
    let name = file.to_str().unwrap();
    for line in [
        format!("status --config {name}"),
        format!("--config {name} status"),
    ] {
        printed(&whipstitch(&line));
    }
    printed(
        &command("status")
            .env("WHIPSTITCH_CONFIG", name)
            .output()
            .unwrap(),
    );
    printed(
        &command("status")
            .env("WHIPSTITCH_ADMIN", format!("127.0.0.1:{port}"))
            .output()
            .unwrap(),
    );
    printed(
        &command("status")
            .env("WHIPSTITCH_ADMIN", format!("http://127.0.0.1:{port}"))
            .output()
            .unwrap(),
    );
    let (code, said) = failed(&whipstitch("status --config /no/such/file"));
    assert!(
        code == 2 && said.contains("/no/such/file: cannot be read"),
        "{said}"
    );
}

#[test]
fn wrong_flags_say_what_is_wrong() {
    for (line, code, words) in [
        ("status --bogus", 2, "--bogus"),
        ("sessions --sort size", 2, "possible values: age"),
        ("sessions --limit 0", 2, "--limit"),
        ("sessions end ../../drain", 2, "no id of a session"),
        ("lookups forget stream1", 2, "live/stream1"),
        ("log-level debug --for 25h", 2, "at most 24h"),
        ("log-level debug --for 10", 2, "such as 30s"),
        ("drain --timeout 5s", 2, "--wait"),
        ("status --admin https://127.0.0.1:9090", 2, "only http://"),
        ("status --admin nonsense", 2, "it has to be"),
        ("--https 0.0.0.0:443 status", 2, "--https has no meaning"),
        ("config", 64, "show"),
        ("config schema --json", 64, "--json"),
        ("--config a.toml version", 64, "--config has no meaning"),
        ("completions tcsh", 64, "bash"),
        ("import", 64, "FILE"),
        ("import a.properties --cert a", 64, "--key"),
        ("import /no/such.properties", 1, "cannot be read"),
        ("config show --https localhost:443", 78, "--https: "),
        ("check --config /no/such/file", 78, "cannot be read"),
    ] {
        let (got, said) = failed(&whipstitch(line));
        assert_eq!(got, code, "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
}

#[test]
fn check_names_everything_that_is_wrong_and_warns_of_loose_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(
        folder.path().join("key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    fs::set_permissions(
        folder.path().join("key.pem"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let text = "stream_manager.url = 'http://127.0.0.1'\nlisten.https = ['127.0.0.1:0']\ntls = { cert = 'cert.pem', key = 'key.pem' }\n";
    fs::write(&file, text).unwrap();
    let said = printed(&whipstitch(&format!("check --config {}", file.display())));
    assert!(
        said.contains("warning: ") && said.contains("key.pem can be read or changed by every user"),
        "{said}"
    );

    fs::write(
        &file,
        format!("{text}nodes.portt = 1\ntimeouts.body = '10'\nsessions.key_file = '.'\n"),
    )
    .unwrap();
    let (code, said) = failed(&whipstitch(&format!("check --config {}", file.display())));
    assert_eq!(code, 78);
    for words in [
        "whipstitch.toml:4: nodes.portt: no such key; did you mean port?",
        "whipstitch.toml:5: timeouts.body: \"10\" is not a duration",
        "add the unit, as in \"10s\"",
        "whipstitch.toml:6: sessions.key_file: ",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn what_counts_and_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whipstitch.toml");
    fs::write(
        &file,
        "stream_manager.url = 'http://127.0.0.1'\nlisten.http = ['127.0.0.1:0']\n",
    )
    .unwrap();
    let name = file.to_str().unwrap();
    let show = |flags: &str| {
        let line = format!("config show --config {name} --node-port 5081 {flags}");
        printed(
            &command(&line)
                .env("WHIPSTITCH_LOG", "debug")
                .output()
                .unwrap(),
        )
    };
    let all: serde_json::Value = serde_json::from_str(&show("--json")).unwrap();
    let from = |key: &str| {
        let all = all.as_array().unwrap();
        all.iter().find(|one| one["key"] == key).unwrap()["from"].clone()
    };
    assert_eq!(from("stream_manager.url"), "file:1");
    assert_eq!(from("log.filter"), "environment WHIPSTITCH_LOG");
    assert_eq!(from("nodes.port"), "command line");
    assert_eq!(from("nodes.poll"), "default");
    // What is printed for eyes is a file that is right.
    let shown = folder.path().join("shown.toml");
    fs::write(&shown, show("")).unwrap();
    printed(&whipstitch(&format!("check --config {}", shown.display())));
}

#[test]
fn what_is_imported_can_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let properties = folder.path().join("red5-web.properties");
    fs::write(
        &properties,
        "proxy.enabled=true\nrest.administratorToken=word-of-the-manager\n",
    )
    .unwrap();
    let output = folder.path().join("whipstitch.toml");
    let line = format!(
        "import {} --output {}",
        properties.display(),
        output.display()
    );
    let written = whipstitch(&line);
    assert_eq!(printed(&written), "");
    let said = String::from_utf8(written.stderr).unwrap();
    assert!(!said.contains("word-of") && said.contains(": ok"), "{said}");
    printed(&whipstitch(&format!("check --config {}", output.display())));
    let (code, said) = failed(&whipstitch(&line));
    assert!(code == 64 && said.contains("--force"), "{said}");
}

/// A `whipstitch run`, ended by force when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_whole_life_of_one_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let file = folder.path().join("whipstitch.toml");
    fs::write(
        &file,
        // Not probed, or `status` would end with 1: no manager is there.
        "stream_manager.url = 'http://127.0.0.1:9'\nstream_manager.probe = '0s'\nlisten.http = ['127.0.0.1:0']\nadmin.socket = 'admin.sock'\n",
    )
    .unwrap();
    let line = |line: &str| format!("{line} --config {}", file.display());
    let mut run = command(&line("run"));
    let running = Running(run.stdout(Stdio::null()).spawn().unwrap());
    let began = Instant::now();
    while whipstitch(&line("status")).status.code() == Some(3) {
        assert!(began.elapsed() < SOON, "no answer at {}", socket.display());
    }
    let status = printed(&whipstitch(&line("status")));
    assert!(
        status.contains(": ready") && status.contains("whipstitch.toml"),
        "{status}"
    );
    assert_eq!(printed(&whipstitch(&line("sessions"))), "0 sessions\n");
    assert_eq!(printed(&whipstitch(&line("log-level"))), "info\n");
    let level = printed(&whipstitch(&line("log-level debug --for 5m")));
    assert!(
        level.starts_with("debug, for 4m 59s") || level.starts_with("debug, for 5m"),
        "{level}"
    );
    assert!(printed(&whipstitch(&line("log-level"))).starts_with("debug, for"));
    for wrong in ["not=a=level", "debgu", "info,acces"] {
        let (code, said) = failed(&whipstitch(&line(&format!("log-level {wrong}"))));
        assert!(code == 2 && said.contains("level"), "{said}");
    }
    assert!(printed(&whipstitch(&line("reload"))).contains("certificates"));
    assert!(printed(&whipstitch(&line("drain --wait"))).starts_with("drained"));
    assert_eq!(whipstitch(&line("status")).status.code(), Some(1));
    drop(running);
    // It had no time to take its socket away.
    let (code, said) = failed(&whipstitch(&line("status")));
    assert!(code == 3 && said.contains("is not running"), "{said}");
}
