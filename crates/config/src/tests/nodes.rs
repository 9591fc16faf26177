//! What an operator is told about the addresses that may be dialled.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::{Case, RIGHT};

#[test]
fn every_bad_entry_is_named_with_what_is_wrong_with_it() {
    let file = format!(
        r#"{RIGHT}
[nodes]
allow_names = [".nodes.example.com", "*.example.com", "10.0.0.1", "node1."]
map = [
  "203.0.113.7=10.0.0.7",
  "203.0.113.8",
  "198.51.100.0/24=10.1.2.0/25",
  "198.51.100.9=::1",
  "198.51.100.9=0.0.0.0",
  "a=b",
]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @r#"
    whipstitch.toml:7: nodes.allow_names: "*.example.com" is not a host name, or with a dot in front the end of host names, such as ".nodes.example.com"; there are no wildcards: write a dot in front
    whipstitch.toml:7: nodes.allow_names: "10.0.0.1" is not a host name, or with a dot in front the end of host names, such as ".nodes.example.com"
    whipstitch.toml:7: nodes.allow_names: "node1." is not a host name, or with a dot in front the end of host names, such as ".nodes.example.com"
    whipstitch.toml:10: nodes.map: "203.0.113.8" is not a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24"; the public and the private address are separated by "="
    whipstitch.toml:11: nodes.map: "198.51.100.0/24=10.1.2.0/25" is not a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24"; both sides have to be networks of the same size, such as /24 and /24
    whipstitch.toml:12: nodes.map: "198.51.100.9=::1" is not a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24"; both sides have to be IPv4, or both IPv6
    whipstitch.toml:13: nodes.map: "198.51.100.9=0.0.0.0" is not a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24"; the private side holds an address that is no host: unspecified, multicast or broadcast
    whipstitch.toml:14: nodes.map: "a=b" is not a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24"; each side is an IP address or a network
    8 mistakes in the configuration
    "#);
}

#[test]
fn two_private_sides_of_one_public_one_are_a_mistake() {
    let file = format!(
        r#"{RIGHT}
[nodes]
map = ["198.51.100.0/24=10.1.2.0/24", "203.0.113.7=10.0.0.7", "198.51.100.9/24=10.1.3.0/24"]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @r"
    whipstitch.toml:7: nodes.map: 198.51.100.0/24=10.1.3.0/24 has the same public side as 198.51.100.0/24=10.1.2.0/24
    1 mistake in the configuration
    ");
}

#[test]
fn a_network_of_mapped_addresses_is_refused_with_the_right_form() {
    let file = format!(
        r#"{RIGHT}
[nodes]
allow = ["::ffff:10.0.0.0/104", "2001:db8::/64", "::ffff:127.0.0.1/128"]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @r"
    whipstitch.toml:7: nodes.allow: ::ffff:10.0.0.0/104 has no effect; write 10.0.0.0/8
    whipstitch.toml:7: nodes.allow: ::ffff:127.0.0.1/128 has no effect; write 127.0.0.1/32
    2 mistakes in the configuration
    ");
}

#[test]
fn waits_that_leave_no_time_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = format!(
        r#"{RIGHT}
stream_manager.timeout = "6s"
stream_manager.access_token_file = "{}"
[nodes]
poll = "1m"
named_for = "1m"
"#,
        token.display()
    );
    let printed = Case::file(&file).printed();
    let warnings: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    assert_snapshot!(warnings.join("\n"), @r"
    warning: whipstitch.toml:9: nodes.poll: is 60s, not shorter than nodes.named_for (60s): nodes of the list are forgotten between two looks at it
    warning: whipstitch.toml:6: stream_manager.timeout: is 6s, not shorter than timeouts.answer (6s), which holds the lookup and the node's own answer: a slow Stream Manager leaves the node no time
    ");
}

#[test]
fn a_wide_network_is_warned_of() {
    let file = format!(
        r#"{RIGHT}
[nodes]
allow = ["10.0.0.0/8", "0.0.0.0/0", "2000::/3", "2001:db8::/32"]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @r"
    warning: whipstitch.toml:7: nodes.allow: 0.0.0.0/0 lets every client reach any address in it at port 5080; leave it out if the Stream Manager names the nodes, or write the networks that hold them
    warning: whipstitch.toml:7: nodes.allow: 2000::/3 lets every client reach any address in it at port 5080; leave it out if the Stream Manager names the nodes, or write the networks that hold them
    whipstitch.toml: ok
      Stream Manager  http://127.0.0.1:5080, API 4.0
      https           0.0.0.0:8443
      http            none
      admin           none
      nodes           port 5080, as named by the Stream Manager, and in 10.0.0.0/8, 0.0.0.0/0, 2000::/3, 2001:db8::/32
      session key     made at start: for one replica, until it stops
    ");
}

#[test]
fn the_file_of_the_access_token_is_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let file = format!("stream_manager.access_token_file = 'token'\n{RIGHT}");
    let printed = |text: &str, mode| {
        std::fs::write(&token, text).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
        let text = match Case::file(&file).load_in(folder.path()) {
            Ok(loaded) => loaded.to_string(),
            Err(mistakes) => mistakes.to_string(),
        };
        assert!(!text.contains("s3cret"), "{text}");
        text.lines()
            .next()
            .unwrap()
            .replace(&format!("{}/", folder.path().display()), "")
    };
    assert_snapshot!(printed("s3cret\n", 0o600), @"whipstitch.toml: ok");
    assert_snapshot!(printed("s3cret\n", 0o644), @"warning: whipstitch.toml:1: stream_manager.access_token_file: token can be read or changed by every user of this machine; chmod o= (in Kubernetes defaultMode: 0400)");
    assert_snapshot!(printed("s3cret and more", 0o600), @"whipstitch.toml:1: stream_manager.access_token_file: token holds something else than one access token, printable and at most 1024 bytes long");
    assert_snapshot!(printed(" \n", 0o600), @"whipstitch.toml:1: stream_manager.access_token_file: token holds no access token");
}

#[test]
fn the_files_of_a_login_are_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let (user, password) = (folder.path().join("user"), folder.path().join("password"));
    let printed_for = |keys: &str, texts: [&[u8]; 2], mode| {
        for (path, text) in [&user, &password].into_iter().zip(texts) {
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let file = format!("stream_manager.api = '2'\n{keys}\n{RIGHT}");
        let text = match Case::file(&file).load_in(folder.path()) {
            Ok(loaded) => loaded.to_string(),
            Err(mistakes) => mistakes.to_string(),
        };
        assert!(!text.contains("s3cret"), "{text}");
        let is_told = |line: &&str| line.contains("stream_manager.") || line.ends_with(": ok");
        let told: Vec<&str> = text.lines().filter(is_told).collect();
        told.join("\n")
            .replace(&format!("{}/", folder.path().display()), "")
    };
    let printed =
        |keys: &str, texts: [&str; 2], mode| printed_for(keys, texts.map(str::as_bytes), mode);
    let both = "stream_manager.user_file = 'user'\nstream_manager.password_file = 'password'";
    let good = ["admin\n", "s3cret word\n"];
    assert_snapshot!(printed(both, good, 0o600), @"whipstitch.toml: ok");
    assert_snapshot!(printed(both, good, 0o644), @r"
    warning: whipstitch.toml:2: stream_manager.user_file: user can be read or changed by every user of this machine; chmod o= (in Kubernetes defaultMode: 0400)
    warning: whipstitch.toml:3: stream_manager.password_file: password can be read or changed by every user of this machine; chmod o= (in Kubernetes defaultMode: 0400)
    whipstitch.toml: ok
    ");
    assert_snapshot!(printed(both, ["s3cret:x", "s3cret\nmore"], 0o600), @r"
    whipstitch.toml:2: stream_manager.user_file: user holds a colon, which cannot be part of a user's name
    whipstitch.toml:3: stream_manager.password_file: password has to hold one line of at most 1024 bytes, without control characters
    ");
    assert_snapshot!(printed(both, ["\n", ""], 0o600), @r"
    whipstitch.toml:2: stream_manager.user_file: user is empty
    whipstitch.toml:3: stream_manager.password_file: password is empty
    ");
    assert_snapshot!(printed("stream_manager.user_file = 'user'", good, 0o600), @"whipstitch.toml:2: stream_manager.user_file: is set without stream_manager.password_file: a login takes both");
    assert_snapshot!(printed("stream_manager.password_file = 'password'", good, 0o600), @"whipstitch.toml:2: stream_manager.password_file: is set without stream_manager.user_file: a login takes both");
    assert_snapshot!(printed(both, ["\u{feff}admin\n", "\u{feff}s3cret\n"], 0o600), @"whipstitch.toml: ok");
    let stripped = format!("{both}\nstream_manager.strip_prefix = '/as/v1'");
    assert_snapshot!(printed(&stripped, good, 0o600), @r"
    warning: whipstitch.toml:2: stream_manager.user_file: is set together with stream_manager.strip_prefix: the login and the list of nodes are then asked of the service that stream_manager.url names, and as-streams answers neither; ask through the gateway, without strip_prefix
    whipstitch.toml: ok
    ");
    // Latin-1.
    let bytes: [&[u8]; 2] = [b"admin\n", b"s3cret\xe9\n"];
    assert_snapshot!(printed_for(both, bytes, 0o600), @"whipstitch.toml:3: stream_manager.password_file: password is not UTF-8 text; save it as ASCII or UTF-8");
}
