use std::{path::Path, time::Duration};

use super::{Case, RIGHT};
use crate::{Config, LogFormat};

fn config(case: &Case<'_>) -> Config {
    case.load().unwrap().config
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let file = format!("{RIGHT}\n[nodes]\nport = 1\n");
    let mut case = Case::file(RIGHT);
    assert_eq!(config(&case).nodes.port, 5080);
    case.file = Some(&file);
    assert_eq!(config(&case).nodes.port, 1);
    case.environment = &[("WHIPSTITCH_NODE_PORT", "2")];
    assert_eq!(config(&case).nodes.port, 2);
    case.flags = &[("--node-port", "3")];
    assert_eq!(config(&case).nodes.port, 3);
}

#[test]
fn lists_are_replaced_not_joined() {
    let file = format!("{RIGHT}\n[nodes]\nallow = ['10.0.0.0/8']\n");
    let case = Case {
        file: Some(&file),
        environment: &[("WHIPSTITCH_ALLOW_NODES", "127.0.0.0/8, fd00::/8,")],
        flags: &[],
    };
    let networks = ["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    assert_eq!(config(&case).nodes.allow, networks);
}

#[test]
fn a_mistake_counts_even_where_something_stronger_is_right() {
    let file = format!("{RIGHT}\n[nodes]\nport = 'x'\n");
    let case = Case {
        file: Some(&file),
        environment: &[],
        flags: &[("--node-port", "3")],
    };
    let mistakes = case.load().unwrap_err().mistakes;
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].key, "nodes.port");
}

#[test]
fn every_kind_of_value_can_come_from_the_environment() {
    let case = Case {
        file: Some(RIGHT),
        environment: &[
            ("WHIPSTITCH_PROXY_ENABLED", "false"),
            ("WHIPSTITCH_PROXY_HOSTS", "a.example,b.example"),
            ("WHIPSTITCH_SESSIONS_LIFETIME", "2d"),
            ("WHIPSTITCH_TIMEOUTS_BODY", "1m 30s"),
            ("WHIPSTITCH_LIMITS_BODY_BYTES", "1024"),
            ("WHIPSTITCH_LOG", "debug"),
            ("WHIPSTITCH_LOG_FORMAT", "json"),
            ("WHIPSTITCH_ADMIN", "127.0.0.1:9090"),
            ("WHIPSTITCH_STREAM_MANAGER", "https://manager/"),
        ],
        flags: &[],
    };
    let config = config(&case);
    assert!(!config.proxy.enabled);
    assert_eq!(config.proxy.hosts, ["a.example", "b.example"]);
    assert_eq!(config.sessions.lifetime, Duration::from_hours(48));
    assert_eq!(config.timeouts.body, Duration::from_secs(90));
    assert_eq!(config.limits.body_bytes, 1024);
    assert_eq!(
        (config.log.format, config.log.filter.as_str()),
        (LogFormat::Json, "debug")
    );
    assert_eq!(config.listen.admin, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(
        config.stream_manager.url.as_deref(),
        Some("https://manager")
    );
}

#[test]
fn names_in_the_file_start_at_its_folder_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere.key");
    std::fs::write(&elsewhere, &super::PAIR.1).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    let case = Case {
        file: Some(RIGHT),
        environment: &[],
        flags: &[("--key", elsewhere)],
    };
    let tls = case.load_in(folder.path()).unwrap().config.tls;
    assert_eq!(tls.cert.as_deref(), Some(&*folder.path().join("tls.crt")));
    assert_eq!(tls.key.as_deref(), Some(Path::new(elsewhere)));

    let case = Case {
        file: Some(RIGHT),
        environment: &[],
        flags: &[("--key", "tls.key")],
    };
    let mistakes = case.load_in(folder.path()).unwrap_err().mistakes;
    assert!(
        mistakes[0]
            .to_string()
            .starts_with("--key: tls.key cannot be read"),
        "{mistakes:?}"
    );
}

#[test]
fn every_key_for_a_file_starts_at_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("session.key"), "A".repeat(43) + "=\n").unwrap();
    std::fs::write(folder.path().join("token"), "abc").unwrap();
    std::fs::write(folder.path().join("jwt.key"), "a".repeat(32)).unwrap();
    let jwks = format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, "A".repeat(43));
    std::fs::write(folder.path().join("jwks.json"), jwks).unwrap();
    let auth = "[auth]\nkey_file = 'jwt.key'\njwks_file = 'jwks.json'\n";
    let right = RIGHT.replace("http://127", "https://127");
    let ice = "[ice]\nturn_secret_file = 'token'\nusername = 'u'\ncredential_file = 'token'\n";
    // The token is of one generation, the login of the other.
    let generations = [
        "stream_manager.access_token_file = 'token'\nstream_manager.ca_file = 'tls.crt'",
        "stream_manager.api = '2'\nstream_manager.user_file = 'token'\nstream_manager.password_file = 'token'",
    ]
    .map(|credentials| {
        let file = format!(
            "{credentials}\n{right}\n[sessions]\nkey_file = 'session.key'\n{auth}{ice}[admin]\nsocket = 'admin.sock'\n"
        );
        let config = Case::file(&file).load_in(folder.path()).unwrap().config;
        toml::Table::try_from(config).unwrap()
    });
    for key in crate::keys::keys().filter(|key| key.kind == crate::Kind::Path) {
        let (section, name) = key.split();
        let mut paths = generations
            .iter()
            .filter_map(|paths| paths[section].get(name)?.as_str());
        let path = paths.next().unwrap();
        assert!(Path::new(path).starts_with(folder.path()), "{}", key.path);
    }
}

#[test]
fn the_environment_names_the_file_unless_a_flag_does() {
    let folder = tempfile::tempdir().unwrap();
    Case::file(RIGHT).load_in(folder.path()).unwrap();
    let path = folder.path().join("whipstitch.toml");
    let path = path.to_str().unwrap();
    let case = Case {
        file: None,
        environment: &[("WHIPSTITCH_CONFIG", path)],
        flags: &[],
    };
    assert_eq!(case.load().unwrap().file.as_deref(), Some(Path::new(path)));
}

#[test]
fn what_is_written_can_be_read_again() {
    let mut config = Config::default();
    config.sessions.lifetime = Duration::from_millis(90_061_001);
    config.proxy.hosts.push("a.example".to_owned());
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
}
