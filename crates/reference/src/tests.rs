use std::path::Path;

use super::pages;
use whipstitch_config::{Config, keys::SECTIONS};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn sample() -> String {
    std::fs::read_to_string(root().join("deploy/whipstitch.toml")).unwrap()
}

#[test]
fn the_files_are_up_to_date() {
    for (path, text) in pages() {
        let there = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(
            there == text,
            "{path} is out of date: run `cargo xtask reference`"
        );
    }
}

#[test]
fn the_sample_holds_the_defaults_and_what_is_required() {
    let mut config: Config = toml::from_str(&sample()).unwrap();
    assert!(config.stream_manager.url.take().is_some());
    assert!(config.tls.cert.take().is_some());
    assert!(config.tls.key.take().is_some());
    assert!(!std::mem::take(&mut config.listen.https).is_empty());
    assert_eq!(config, Config::default());
}

#[test]
fn the_sample_names_every_key_in_its_section() {
    let sample = sample();
    for section in SECTIONS {
        let (_, from) = sample
            .split_once(&format!("\n[{}]\n", section.name))
            .unwrap();
        let body = from.split("\n[").next().unwrap();
        for key in section.keys {
            let (_, name) = key.split();
            let starts = [format!("{name} = "), format!("# {name} = ")];
            assert!(
                body.lines()
                    .any(|line| starts.iter().any(|start| line.starts_with(start))),
                "{}",
                key.path
            );
        }
    }
}

/// Taking the `#` away from an example leaves a file that is still right.
#[test]
fn the_examples_in_the_sample_are_right_too() {
    let examples: String = sample()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(example)
                if example
                    .split_once(" = ")
                    .is_some_and(|(key, _)| !key.contains(' ')) =>
            {
                example
            }
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let config: Config = toml::from_str(&examples).unwrap();
    assert!(config.listen.admin.is_some());
    assert!(config.sessions.key_file.is_some());
}

#[test]
fn a_cell_of_a_table_holds_no_bar() {
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        assert!(
            !key.meaning.contains('|') && !key.meaning.contains('\n'),
            "{}",
            key.path
        );
    }
}
