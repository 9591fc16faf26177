//! Keys of earlier versions.

use insta::assert_snapshot;

use super::{Case, RIGHT};

#[test]
fn a_key_that_is_gone_is_a_warning_that_says_why_and_no_mistake() {
    let file = format!("{RIGHT}\n[lookup]\npublish_ttl = \"10s\"\nplay_ttl = \"2s\"\n");
    let case = Case {
        file: Some(&file),
        environment: &[("WHIPSTITCH_LOOKUP_PUBLISH_TTL", "10s")],
        flags: &[],
    };
    let loaded = case.load().unwrap();
    assert_eq!(loaded.config.lookup.play_ttl.as_secs(), 2);
    let printed = case.printed();
    let warnings: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    assert_snapshot!(warnings.join("\n"), @r"
    warning: WHIPSTITCH_LOOKUP_PUBLISH_TTL: is gone and has no effect: the Stream Manager is asked for every publish, since that is when it hands the stream's provision to the node. Remove the key; lookup.stale_for is how long an answer to a publish serves while the Stream Manager does not answer
    warning: whipstitch.toml:7: lookup.publish_ttl: is gone and has no effect: the Stream Manager is asked for every publish, since that is when it hands the stream's provision to the node. Remove the key; lookup.stale_for is how long an answer to a publish serves while the Stream Manager does not answer
    ");
}
