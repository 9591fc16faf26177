//! How the Stream Manager is reached.

use std::{fs, path::Path};

use insta::assert_snapshot;

use super::Case;

const LISTEN: &str = "listen.http = ['0.0.0.0:80']\n";

fn printed(file: &str, folder: &Path) -> String {
    let text = match Case::file(&format!("{LISTEN}{file}")).load_in(folder) {
        Ok(loaded) => loaded.to_string(),
        Err(mistakes) => mistakes.to_string(),
    };
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn a_url_may_have_a_path_and_nothing_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = |url: &str| {
        let printed = printed(&format!("stream_manager.url = '{url}'"), folder.path());
        printed.lines().next().unwrap_or_default().to_owned()
    };
    assert_snapshot!(first("http://gw/red5/sm/"), @"whipstitch.toml: ok");
    assert_snapshot!(first("http://gw//sm"), @"whipstitch.toml:2: stream_manager.url: has a path that has an empty segment");
    assert_snapshot!(first("http://gw/a/../b"), @"whipstitch.toml:2: stream_manager.url: has a path that has a segment `.` or `..`");
    assert_snapshot!(first("http://gw/a%2Fb"), @"whipstitch.toml:2: stream_manager.url: has a path that holds '%'; letters A-Z a-z, digits, `.`, `_`, `~`, `-` and `/` are allowed");
    assert_snapshot!(first("http://gw/a b"), @"whipstitch.toml:2: stream_manager.url: has a path with a character that no URL may have");
    assert_snapshot!(first("http://gw/?a=b"), @"whipstitch.toml:2: stream_manager.url: must not hold a query or a fragment");
    assert_snapshot!(first("http://gw/a#b"), @"whipstitch.toml:2: stream_manager.url: must not hold a query or a fragment");
    assert_snapshot!(first("http://me:word@gw/a"), @"whipstitch.toml:2: stream_manager.url: must not hold a user name or password");
}

#[test]
fn a_prefix_and_a_host_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let file = "stream_manager.url = 'http://a'\nstream_manager.strip_prefix = 'as/v1'\nstream_manager.host = 'https://sm'";
    assert_snapshot!(printed(file, folder.path()), @r#"
    whipstitch.toml:3: stream_manager.strip_prefix: is not the beginning of a path such as "/as/v1": it does not begin with a slash
    whipstitch.toml:4: stream_manager.host: is not a host name or IP address, with or without a port, such as "sm.example.com"
    2 mistakes in the configuration
    "#);
    let file = "stream_manager.url = 'http://a'\nstream_manager.strip_prefix = '/'\nstream_manager.host = '-'";
    assert_snapshot!(printed(file, folder.path()), @r#"
    whipstitch.toml:3: stream_manager.strip_prefix: is not the beginning of a path such as "/as/v1": it has an empty segment
    whipstitch.toml:4: stream_manager.host: is no name that a certificate can hold
    2 mistakes in the configuration
    "#);
}

#[test]
fn a_file_of_authorities_that_holds_none_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let first = |url: &str| {
        let file = format!("stream_manager.url = '{url}'\nstream_manager.ca_file = 'ca.pem'");
        let printed = printed(&file, folder.path());
        printed.lines().next().unwrap_or_default().to_owned()
    };
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem cannot be read: No such file or directory (os error 2)");
    fs::write(&file, "").unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem is empty");
    fs::write(&file, b"\x30\x82\x01\x0a not text \xff").unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem is in DER form and not in PEM form; convert it with `openssl x509 -inform der` or `openssl pkey -inform der`");
    fs::write(
        &file,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem holds no certificate in PEM form, but a private key");
    fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem certificate 1 in it is broken: what it holds is not an X.509 certificate");
    let key = rcgen::generate_simple_self_signed(vec!["sm".to_owned()]).unwrap();
    fs::write(&file, key.cert.pem()).unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml: ok");
    let glued = key.cert.pem().trim().repeat(2);
    fs::write(&file, &glued).unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml: ok");
    fs::write(&file, glued.replace("----------BEGIN", "-----\n----BEGIN")).unwrap();
    let told = first("https://a");
    assert!(
        told.contains("ca.pem line ") && told.contains("five hyphens"),
        "{told}"
    );
    fs::write(
        &file,
        key.cert.pem().replace(" CERT", " TRUSTED CERT") + &key.cert.pem(),
    )
    .unwrap();
    assert_snapshot!(first("https://a"), @"whipstitch.toml:3: stream_manager.ca_file: ca.pem holds 2 certificates, and only 1 of them can be read; each has to begin with -----BEGIN CERTIFICATE----- and end with -----END CERTIFICATE-----");
    fs::write(&file, key.cert.pem()).unwrap();
    assert_snapshot!(first("http://a"), @"whipstitch.toml:3: stream_manager.ca_file: is only used over TLS, and stream_manager.url begins with http://");
}
