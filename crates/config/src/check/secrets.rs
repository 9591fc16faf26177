//! Files with secrets that everybody on the machine can read.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{Config, Finding, files};

/// A warning for each file that is open to all. That its group can read it is customary, as for
/// Debian's `ssl-cert`; the file of session keys is judged alike, beside its other rules.
pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let files = [
        ("tls.key", &config.tls.key),
        (
            "stream_manager.access_token_file",
            &config.stream_manager.access_token_file,
        ),
        ("stream_manager.user_file", &config.stream_manager.user_file),
        (
            "stream_manager.password_file",
            &config.stream_manager.password_file,
        ),
        ("auth.key_file", &config.auth.key_file),
        ("ice.turn_secret_file", &config.ice.turn_secret_file),
        ("ice.credential_file", &config.ice.credential_file),
    ];
    for (key, path) in files {
        let Some(path) = path else { continue };
        // A certificate in the place of a key is another mistake, and no secret.
        if key == "tls.key" && !files::is_secret(path) || key == "auth.key_file" && is_public(path)
        {
            continue;
        }
        let open = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o006 != 0);
        if open {
            let what = format!(
                "{} can be read or changed by every user of this machine; chmod o= (in Kubernetes defaultMode: 0400)",
                path.display()
            );
            found.push(Finding::new([key], what).warning());
        }
    }
}

/// Whether a file holds a public key.
fn is_public(path: &Path) -> bool {
    files::readable(path).is_ok_and(|text| text.contains("-----BEGIN PUBLIC KEY-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_that_is_open_to_all_is_worth_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let text = "-----BEGIN PRIVATE KEY-----\nword\n";
        fs::write(&path, text).unwrap();
        let mut config = Config::default();
        config.tls.key = Some(path.clone());
        config.stream_manager.access_token_file = Some(path.clone());
        config.stream_manager.user_file = Some(path.clone());
        config.stream_manager.password_file = Some(path.clone());
        config.auth.key_file = Some(path.clone());
        config.ice.turn_secret_file = Some(path.clone());
        config.ice.credential_file = Some(path.clone());
        for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 7), (0o602, 7)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let mut found = Vec::new();
            check(&config, &mut found);
            assert_eq!(found.len(), warnings, "{mode:o}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|one| one.warning && !one.what.contains("word"))
            );
        }
    }
}
