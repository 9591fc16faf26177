//! Commands that need no running whipstitch: completions, manual, version, schema.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use whipstitch_cli::{Cli, commands::Surroundings, perform};

fn printed(line: &str) -> String {
    let words = ["whipstitch"].into_iter().chain(line.split_whitespace());
    let exit = match Cli::read(words) {
        Ok(cli) => perform(&cli, &Surroundings::default()),
        Err(exit) => exit,
    };
    assert_eq!((exit.code, exit.err), (0, String::new()), "{line}");
    exit.out
}

#[test]
fn shells_understand_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&format!("completions {shell}"));
        for word in ["sessions", "log-level", "stream-manager"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
        let Ok(mut judge) = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn() else {
            continue;
        };
        judge
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(judge.wait().unwrap().success(), "{shell}");
    }
}

#[test]
fn the_version_and_the_manual() {
    let version = env!("CARGO_PKG_VERSION");
    for line in ["--version", "version"] {
        let text = printed(line);
        assert!(
            text.starts_with(&format!("whipstitch {version}\n")) && text.contains("aws-lc-rs "),
            "{text}"
        );
    }
    let json: serde_json::Value = serde_json::from_str(&printed("version --json")).unwrap();
    assert_eq!(json["version"], version);
    let page = printed("man");
    assert!(page.contains(".TH whipstitch 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    printed(&format!("man --output {}", folder.path().display()));
    for page in [
        "whipstitch.1",
        "whipstitch-status.1",
        "whipstitch-config-show.1",
    ] {
        assert!(folder.path().join(page).is_file(), "{page}");
    }
}

#[test]
fn the_schema_is_printed() {
    let schema: serde_json::Value = serde_json::from_str(&printed("config schema")).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
}
