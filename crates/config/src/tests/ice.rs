//! What an operator is told about ICE servers and the secrets that belong to them.

use std::os::unix::fs::PermissionsExt;

use super::{Case, RIGHT};

/// All that is said of `[ice]`, with these files beside the configuration.
fn said(section: &str, files: &[(&str, &str, u32)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, mode) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
    let file = format!("{RIGHT}\n[ice]\n{section}\n");
    let text = match Case::file(&file).load_in(folder.path()) {
        Ok(loaded) => loaded.to_string(),
        Err(mistakes) => mistakes.to_string(),
    };
    assert!(!text.contains("s3cret"), "{text}");
    text.lines()
        .filter(|line| line.contains("ice."))
        .map(|line| line.split_once("ice.").unwrap().1.to_owned())
        .collect()
}

fn is_said(section: &str, files: &[(&str, &str, u32)], words: &[&str]) {
    let lines = said(section, files);
    assert_eq!(lines.len(), words.len(), "{section}: {lines:?}");
    for (line, word) in lines.iter().zip(words) {
        assert!(line.contains(word), "{section}: {line}");
    }
}

#[test]
fn a_bad_url_is_named_with_what_is_wrong_with_it() {
    is_said(
        r#"servers = ["stun:a", "stun://b", "http://c", "stun:d?transport=udp", "turn:e:0"]"#,
        &[],
        &[
            "no slashes",
            "it has to start with stun:",
            "only ?transport",
            "its port is not",
        ],
    );
    is_said(
        r#"servers = ["stun://b"]"#,
        &[],
        &[
            "servers: \"stun://b\" is not the URL of an ICE server, such as \"stun:stun.example.com\" or \"turn:turn.example.com:3478?transport=udp\"; no slashes stand after the scheme",
        ],
    );
    let many = format!("servers = [{}]", r#""stun:a","#.repeat(9));
    is_said(&many, &[], &["servers: lists 9 servers; at most 8"]);
}

#[test]
fn a_relay_needs_credentials_and_credentials_a_relay() {
    let secret = [("secret", "s3cret\n", 0o600)];
    let fixed = "username = 'u'\ncredential_file = 'secret'";
    is_said(
        r#"servers = ["turn:a"]"#,
        &[],
        &["is a TURN server, which asks for credentials"],
    );
    is_said(
        "servers = ['turn:a']\nturn_secret_file = 'secret'",
        &secret,
        &["Red5's SDK cuts them off"],
    );
    is_said(&format!("servers = ['turn:a']\n{fixed}"), &secret, &[]);
    is_said(
        &format!("servers = ['turn:a']\nturn_secret_file = 'secret'\n{fixed}"),
        &secret,
        &[],
    );
    is_said(
        fixed,
        &secret,
        &["is not used: ice.servers lists no TURN server"],
    );
    is_said(
        "servers = ['stun:a']\nturn_secret_file = 'secret'",
        &secret,
        &["is not used"],
    );
    is_said("username = 'u'", &[], &["credential_file: is missing"]);
    is_said(
        "credential_file = 'secret'",
        &secret,
        &["username: is missing"],
    );
    is_said("replace = true", &[], &["clients are told of none at all"]);
}

#[test]
fn the_files_are_looked_into_and_not_shown() {
    let section = "servers = ['turn:a']\nusername = 'u'\ncredential_file = 'secret'";
    let with = |text, mode| said(section, &[("secret", text, mode)]);
    assert_eq!(with("s3cret", 0o600), [""; 0]);
    assert!(with("s3cret", 0o644)[0].contains("every user of this machine"));
    assert!(with("s3cret=", 0o600)[0].contains("Red5's SDK cannot read"));
    assert!(with(" \n", 0o600)[0].contains("holds no secret"));
    assert!(with("s3cret two", 0o600)[0].contains("something else than one word"));
    assert!(said(section, &[])[0].contains("cannot be read"));
}
