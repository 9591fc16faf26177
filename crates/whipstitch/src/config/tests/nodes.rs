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
    assert_snapshot!(Case::file(&file).printed(), @"");
}

#[test]
fn two_private_sides_of_one_public_one_are_a_mistake() {
    let file = format!(
        r#"{RIGHT}
[nodes]
map = ["198.51.100.0/24=10.1.2.0/24", "203.0.113.7=10.0.0.7", "198.51.100.9/24=10.1.3.0/24"]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @"");
}

#[test]
fn a_wide_network_is_warned_of() {
    let file = format!(
        r#"{RIGHT}
[nodes]
allow = ["10.0.0.0/8", "0.0.0.0/0", "2000::/3", "2001:db8::/32"]
"#
    );
    assert_snapshot!(Case::file(&file).printed(), @"");
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
    assert_snapshot!(printed("s3cret\n", 0o600), @"");
    assert_snapshot!(printed("s3cret\n", 0o644), @"");
    assert_snapshot!(printed("s3cret and more", 0o600), @"");
    assert_snapshot!(printed(" \n", 0o600), @"");
}
