//! The binary itself: nothing that is secret is in its log, its metrics or its admin interface,
//! whatever goes wrong.

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
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

/// Longest wait for anything that should be there at once.
const SOON: Duration = Duration::from_secs(20);
/// In every secret below, so that one search finds any of them.
const MARK: &str = "hunter2";
/// 32 bytes; base64 has no mark in it.
const SESSION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Everything of the admin interface that can be read.
const READ: &[&str] = &[
    "/",
    "/metrics",
    "/status",
    "/sessions",
    "/nodes",
    "/lookups",
    "/recent",
    "/history",
    "/config",
    "/streammanager/api/4.0/admin/proxy/clients?filter=any",
];

/// A running `whipstitch run`, ended by force when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    log: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// The next line of the log with this message.
    fn line(&mut self, message: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "{}", self.log);
            self.log.push_str(&line);
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    /// Ends it, and gives all that it said.
    fn said(mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.out.read_to_string(&mut self.log).unwrap();
        std::mem::take(&mut self.log)
    }
}

/// Answers lookups as a Stream Manager and everything else as a node; the connection ends with the
/// answer.
fn peer(listener: &TcpListener) {
    for socket in listener.incoming().map_while(Result::ok) {
        let mut lines = BufReader::new(socket);
        let (mut first, mut length) = (String::new(), 0);
        let _ = lines.read_line(&mut first);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) <= 2 {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let _ = lines.read_exact(&mut vec![0; length]);
        let answer = if first.starts_with("POST") {
            format!(
                "201 Created\r\nLocation: /live/whip/resource/s1?secret={MARK}\r\nETag: \"e\"\r\n\
                 Link: <turn:turn.example.com>; rel=\"ice-server\"; username=\"u\"; credential=\"{MARK}\"; credential-type=\"password\"\r\n\
                 Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"
            )
        } else if first.contains("/auth/login") {
            let body = format!(r#"{{"token":"jwt-{MARK}"}}"#);
            format!("200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else if first.contains("/admin/nodegroup") {
            format!("401 No\r\nContent-Length: 7\r\n\r\n{MARK}")
        } else if first.contains("/streams/stream/") && first.contains("/live/s1") {
            let body = r#"[{"streamGuid":"live/s1","serverAddress":"127.0.0.2"}]"#;
            format!("200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else if first.contains("/event/live/s1") {
            let body = r#"{"name":"s1","scope":"/live","serverAddress":"127.0.0.2","region":"r"}"#;
            format!("200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!("500 Oh no\r\nX-Secret: {MARK}\r\nContent-Length: 7\r\n\r\n{MARK}")
        };
        let _ = write!(
            lines.get_mut(),
            "HTTP/1.1 {}",
            answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
        );
    }
}

/// The address of a thread that answers as [`peer`].
fn start_peer(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || peer(&listener));
    address
}

/// What differs between the generations of the manager, and with them between the ways of a bearer
/// token.
const GENERATIONS: [(&str, &str); 2] = [
    ("api = \"1\"\naccess_token_file = \"access-token\"", "pass"),
    (
        "api = \"2\"\nuser_file = \"manager-user\"\npassword_file = \"manager-password\"",
        "query",
    ),
];

fn start(folder: &Path, level: &str, (manager_keys, bearer): (&str, &str)) -> Running {
    let manager = start_peer("127.0.0.1:0");
    let node = start_peer("127.0.0.2:0");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, text) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("session.key", SESSION_KEY.to_owned()),
        ("turn.secret", format!("turn-{MARK}")),
        ("turn.password", format!("password-{MARK}")),
        ("access-token", format!("token-{MARK}")),
        ("manager-user", format!("user-{MARK}")),
        ("manager-password", format!("password-{MARK}")),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let config = format!(
        r#"
        [stream_manager]
        url = "http://{manager}"
        {manager_keys}
        [proxy]
        bearer = "{bearer}"
        [listen]
        https = ["127.0.0.1:0"]
        http = ["127.0.0.1:0"]
        admin = "127.0.0.1:0"
        [tls]
        cert = "cert.pem"
        key = "key.pem"
        [sessions]
        key_file = "session.key"
        [ice]
        servers = ["turn:turn.example.com:3478"]
        turn_secret_file = "turn.secret"
        username = "red5"
        credential_file = "turn.password"
        [nodes]
        port = {}
        allow = ["127.0.0.0/8"]
        [log]
        filter = "{level}"
        format = "json"
        "#,
        node.port()
    );
    fs::write(folder.join("whipstitch.toml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_whipstitch"))
        .current_dir(folder)
        .env_clear()
        .args(["run", "--config", "whipstitch.toml"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let log = String::new();
    Running { child, out, log }
}

/// The one address in the text of a list of them.
fn address(list: &serde_json::Value) -> SocketAddr {
    let text = list.as_str().unwrap();
    text.trim_start_matches(['[', 'S', 'o', 'm', 'e', '('])
        .trim_end_matches([']', ')'])
        .parse()
        .unwrap()
}

fn ask(addr: SocketAddr, line: &str, fields: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    write!(
        socket,
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let lines = answer.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn nothing_secret_is_in_log_metrics_or_admin_interface() {
    for (level, generation) in [
        ("info", GENERATIONS[0]),
        ("debug", GENERATIONS[0]),
        ("info", GENERATIONS[1]),
        ("debug", GENERATIONS[1]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = start(folder.path(), level, generation);
        let ready = running.line("ready");
        let (http, admin) = (address(&ready["http"]), address(&ready["admin"]));
        let sdp = format!(
            "Content-Type: application/sdp\r\nAuthorization: Bearer {MARK}\r\nCookie: a={MARK}\r\n\
             Referer: https://a/?{MARK}\r\nIf-Match: \"{MARK}\"\r\n"
        );
        let query = format!("username=u&password={MARK}&token={MARK}&accessToken={MARK}");
        let offer = format!("v=0\r\na=ice-pwd:{MARK}\r\n");

        let target = format!("POST /live/whip/endpoint/s1?{query}");
        let created = ask(http, &target, &sdp, &offer);
        assert!(created.starts_with("HTTP/1.1 201"), "{created}");
        let session = header(&created, "location");
        let path = &session[session.find("/live/").unwrap()..];
        let (_, token) = path.rsplit_once('/').unwrap();
        let token = token.split('?').next().unwrap();
        assert!(token.len() > 40, "{path}");
        // The password that was made for this session: base64 of 20 bytes.
        let minted = created.split("credential=\"").nth(1).unwrap();
        let minted = minted.split('"').next().unwrap().to_owned();

        for line in [
            format!("PATCH {path}?{query}"),
            format!("DELETE {path}?{query}"),
            format!("DELETE /live/whip/resource/s1/{MARK}?{query}"),
            format!("OPTIONS /live/whep/endpoint/s1?{query}"),
            format!("POST /live/whep/endpoint/none?{query}"),
            format!("POST /live/whip/endpoint/s1?host={MARK}%00&{query}"),
            format!("POST /live/whip/endpoint/s1?{query}&%zz={MARK}"),
            format!("GET /streammanager/api/4.0/event/live/s1?action=broadcast&{query}"),
            format!("GET /streammanager/api/4.0/admin/nodegroup?{query}"),
            format!("GET /a%0d%0ax?{query}"),
            format!("BREW /?{query}"),
        ] {
            let answer = ask(http, &line, &sdp, &offer);
            assert!(answer.starts_with("HTTP/1.1 "), "{line}: {answer}");
        }
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for host in ["169.254.169.254", "127.0.0.2", MARK] {
            let line = format!("GET /streammanager/?id=s1&host={host}&app=live&{query}");
            let mut socket = TcpStream::connect(http).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            write!(
                socket,
                "{line} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n"
            )
            .unwrap();
            let mut first = String::new();
            BufReader::new(socket).read_line(&mut first).unwrap();
            assert!(first.starts_with("HTTP/1.1 "), "{line}: {first}");
        }

        let mut said = String::new();
        for path in READ {
            let answer = ask(admin, &format!("GET {path}"), "", "");
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            said.push_str(&answer);
        }
        said.push_str(&running.said());
        assert!(said.contains("bad-query") && said.contains("whip_endpoint"));
        for secret in [MARK, SESSION_KEY, token, &minted, "PRIVATE KEY"] {
            let told = said.lines().find(|line| line.contains(secret));
            assert_eq!(told, None, "{level}: {secret}");
        }
    }
}
