//! What an operator is told about traces.

use insta::assert_snapshot;

use super::{Case, RIGHT};

/// What is said of `[tracing]` with these lines.
fn said(lines: &str) -> String {
    let text = Case::file(&format!("{RIGHT}\n[tracing]\n{lines}\n")).printed();
    let of_tracing = text.lines().filter(|line| line.contains("tracing."));
    of_tracing.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_collector_is_a_url_and_no_more() {
    for right in [
        r#"otlp = "http://collector:4318""#,
        r#"otlp = "https://tempo.example/otlp/v1/traces""#,
        "otlp = \"http://127.0.0.1:4318/\"\nsample = 0.1\nparents = \"nobody\"",
        "otlp = \"http://127.0.0.1:4318\"\nsample = 0",
    ] {
        assert_eq!(said(right), "", "{right}");
    }
    assert_snapshot!(said(r#"otlp = "http://user:word@c:4318""#), @"whipstitch.toml:7: tracing.otlp: must not hold a user name or password");
    assert_snapshot!(said(r#"otlp = "http://c:4317""#), @"whipstitch.toml:7: tracing.otlp: is port 4317, where collectors speak gRPC; OTLP over HTTP is port 4318 by default");
    assert_snapshot!(said(r#"otlp = "collector""#), @r#"whipstitch.toml:7: tracing.otlp: has no valid host and port after the scheme, as in "http://127.0.0.1:4318""#);
    assert_snapshot!(said("otlp = 4318"), @r#"whipstitch.toml:7: tracing.otlp: 4318 is not a URL such as "http://127.0.0.1:4318""#);
}

#[test]
fn a_ratio_is_from_0_to_1_and_parents_are_a_word() {
    let with = |line: &str| said(&format!("otlp = \"http://c:4318\"\n{line}"));
    assert_snapshot!(with("sample = 1.5"), @"whipstitch.toml:8: tracing.sample: 1.5 is not a number from 0 to 1, without quotes, such as 0.1");
    assert_snapshot!(with("sample = \"10%\""), @r#"whipstitch.toml:8: tracing.sample: "10%" is not a number from 0 to 1, without quotes, such as 0.1"#);
    assert_snapshot!(with("parents = \"all\""), @r#"whipstitch.toml:8: tracing.parents: "all" is not "forwarders", "anyone" or "nobody""#);
    assert_snapshot!(with("parents = \"anyone\""), @r#"warning: whipstitch.toml:8: tracing.parents: is "anyone": every client decides which traces its requests belong to, and that they are told, whatever tracing.sample says"#);
    assert_snapshot!(said("sample = 0.5\nparents = \"nobody\""), @r#"
    warning: whipstitch.toml:7: tracing.sample: is not used: there is no collector in tracing.otlp
    warning: whipstitch.toml:8: tracing.parents: is not used: there is no collector in tracing.otlp
    "#);
}

#[test]
fn a_variable_may_say_it_too() {
    let environment = [
        ("WHIPSTITCH_TRACING_OTLP", "http://c:4318"),
        ("WHIPSTITCH_TRACING_SAMPLE", "0.25"),
    ];
    let case = Case {
        environment: &environment,
        ..Case::file(RIGHT)
    };
    let folder = tempfile::tempdir().unwrap();
    let loaded = case.load_in(folder.path()).unwrap();
    assert_eq!(loaded.config.tracing.sample, 0.25.try_into().unwrap());
}
