use serde_json::json;

use super::{Case, RIGHT};
use crate::{Config, Origins, effective, keys::keys};

/// Key, value and origin of one key, as JSON.
fn shown(case: &Case<'_>, path: &str) -> serde_json::Value {
    let loaded = case.load().unwrap();
    let all = serde_json::to_value(effective(&loaded.config, &loaded.origins)).unwrap();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), keys().count());
    all.iter().find(|one| one["key"] == path).unwrap().clone()
}

#[test]
fn each_value_says_where_it_came_from() {
    let file = format!("{RIGHT}\n[nodes]\nport = 5081\nallow = ['10.0.0.0/8']\n");
    let case = Case {
        file: Some(&file),
        environment: &[("WHIPSTITCH_ALLOW_NODES", "fd00::/8")],
        flags: &[("--admin", "127.0.0.1:9090")],
    };
    for (path, value, from) in [
        ("nodes.port", json!(5081), "file:7"),
        (
            "nodes.allow",
            json!(["fd00::/8"]),
            "environment WHIPSTITCH_ALLOW_NODES",
        ),
        ("listen.admin", json!("127.0.0.1:9090"), "command line"),
        ("timeouts.body", json!("10s"), "default"),
        ("sessions.key_file", json!(null), "default"),
    ] {
        let expected = json!({"key": path, "value": value, "from": from, "lowered_from": null});
        assert_eq!(shown(&case, path), expected);
    }
}

#[test]
fn a_password_is_not_shown_even_where_none_may_stand() {
    let mut config = Config::default();
    config.stream_manager.url = Some("http://me:word@manager".to_owned());
    let all = serde_json::to_string(&effective(&config, &Origins::default())).unwrap();
    assert!(!all.contains("me:") && all.contains("redacted"), "{all}");
}
