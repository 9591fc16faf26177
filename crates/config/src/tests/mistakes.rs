use insta::assert_snapshot;

use super::{Case, RIGHT};
use crate::{Kind, keys::keys};

fn printed(file: &str) -> String {
    Case::file(file).printed()
}

#[test]
fn a_right_file_is_summed_up() {
    assert_snapshot!(printed(RIGHT), @r"
    whipstitch.toml: ok
      Stream Manager  http://127.0.0.1:5080, API 4.0
      https           0.0.0.0:8443
      http            none
      admin           none
      nodes           port 5080, as named by the Stream Manager
      session key     made at start: for one replica, until it stops
    ");
}

#[test]
fn nothing_at_all() {
    assert_snapshot!(Case::default().printed(), @r#"
    stream_manager.url: is missing: the base URL of the Stream Manager, such as "http://127.0.0.1:5080" (--stream-manager, WHIPSTITCH_STREAM_MANAGER)
    listen.https: there is no address to serve on: set listen.https (with tls.cert and tls.key), or listen.http
    2 mistakes in the configuration
    "#);
}

#[test]
fn an_empty_file() {
    assert_snapshot!(printed(""), @r#"
    whipstitch.toml: stream_manager.url: is missing: the base URL of the Stream Manager, such as "http://127.0.0.1:5080" (--stream-manager, WHIPSTITCH_STREAM_MANAGER)
    whipstitch.toml: listen.https: there is no address to serve on: set listen.https (with tls.cert and tls.key), or listen.http
    2 mistakes in the configuration
    "#);
}

#[test]
fn one_of_each() {
    let file = r#"url = "http://127.0.0.1"
[stream_manager]
url = "ftp://admin:secret@manager:99999/path?query"
timeout = 2
api_version = "../4.0"
[listen]
https = ["0.0.0.0", "localhost:8443", "[::]:8443", ":443", "https://0.0.0.0:443", "0.0.0.0:99999", "::1:80"]
htps = 3
[tls]
cert = /etc/tls.crt
key = "nowhere.key"
[nodes]
port = 70000
allow = ["10.0.0.1", "10.0.0.0/8", 5]
[connections]
max = 0
h2_streams = -1
handshake_timeout = "10"
[limit]
in_flight = 1
[timeouts]
answer = "1s"
body = "1d"
https = true
[log]
format = "xml"
filter = "info,[["
[sessions]
lifetime = "0d"
key_file = ""
[proxy]
enabled = "true"
hosts = ["https://a", "a:80", "*.example.com", "live.example.com", "", "a/b"]
public_url = "live.example.com"
"#;
    assert_snapshot!(printed(file), @r#"
    whipstitch.toml:1: url: stands outside of its section: write it below [stream_manager]
    whipstitch.toml:3: stream_manager.url: has to start with http:// or https://
    whipstitch.toml:3: stream_manager.url: must not hold a query or a fragment
    whipstitch.toml:3: stream_manager.url: must not hold a user name or password
    whipstitch.toml:4: stream_manager.timeout: 2 is not a duration: a number and its unit, such as "500ms", "10s", "5m" or "2h"; add the unit, as in "2s"
    whipstitch.toml:5: stream_manager.api_version: is not a version such as "4.0"
    whipstitch.toml:7: listen.https: "0.0.0.0" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; the port is missing, as in "0.0.0.0:8443"
    whipstitch.toml:7: listen.https: "localhost:8443" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; names are not looked up here: write the IP address
    whipstitch.toml:7: listen.https: ":443" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; for every address write "0.0.0.0:443" or "[::]:443"
    whipstitch.toml:7: listen.https: "https://0.0.0.0:443" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; write the address alone, without a scheme
    whipstitch.toml:7: listen.https: "0.0.0.0:99999" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; ports end at 65535
    whipstitch.toml:7: listen.https: "::1:80" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; the port is missing, as in "[::1:80]:8443"
    whipstitch.toml:8: listen.htps: no such key; did you mean https? [listen] has https, http, proxy_protocol, proxy_protocol_optional, admin
    whipstitch.toml:10: tls.cert: text has to stand in quotes
    whipstitch.toml:11: tls.key: nowhere.key cannot be read: No such file or directory (os error 2)
    whipstitch.toml:13: nodes.port: 70000 is not a port: a whole number from 1 to 65535, without quotes
    whipstitch.toml:14: nodes.allow: "10.0.0.1" is not a network, such as "10.0.0.0/8" or "fd00::/8"; for this one address write "10.0.0.1/32"
    whipstitch.toml:14: nodes.allow: 5 is not a network, such as "10.0.0.0/8" or "fd00::/8"
    whipstitch.toml:16: connections.max: is 0; it has to be at least 1
    whipstitch.toml:17: connections.h2_streams: -1 is not a whole number from 1 on, without quotes
    whipstitch.toml:18: connections.handshake_timeout: "10" is not a duration: a number and its unit, such as "500ms", "10s", "5m" or "2h"; add the unit, as in "10s"
    whipstitch.toml:19: [limit]: no such section; did you mean [limits]?
    whipstitch.toml:22: timeouts.answer: is 1s, shorter than timeouts.connect (2s); it has to be at least as long
    whipstitch.toml:23: timeouts.body: "1d" is not a duration: a number and its unit, such as "500ms", "10s", "5m" or "2h"; days are not understood here: write hours
    whipstitch.toml:24: timeouts.https: no such key; https stands in [listen]. [timeouts] has connect, answer, manager_answer, body, abandoned
    whipstitch.toml:26: log.format: "xml" is not "auto", "text" or "json"
    whipstitch.toml:27: log.filter: is not a filter such as "info" or "info,whipstitch_origin=debug": invalid filter directive
    whipstitch.toml:29: sessions.lifetime: is zero; it has to be longer, such as "1s"
    whipstitch.toml:30: sessions.key_file: is empty; it has to be the name of a file
    whipstitch.toml:32: proxy.enabled: "true" is not true or false, without quotes
    whipstitch.toml:33: proxy.hosts: "https://a" has a scheme; write the host name alone
    whipstitch.toml:33: proxy.hosts: "a:80" is more than a host name; write it without a port
    whipstitch.toml:33: proxy.hosts: "*.example.com": there are no wildcards; write each name in full
    whipstitch.toml:33: proxy.hosts: "" is not a host name
    whipstitch.toml:33: proxy.hosts: "a/b" is not a host name
    whipstitch.toml:34: proxy.public_url: has to start with http:// or https://
    36 mistakes in the configuration
    "#);
}

#[test]
fn two_is_two_in_quotes_and_its_node_group_one_segment() {
    let file = "stream_manager.url = 'http://127.0.0.1'\nlisten.http = ['0.0.0.0:80']\n";
    let with = |more: &str| printed(&format!("{file}{more}"));
    assert_snapshot!(with("stream_manager.api = '2.0'\nstream_manager.node_group = 'a/b'"), @r#"
    whipstitch.toml:3: stream_manager.api: "2.0" is not "1" for Stream Manager 1.x or "2" for Stream Manager 2.0, in quotes; write the first digit alone
    whipstitch.toml:4: stream_manager.node_group: is not a node group such as "default": the node group may hold letters A-Z a-z, digits, `.`, `_`, `~` and `-`, but holds '/'
    2 mistakes in the configuration
    "#);
    assert_snapshot!(with("stream_manager.api = '4.0'"), @r#"
    whipstitch.toml:3: stream_manager.api: "4.0" is not "1" for Stream Manager 1.x or "2" for Stream Manager 2.0, in quotes; the version of its REST API, such as "4.0", belongs into stream_manager.api_version
    1 mistake in the configuration
    "#);
    assert_snapshot!(with("stream_manager.api = 2"), @r#"
    whipstitch.toml:3: stream_manager.api: 2 is not "1" for Stream Manager 1.x or "2" for Stream Manager 2.0, in quotes
    1 mistake in the configuration
    "#);
    assert_snapshot!(with("stream_manager.api = '2'\nstream_manager.access_token_file = 'token'"), @r#"
    whipstitch.toml:4: stream_manager.access_token_file: belongs to Stream Manager 1.x, and stream_manager.api is "2": 2.0 takes a login; set stream_manager.user_file and stream_manager.password_file instead
    1 mistake in the configuration
    "#);
    assert_snapshot!(with("stream_manager.user_file = 'user'\nstream_manager.password_file = 'password'"), @r#"
    whipstitch.toml:3: stream_manager.user_file: belongs to Stream Manager 2.0, and stream_manager.api is "1": set stream_manager.api = "2", or for 1.x stream_manager.access_token_file
    whipstitch.toml:4: stream_manager.password_file: belongs to Stream Manager 2.0, and stream_manager.api is "1": set stream_manager.api = "2", or for 1.x stream_manager.access_token_file
    2 mistakes in the configuration
    "#);
}

#[test]
fn tls_without_certificate_is_one_mistake_for_each_file() {
    let file = "stream_manager.url = 'http://127.0.0.1'\nlisten.https = ['0.0.0.0:443']\n";
    assert_snapshot!(printed(file), @r"
    whipstitch.toml: tls.cert: is missing: listen.https cannot speak TLS without a certificate
    whipstitch.toml: tls.key: is missing: listen.https cannot speak TLS without a private key
    2 mistakes in the configuration
    ");
}

#[test]
fn a_certificate_that_nobody_shows_is_a_warning() {
    let file = "stream_manager.url = 'http://127.0.0.1'\nlisten.http = ['0.0.0.0:80']\ntls.cert = 'tls.crt'\n";
    assert_snapshot!(printed(file), @r"
    warning: whipstitch.toml:3: tls.cert: is not used: no address in listen.https
    whipstitch.toml: ok
      Stream Manager  http://127.0.0.1, API 4.0
      https           none
      http            0.0.0.0:80
      admin           none
      nodes           port 5080, as named by the Stream Manager
      session key     made at start: for one replica, until it stops
    ");
}

#[test]
fn certificate_and_key_exchanged() {
    let file = "[stream_manager]\nurl = 'http://127.0.0.1'\n[listen]\nhttps = ['0.0.0.0:443']\n[tls]\ncert = 'tls.key'\nkey = 'tls.crt'\n";
    assert_snapshot!(printed(file), @r"
    whipstitch.toml:6: tls.cert: tls.key holds no certificate in PEM form, but a private key
    whipstitch.toml:7: tls.key: tls.crt holds no private key in PEM form, but a certificate
    2 mistakes in the configuration
    ");
}

#[test]
fn the_key_itself_instead_of_its_file_is_not_repeated() {
    let case = Case {
        file: Some(RIGHT),
        environment: &[
            ("WHIPSTITCH_KEY", &super::PAIR.1),
            ("WHIPSTITCH_SESSION_KEY", &super::PAIR.1),
        ],
        flags: &[],
    };
    assert_snapshot!(case.printed(), @r"
    WHIPSTITCH_KEY: is the contents of a file; give the file's name instead
    WHIPSTITCH_SESSION_KEY: is the contents of a file; give the file's name instead
    2 mistakes in the configuration
    ");
}

#[test]
fn addresses_that_collide() {
    let file = r#"
stream_manager.url = "http://127.0.0.1"
[listen]
http = [
    "127.0.0.1:80",
    "127.0.0.1:80",
    "0.0.0.0:80",
    "[::]:80",
    "127.0.0.1:0",
    "127.0.0.1:0",
]
admin = "[::1]:80"
"#;
    assert_snapshot!(printed(file), @r"
    whipstitch.toml:6: listen.http: 127.0.0.1:80 is taken by listen.http already
    whipstitch.toml:7: listen.http: 0.0.0.0:80 collides with 127.0.0.1:80 in listen.http: one of them takes the port on every address
    whipstitch.toml:12: listen.admin: [::1]:80 collides with [::]:80 in listen.http: one of them takes the port on every address
    3 mistakes in the configuration
    ");
}

#[test]
fn broken_syntax_ends_the_reading_but_not_the_flags() {
    let case = Case {
        file: Some(
            "[stream_manager]\nurl = 5\n[listen]\nhttps = [\"0.0.0.0:443\"\nhttp = []\n[tls]\ncert = 5\n",
        ),
        environment: &[("WHIPSTITCH_NODE_PORT", "0x10")],
        flags: &[("--admin", "9090")],
    };
    assert_snapshot!(case.printed(), @r#"
    whipstitch.toml:2: stream_manager.url: 5 is not a URL such as "http://127.0.0.1:5080"
    whipstitch.toml:5: not TOML, or a quote or bracket before it is not closed: missing comma between array elements, expected `,`; what follows was not read
    WHIPSTITCH_NODE_PORT: "0x10" is not a port: a whole number from 1 to 65535, without quotes
    --admin: "9090" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; the address is missing, as in "0.0.0.0:9090"
    4 mistakes in the configuration
    "#);
}

#[test]
fn keys_and_sections_written_twice() {
    let file = "[stream_manager]\nurl = 'http://a'\nurl = 'http://b'\n[listen]\nhttp = ['127.0.0.1:80']\n[stream_manager]\ntimeout = 'x'\n";
    assert_snapshot!(printed(file), @r#"
    whipstitch.toml:3: url is written twice: take one of them out
    whipstitch.toml:6: [stream_manager] is written twice: put its keys together
    whipstitch.toml:7: stream_manager.timeout: "x" is not a duration: a number and its unit, such as "500ms", "10s", "5m" or "2h"
    3 mistakes in the configuration
    "#);
}

#[test]
fn wrong_shapes() {
    let file = "listen = '0.0.0.0:80'\nproxy = []\n[stream_manager]\nurl = ['http://a']\n[nodes]\nallow = '10.0.0.0/8'\nport = { a = 1 }\n[[tls]]\ncert = 'x'\n[lookup]\ncapacity = 99999999999999999999999999999999999999999\nplay_ttl =\n";
    assert_snapshot!(printed(file), @r#"
    whipstitch.toml:1: listen: is a section: write [listen] on a line of its own, and its keys below it
    whipstitch.toml:2: proxy: is a section: write [proxy] on a line of its own, and its keys below it
    whipstitch.toml:4: stream_manager.url: a list is not a URL such as "http://127.0.0.1:5080"
    whipstitch.toml:6: nodes.allow: "10.0.0.0/8" stands alone where a list is expected: write ["10.0.0.0/8"]
    whipstitch.toml:7: nodes.port: a section is not a port: a whole number from 1 to 65535, without quotes
    whipstitch.toml:8: tls: is a section: write [tls] on a line of its own, and its keys below it
    whipstitch.toml:11: lookup.capacity: this is not a whole number from 1 on, without quotes
    whipstitch.toml:12: lookup.play_ttl: has no value
    8 mistakes in the configuration
    "#);
}

#[test]
fn a_word_of_the_log_filter_that_is_no_level_is_refused() {
    let file = "stream_manager.url = 'http://127.0.0.1'\nlisten.http = ['0.0.0.0:80']\n";
    let with = |filter: &str| printed(&format!("{file}log.filter = '{filter}'"));
    assert_snapshot!(with("debgu"), @r#"
    whipstitch.toml:3: log.filter: is not a filter such as "info" or "info,whipstitch_origin=debug": "debgu" is neither a level (error, warn, info, debug, trace, off) nor a target of whipstitch; did you mean debug?; for another target write its level, too, as in debgu=debug
    1 mistake in the configuration
    "#);
    assert_snapshot!(with("info,hyper"), @r#"
    whipstitch.toml:3: log.filter: is not a filter such as "info" or "info,whipstitch_origin=debug": "hyper" is neither a level (error, warn, info, debug, trace, off) nor a target of whipstitch; for another target write its level, too, as in hyper=debug
    1 mistake in the configuration
    "#);
}

#[test]
fn environment_and_flags() {
    let case = Case {
        file: None,
        environment: &[
            ("WHIPSTITCH_HTTPS", "localhost:443"),
            ("WHIPSTITCH_HTPS", "0.0.0.0:443"),
            ("WHIPSTITCH_LISTEN_HTTP", "0.0.0.0:80"),
            ("WHIPSTITCH_NODE_PORT", "tcp://10.0.0.1:80"),
            ("WHIPSTITCH_PORT", "tcp://10.0.0.1:80"),
            ("WHIPSTITCH_SERVICE_HOST", "10.0.0.1"),
            ("WHIPSTITCH_SERVICE_PORT_HTTPS", "8443"),
            ("WHIPSTITCH_PORT_8443_TCP_ADDR", "10.0.0.1"),
            ("WHIPSTITCH_NODES_PORT", "5080"),
            ("WHIPSTITCH_LOG_LEVEL", "debug"),
            ("WHIPSTITCH_QQ", "x"),
            ("WHIPSTITCH_PROXY_ENABLED", "off"),
            ("WHIPSTITCH_CERT", ""),
            ("OTHER", "x"),
        ],
        flags: &[
            ("--http", "127.0.0.1:80,foo, :90"),
            ("--allow-nodes", "10.0.0.0/33"),
            ("--cert", "nowhere.crt"),
        ],
    };
    assert_snapshot!(case.printed(), @r#"
    warning: WHIPSTITCH_HTPS: no such setting; did you mean WHIPSTITCH_HTTPS?
    warning: WHIPSTITCH_LISTEN_HTTP: no such setting; did you mean WHIPSTITCH_HTTP?
    warning: WHIPSTITCH_NODES_PORT: no such setting; did you mean WHIPSTITCH_NODE_PORT?
    warning: WHIPSTITCH_LOG_LEVEL: no such setting; the nearest is WHIPSTITCH_LOG
    warning: WHIPSTITCH_QQ: no such setting
    WHIPSTITCH_NODE_PORT: holds what Kubernetes sets for a Service of this name; set `enableServiceLinks: false` in the Pod
    WHIPSTITCH_HTTPS: "localhost:443" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; names are not looked up here: write the IP address
    WHIPSTITCH_PROXY_ENABLED: "off" is not true or false, without quotes
    --http: "foo" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"
    --http: ":90" is not an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443"; for every address write "0.0.0.0:90" or "[::]:90"
    --allow-nodes: "10.0.0.0/33" is not a network, such as "10.0.0.0/8" or "fd00::/8"
    --cert: nowhere.crt cannot be read: No such file or directory (os error 2)
    stream_manager.url: is missing: the base URL of the Stream Manager, such as "http://127.0.0.1:5080" (--stream-manager, WHIPSTITCH_STREAM_MANAGER)
    8 mistakes in the configuration
    "#);
}

#[test]
fn files_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whipstitch.toml");
    let load = || {
        let sources = super::Sources {
            file: Some(path.clone()),
            ..Default::default()
        };
        let text = super::load(&sources).unwrap_err().to_string();
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    let mut seen = vec![load()];
    std::fs::write(&path, b"[listen]\nhttp = \"\xff\"\n").unwrap();
    seen.push(load());
    std::fs::write(&path, " ".repeat(2 << 20)).unwrap();
    seen.push(load());
    assert_snapshot!(seen.join("\n"), @r"
    whipstitch.toml: cannot be read: No such file or directory (os error 2)
    1 mistake in the configuration
    whipstitch.toml:2: is not UTF-8 text
    1 mistake in the configuration
    whipstitch.toml: is no configuration: longer than 1048576 bytes
    1 mistake in the configuration
    ");
}

#[test]
fn a_flood_of_mistakes_is_cut() {
    let lines: Vec<String> = (0..1_000).map(|number| format!("k{number} = 1")).collect();
    let text = printed(&lines.join("\n"));
    assert_eq!(text.lines().count(), 102);
    assert!(
        text.ends_with("... and 902 more\n1002 mistakes in the configuration"),
        "{text}"
    );
}

#[test]
fn values_without_quotes() {
    let file = r#"
stream_manager.url = http://127.0.0.1
stream_manager.timeout = 10s
listen.https = [0.0.0.0:443, "[::]:443", localhost:80]
listen.admin = [::1]:9090
proxy.hosts = ["a.example]
proxy.enabled = yes
tls.cert = "c:\x\tls.crt"
tls.key = "tls.key" "#;
    assert_snapshot!(printed(file), @r"
    whipstitch.toml:2: stream_manager.url: text has to stand in quotes
    whipstitch.toml:3: stream_manager.timeout: is neither a number nor text: addresses, networks and durations have to stand in quotes
    whipstitch.toml:4: listen.https: is neither a number nor text: addresses, networks and durations have to stand in quotes
    whipstitch.toml:4: listen.https: text has to stand in quotes
    whipstitch.toml:5: more follows on the line than one value; text has to stand in quotes
    whipstitch.toml:5: listen.admin: text has to stand in quotes
    whipstitch.toml:7: not TOML, or a quote or bracket before it is not closed: missing comma between array elements, expected `,`; what follows was not read
    7 mistakes in the configuration
    ");
}

#[test]
fn what_was_probably_meant_is_not_called_missing() {
    let file = "[streammanager]\nurl = 'http://127.0.0.1'\n[listen]\nhttp_s = ['0.0.0.0:443']\n";
    assert_snapshot!(printed(file), @r"
    whipstitch.toml:1: [streammanager]: no such section; did you mean [stream_manager]?
    whipstitch.toml:4: listen.http_s: no such key; did you mean https? [listen] has https, http, proxy_protocol, proxy_protocol_optional, admin
    2 mistakes in the configuration
    ");
}

#[test]
fn text_that_never_ends() {
    let file = "[stream_manager]\nurl = 'x'\n[log]\nfilter = \"\"\"info\n[listen]\nhttp = 5\n";
    assert_snapshot!(printed(file), @r#"
    whipstitch.toml:2: stream_manager.url: has to start with http:// or https://
    whipstitch.toml:7: not TOML, or a quote or bracket before it is not closed: invalid multi-line basic string, expected `"`; what follows was not read
    2 mistakes in the configuration
    "#);
}

#[test]
fn no_password_is_repeated() {
    let url = "http://admin:s3cret@manager:5080";
    let file = format!("stream_manager.url = '{url}'\nlisten.http = ['{url}']\n");
    assert!(!printed(&file).contains("s3cret"));
    let mut config = crate::Config::default();
    config.stream_manager.url = Some(url.to_owned());
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn keys_that_fit_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (key, session_key) = (
        write("other.key", &super::pair().1),
        write("s.key", "short\n"),
    );
    let case = Case {
        file: Some(super::RIGHT),
        environment: &[],
        flags: &[("--key", &key), ("--session-key", &session_key)],
    };
    let printed = case
        .printed()
        .replace(&format!("{}/", folder.path().display()), "");
    assert_snapshot!(printed, @r"
    warning: --key: other.key can be read or changed by every user of this machine; chmod o= (in Kubernetes defaultMode: 0400)
    --key: other.key does not hold the key of the certificate in tls.crt, or one of a kind that is not supported (keys may not be consistent: KeyMismatch)
    --session-key: s.key: line 1 is not 32 bytes in base64; make a key with `openssl rand -base64 32`
    2 mistakes in the configuration
    ");
}

#[test]
fn values_beyond_all_use() {
    let file = r#"
stream_manager.url = "http://127.0.0.1"
listen.http = ["127.0.0.1:80"]
limits.in_flight = 9000000000000000000
limits.sockets = 10000001
limits.body_bytes = 1073741825
lookup.play_ttl = "99999999h"
nodes.named_for = "2000000000000000h"
timeouts.answer = "8760h 1ns"
sessions.lifetime = "366d"
"#;
    assert_snapshot!(printed(file), @r"
    whipstitch.toml:4: limits.in_flight: is 9000000000000000000; it has to be at most 10000000
    whipstitch.toml:5: limits.sockets: is 10000001; it has to be at most 10000000
    whipstitch.toml:6: limits.body_bytes: is 1073741825; it has to be at most 1073741824
    whipstitch.toml:7: lookup.play_ttl: is 99999999h; it has to be at most 8760h (365 days)
    whipstitch.toml:8: nodes.named_for: is 2000000000000000h; it has to be at most 8760h (365 days)
    whipstitch.toml:9: timeouts.answer: is 8760h 1ns; it has to be at most 8760h (365 days)
    whipstitch.toml:10: sessions.lifetime: is 366d; it has to be at most 365d
    7 mistakes in the configuration
    ");
}

#[test]
fn the_largest_values_are_taken() {
    for key in keys() {
        let (right, wrong) = match key.kind {
            Kind::Count if key.path.ends_with("_endpoints") => ("64", "65"),
            Kind::Count => ("10000000", "10000001"),
            Kind::Bytes => ("1073741824", "1073741825"),
            Kind::Duration if key.path == "stream_manager.probe" => ("\"1h\"", "\"1h 1ms\""),
            Kind::Duration => ("\"8760h\"", "\"8760h 1ms\""),
            Kind::Lifetime => ("\"365d\"", "\"365d 1ms\""),
            _ => continue,
        };
        // timeouts.answer is never shorter than timeouts.connect.
        let answer = match key.path {
            "timeouts.connect" => "timeouts.answer = \"8760h\"",
            _ => "",
        };
        let file = |value| format!("{} = {value}\n{answer}\n{RIGHT}", key.path);
        assert!(Case::file(&file(right)).load().is_ok(), "{}", key.path);
        assert!(Case::file(&file(wrong)).load().is_err(), "{}", key.path);
    }
}
