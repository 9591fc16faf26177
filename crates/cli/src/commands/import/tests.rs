use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use clap::Parser;
use insta::assert_snapshot;

use super::*;

/// After the sample in the documentation of Stream Manager 1.x.
const REAL: &str = "\
## RED5 APP CONFIGURATION SECTION - Do Not Tamper
webapp.contextPath=/streammanager

## DATABASE CONFIGURATION SECTION
config.dbHost=db.example.com
config.dbPass=database-word
#config.dbDriver=org.postgresql.Driver

## CLUSTER CONFIGURATION INFORMATION
cluster.password=cluster-word
cluster.accessPort=5080

## LOADBALANCING CONFIGURATION
streammanager.ip==z2go1nhorcpsxlxy.com

## REST SECURITY SECTION
rest.administratorToken=admin-word

## RED5PRO NODE SERVER API SECTION
serverapi.port=5081
serverapi.protocol=http
serverapi.accessToken={node api security token}

## WEBSOCKET PROXY SECTION
proxy.enabled=true
";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// Imports `text` in `folder` with these flags, in which `@` stands for the folder.
fn import(folder: &Path, text: &str, flags: &str) -> Exit {
    fs::write(folder.join("red5-web.properties"), text).unwrap();
    let line =
        format!("import @/red5-web.properties {flags}").replace('@', &folder.display().to_string());
    perform(&Line::parse_from(line.split_whitespace()).options)
}

fn tidy(folder: &Path, text: &str) -> String {
    text.replace(&folder.display().to_string(), "")
}

#[test]
fn a_real_file_becomes_one_that_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let exit = import(folder, REAL, "--output @/whipstitch.toml");
    assert_eq!((exit.code, &*exit.out), (0, ""), "{}", exit.err);
    let written = fs::read_to_string(folder.join("whipstitch.toml")).unwrap();
    assert_snapshot!(tidy(folder, &written), @r#"
    # Written by `whipstitch import`. `whipstitch check --config FILE` says whether it is right;
    # deploy/whipstitch.toml and `whipstitch config schema` tell what else can be set.

    [stream_manager]
    # in no property: this machine and Red5's usual port, unless you change it
    url = "http://127.0.0.1:5080"
    # the file holds rest.administratorToken (red5-web.properties:17)
    access_token_file = "/access-token"

    [listen]
    # in no property, and no --cert was given: plain HTTP for this machine only. Browsers need https and [tls]
    http = ["127.0.0.1:8080"]
    # in no property: for probes, Prometheus and `whipstitch status`
    admin = "127.0.0.1:9090"

    [nodes]
    # from serverapi.port (red5-web.properties:20)
    port = 5081

    [proxy]
    # from proxy.enabled (red5-web.properties:25)
    enabled = true

    # Left out:
    # - the Stream Manager's own application:
    #     webapp.contextPath
    # - the Stream Manager's database, which Whipstitch does not use:
    #     config.dbHost
    #     config.dbPass
    # - how nodes find each other, which stays with the Stream Manager:
    #     cluster.password
    #     cluster.accessPort
    # - distinguishes several managers; it need not be an address (--stream-manager names the manager):
    #     streammanager.ip
    # - the Stream Manager's own way to its nodes, which it keeps:
    #     serverapi.accessToken
    "#);
    assert_snapshot!(tidy(folder, &exit.err), @r"
    left out:
      webapp.contextPath: the Stream Manager's own application
      config.dbHost, config.dbPass: the Stream Manager's database, which Whipstitch does not use
      cluster.password, cluster.accessPort: how nodes find each other, which stays with the Stream Manager
      streammanager.ip: distinguishes several managers; it need not be an address (--stream-manager names the manager)
      serverapi.accessToken: the Stream Manager's own way to its nodes, which it keeps
    wrote /access-token, readable by its owner only: the user that runs whipstitch has to own it
    wrote /whipstitch.toml

    /whipstitch.toml: ok
      Stream Manager  http://127.0.0.1:5080, API 4.0
      https           none
      http            127.0.0.1:8080
      admin           127.0.0.1:9090
      nodes           port 5081, as named by the Stream Manager
      session key     made at start: for one replica, until it stops
    ");
    let token = folder.join("access-token");
    assert_eq!(fs::read_to_string(&token).unwrap(), "admin-word\n");
    assert_eq!(
        fs::metadata(&token).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn nothing_secret_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for flags in ["", "--output @/a.toml", "--token-file @/token"] {
        let exit = import(folder.path(), REAL, flags);
        let all = format!("{}{}", exit.out, exit.err);
        assert!(exit.code == 0 && !all.contains("-word"), "{all}");
    }
    // Without a place to go the token is left out.
    let exit = import(folder.path(), REAL, "");
    assert!(
        exit.err
            .contains("rest.administratorToken: is never printed"),
        "{}",
        exit.err
    );
    assert!(!exit.out.contains("access_token_file"));
}

#[test]
fn what_exists_is_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for there in ["whipstitch.toml", "access-token"] {
        fs::write(folder.join(there), "mine").unwrap();
        let exit = import(folder, REAL, "--output @/whipstitch.toml");
        assert!(
            exit.code == EX_USAGE && exit.err.contains("--force"),
            "{}",
            exit.err
        );
        assert_eq!(fs::read_to_string(folder.join(there)).unwrap(), "mine");
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            2,
            "nothing else is written"
        );
        fs::remove_file(folder.join(there)).unwrap();
    }
    // A file that others can read, and a link to one, are replaced, not filled.
    fs::write(folder.join("other"), "mine").unwrap();
    std::os::unix::fs::symlink(folder.join("other"), folder.join("access-token")).unwrap();
    let exit = import(folder, REAL, "--output @/whipstitch.toml --force");
    assert_eq!(exit.code, 0, "{}", exit.err);
    assert_eq!(fs::read_to_string(folder.join("other")).unwrap(), "mine");
    let token = fs::symlink_metadata(folder.join("access-token")).unwrap();
    assert!(token.is_file() && token.permissions().mode() & 0o777 == 0o600);
}

#[test]
fn odd_values_are_left_out_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = "proxy.enabled=maybe\nserverapi.port=70000\nserverapi.port=0\nrest.administratorToken=\nhttp.port={port}\nevil\\u001b[2J=1\n";
    let exit = import(folder.path(), text, "");
    for expected in [
        "proxy.enabled, serverapi.port: holds no value of its kind",
        "rest.administratorToken: is empty",
        "http.port: holds a placeholder",
        "evil\\u{1b}[2J: nothing here is known",
    ] {
        assert!(exit.err.contains(expected), "{expected} in {}", exit.err);
    }
    assert!(!exit.out.contains('\u{1b}'));
    let over_tls = import(
        folder.path(),
        "serverapi.port=5443\nserverapi.protocol=https\n",
        "",
    );
    assert!(
        !over_tls.out.contains("port = 5443")
            && over_tls
                .err
                .contains("serverapi.port: serverapi.protocol is https")
    );
}

#[test]
fn several_files_and_the_last_value_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("red5.properties"),
        "http.port=5090\nproxy.enabled=true\n",
    )
    .unwrap();
    let exit = import(folder.path(), "proxy.enabled=false\n", "@/red5.properties");
    assert!(
        exit.out.contains("url = \"http://127.0.0.1:5090\"") && exit.out.contains("enabled = true"),
        "{}",
        exit.out
    );
    let off = import(
        folder.path(),
        "proxy.enabled=false\n",
        "--stream-manager http://10.0.0.2:5080",
    );
    assert!(
        off.out.contains("enabled = false") && off.out.contains("ATTENTION"),
        "{}",
        off.out
    );
    assert!(off.out.contains("url = \"http://10.0.0.2:5080\""));
}

#[test]
fn a_wrong_wish_is_told_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let exit = import(
        folder.path(),
        REAL,
        "--output @/a.toml --cert @/no.crt --key @/no.key",
    );
    assert_eq!(exit.code, crate::exit::EX_CONFIG);
    assert!(
        exit.err.contains("tls.cert: ") && exit.err.contains("cannot be read"),
        "{}",
        exit.err
    );
}

#[test]
fn what_cannot_be_read_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let exit = perform(&Line::parse_from(["import", "/no/such.properties"]).options);
    assert!(
        exit.code == 1 && exit.err.contains("/no/such.properties: cannot be read"),
        "{}",
        exit.err
    );
    let exit = import(folder.path(), "a=\\u12", "");
    assert!(
        exit.code == 1 && exit.err.contains("red5-web.properties:1: \\u is not"),
        "{}",
        exit.err
    );
    let exit = import(folder.path(), &"#".repeat(1 << 21), "");
    assert!(
        exit.code == 1 && exit.err.contains("longer than"),
        "{}",
        exit.err
    );
}

#[test]
fn a_file_that_is_no_properties_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (text, why) in [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("# a comment\n", "no line with a key"),
        ("just some words\nof prose\n", "no line with a key"),
        ("<?xml version=\"1.0\"?>\n<a b=\"c\"/>", "XML"),
        ("{\"proxy.enabled\": true}", "JSON"),
        ("[proxy]\nenabled = true\n", "TOML"),
        ("-----BEGIN PRIVATE KEY-----\nAA==\n", "PEM"),
        ("proxy.enabled=true\0", "bytes"),
        ("name=value\nother: x\n", "no property of a Stream Manager"),
    ] {
        let exit = import(folder, text, "--output @/whipstitch.toml");
        assert_eq!(exit.code, 1, "{text}");
        assert!(exit.err.contains(why), "{text}: {}", exit.err);
        assert!(exit.err.contains("red5-web.properties"), "{}", exit.err);
        assert!(!folder.join("whipstitch.toml").exists(), "{text}");
    }
}
