use proptest::prelude::*;

use super::*;

fn link(target: &str, params: &[(&str, &str)]) -> Link {
    Link {
        target: target.into(),
        params: params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn good(value: &str) -> Vec<Link> {
    parse(value).into_iter().map(Result::unwrap).collect()
}

#[test]
fn the_form_of_the_rfc() {
    let value = r#"<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPassword"; credential-type="password""#;
    let read = good(value);
    assert_eq!(
        read,
        [link(
            "turn:turn.example.net?transport=udp",
            &[
                ("rel", "ice-server"),
                ("username", "user"),
                ("credential", "myPassword"),
                ("credential-type", "password"),
            ]
        )]
    );
    assert_eq!(read[0].to_value().unwrap(), value);
}

#[test]
fn several_links_in_one_value() {
    let value = r#"<stun:a>; rel="ice-server", <turn:b>; rel="ice-server"; credential="x, <y>; z=\"q\"" ,, </sse>;rel="urn:ietf:params:whep:ext:core:server-sent-events";events="active,inactive""#;
    let read = good(value);
    let targets: Vec<_> = read.iter().map(|link| link.target.as_str()).collect();
    assert_eq!(targets, ["stun:a", "turn:b", "/sse"]);
    assert_eq!(read[1].param("credential"), Some(r#"x, <y>; z="q""#));
    assert_eq!(read[2].param("events"), Some("active,inactive"));
}

#[test]
fn the_forms_of_the_first_draft() {
    let value = r#"turn:turn.example.net?transport=udp; rel="ice-server"; username: "user"; credential: "my:Pass"; credential-type: "password";"#;
    let read = good(value);
    assert_eq!(read[0].target, "turn:turn.example.net?transport=udp");
    assert_eq!(read[0].param("username"), Some("user"));
    assert_eq!(read[0].param("credential"), Some("my:Pass"));
    assert!(read[0].to_value().unwrap().to_str().unwrap().starts_with(
        "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\""
    ));
}

#[test]
fn relations_are_words_in_any_case() {
    let read = good("<stun:a>; rel=ICE-Server;REL=other, <b>; rel=\" one  Two \"");
    assert_eq!(read[0].relations().collect::<Vec<_>>(), ["ice-server"]);
    assert_eq!(read[1].relations().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn one_bad_link_spoils_no_other() {
    for (bad, why) in [
        ("http://a; rel=x", Malformed::Target),
        ("<>; rel=x", Malformed::Target),
        ("<unended", Malformed::Target),
        ("<a> rel=x", Malformed::Param),
        ("<a>; =x", Malformed::Param),
        ("<a>; rel=\"x\" y", Malformed::Param),
        ("<a>; rel=\"x\\", Malformed::Param),
    ] {
        assert!(parse(bad).contains(&Err(why)), "{bad}");
        let ends = !bad.contains("unended") && !bad.ends_with('\\');
        if ends {
            let both = parse(&format!("{bad}, <stun:a>; rel=ice-server"));
            assert_eq!(
                both.last().unwrap().as_ref().unwrap().target,
                "stun:a",
                "{bad}"
            );
        }
    }
}

#[test]
fn nothing_is_read_without_limit() {
    assert_eq!(parse(&"<a>,".repeat(3000)), [Err(Malformed::TooLong)]);
    let many = parse(&"<a>,".repeat(100));
    assert_eq!(many.len(), MAX_LINKS + 1);
    assert_eq!(many.last(), Some(&Err(Malformed::TooLong)));
    assert_eq!(
        parse(&format!("<a>{}", ";b=c".repeat(17))),
        [Err(Malformed::TooLong)]
    );
}

#[test]
fn what_cannot_be_written_well_is_not_written() {
    for bad in [
        link("", &[]),
        link("a b", &[]),
        link("a>b", &[]),
        link("é", &[]),
        link("a", &[("", "x")]),
        link("a", &[("a b", "x")]),
        link("a", &[("b", "x\ny")]),
        link("a", &[("b", "é")]),
    ] {
        assert_eq!(bad.to_value(), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_value_is_taken(value in ".{0,300}") {
        prop_assert!(parse(&value).len() <= MAX_LINKS + 1);
    }

    #[test]
    fn anything_of_its_own_signs_is_taken(value in r#"[<>;,=:"\\ a]{0,40}"#) {
        for link in parse(&value).into_iter().flatten() {
            if let Some(written) = link.to_value() {
                prop_assert_eq!(parse(written.to_str().unwrap()), vec![Ok(link)]);
            }
        }
    }

    #[test]
    fn what_is_written_is_what_is_read(
        target in "[a-z][a-z0-9:/?.,;=-]{0,40}",
        params in proptest::collection::vec(("[a-z][a-z-]{0,8}", "[ -~]{0,20}"), 0..6),
    ) {
        let link = Link { target, params };
        let written = link.to_value().unwrap();
        prop_assert_eq!(parse(written.to_str().unwrap()), vec![Ok(link)]);
    }
}
