use serde_json::json;

use super::RIGHT;
use crate::{Kind, keys::keys, schema};

fn complaints(text: &str) -> Vec<String> {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let file: toml::Table = toml::from_str(text).unwrap();
    let file = serde_json::to_value(file).unwrap();
    validator
        .iter_errors(&file)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn right_files_pass() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/whipstitch.toml");
    let sample = std::fs::read_to_string(sample).unwrap();
    for text in [&*sample, RIGHT, ""] {
        assert_eq!(complaints(text), [""; 0], "{text}");
    }
}

#[test]
fn every_default_and_every_example_passes() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for key in keys() {
        let (section, name) = key.split();
        let property = &schema["properties"][section]["properties"][name];
        let examples = property["examples"].as_array().into_iter().flatten();
        let values: Vec<_> = property
            .get("default")
            .into_iter()
            .chain(examples)
            .collect();
        assert!(!values.is_empty(), "{}", key.path);
        for value in values {
            let file = json!({section: {name: value}});
            assert!(validator.is_valid(&file), "{file}");
        }
    }
}

/// Every form that a duration may take in a file passes.
#[test]
fn nothing_that_is_read_is_refused() {
    for line in [
        "timeouts.body = '1m 30s'",
        "timeouts.body = '90 seconds'",
        "timeouts.body = 'PT1M30S'",
        "timeouts.body = '00:01:30'",
        "sessions.lifetime = '1w 2d'",
        "listen.https = ['[::]:443', '[fe80::1%2]:443', '0.0.0.0:443']",
        "nodes.allow = ['fd00::/8', '10.0.0.1/32']",
        "stream_manager.url = 'HTTPS://manager/'",
        "stream_manager.url = 'https://gateway/red5/sm/'",
        "ice.servers = ['TURNS:turn.example.com?transport=tcp']",
    ] {
        let config = toml::from_str::<crate::Config>(line);
        assert!(config.is_ok(), "{line}: {config:?}");
        assert_eq!(complaints(line), [""; 0], "{line}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (line, at) in [
        ("[nonsense]", "/"),
        ("nodes.prot = 1", "/nodes"),
        ("nodes.port = 0", "/nodes/port"),
        ("nodes.port = 65536", "/nodes/port"),
        ("nodes.port = '5080'", "/nodes/port"),
        ("lookup.play_endpoints = 65", "/lookup/play_endpoints"),
        ("lookup.play_uses = 0", "/lookup/play_uses"),
        ("limits.sdp_bytes = 1073741825", "/limits/sdp_bytes"),
        ("timeouts.body = '10'", "/timeouts/body"),
        ("timeouts.body = 10", "/timeouts/body"),
        ("proxy.enabled = 'yes'", "/proxy/enabled"),
        ("listen.https = '0.0.0.0:443'", "/listen/https"),
        ("listen.https = ['localhost:443']", "/listen/https/0"),
        ("nodes.allow = ['10.0.0.1']", "/nodes/allow/0"),
        ("log.format = 'xml'", "/log/format"),
        ("stream_manager.api = '3'", "/stream_manager/api"),
        (
            "stream_manager.url = 'http://manager/path?query'",
            "/stream_manager/url",
        ),
        ("tls.cert = ''", "/tls/cert"),
    ] {
        let all = complaints(line);
        let found = all
            .iter()
            .any(|one| one.starts_with(&format!("{at}: ")) || (at == "/" && one.starts_with(": ")));
        assert!(found, "{line}: {all:?}");
    }
}

#[test]
fn every_kind_has_a_shape() {
    for key in keys() {
        let (section, name) = key.split();
        let property = &schema()["properties"][section]["properties"][name];
        assert!(
            property.get("type").is_some() || property.get("enum").is_some(),
            "{}",
            key.path
        );
        assert_eq!(
            property["type"] == "array",
            key.kind.is_list(),
            "{}",
            key.path
        );
        assert_eq!(property["type"] == "boolean", key.kind == Kind::Switch);
    }
}
