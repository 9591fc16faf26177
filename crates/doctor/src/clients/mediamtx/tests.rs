use super::*;
use crate::fixtures::{FAILED, GOOD, OFFER_201, OFFER_406, OK, SKIPPED, table, verdict};

#[test]
fn rules_of_go() {
    let options = |link: &str| format!("200\nlink: {link}");
    let turn = r#"<turn:t>; rel="ice-server"; username="u"; credential="c\"d"; credential-type="password""#;
    table(
        &GO,
        &[
            ("OPTIONS gives 200 or 204", Step::Options, "200", OK),
            ("OPTIONS gives 200 or 204", Step::Options, "405", FAILED),
            (
                "every Link of OPTIONS is an ICE server, letter by letter",
                Step::Options,
                &options(turn),
                OK,
            ),
            (
                "every Link of OPTIONS is an ICE server, letter by letter",
                Step::Options,
                &options("<stun:s>; rel=ice-server"),
                FAILED,
            ),
            (
                "every Link of OPTIONS is an ICE server, letter by letter",
                Step::Options,
                &options(r#"</sse>; rel="urn:ietf:params:whep:ext:core:layer""#),
                FAILED,
            ),
            (
                "every Link of OPTIONS is an ICE server, letter by letter",
                Step::Options,
                &options(r#"<turn:t>; rel="ice-server"; username="u"; credential="c""#),
                FAILED,
            ),
            (
                "every Link of OPTIONS is an ICE server, letter by letter",
                Step::Options,
                "200",
                SKIPPED,
            ),
            ("POST gives 201 and application/sdp", Step::Post, GOOD, OK),
            (
                "POST gives 201 and application/sdp",
                Step::Post,
                "200",
                FAILED,
            ),
            (
                "POST gives 201 and application/sdp",
                Step::Post,
                "201\nlocation: /r\n\nv=0\nm=audio",
                FAILED,
            ),
            (
                "POST gives 201 and application/sdp",
                Step::Post,
                OFFER_201,
                FAILED,
            ),
            (
                "ETag where PATCH is allowed",
                Step::Options,
                "200\naccess-control-allow-methods: POST, PATCH",
                FAILED,
            ),
            (
                "ETag where PATCH is allowed",
                Step::Options,
                "200\naccess-control-allow-methods: POST",
                SKIPPED,
            ),
            ("Location leads to the session", Step::Post, GOOD, OK),
            (
                "Location leads to the session",
                Step::Post,
                "201\n\nv=0",
                FAILED,
            ),
            ("PATCH with candidates gives 204", Step::Trickle, "204", OK),
            (
                "PATCH with candidates gives 204",
                Step::Trickle,
                "200",
                FAILED,
            ),
            ("DELETE gives 200", Step::Delete, "200", OK),
            ("DELETE gives 200", Step::Delete, "204", FAILED),
        ],
    );
    let both = [
        (Step::Options, "200\naccess-control-allow-methods: PATCH"),
        (Step::Post, "201\nlocation: /r\netag: \"1\"\n\nv=0\nm=audio"),
    ];
    assert_eq!(verdict(&GO, "ETag where PATCH is allowed", &both), OK);
}

#[test]
fn its_sources_take_no_offer() {
    let post = "POST gives 201 and application/sdp";
    table(
        &GO_PLAYER,
        &[
            (post, Step::Post, OFFER_406, SKIPPED),
            (post, Step::Post, GOOD, OK),
        ],
    );
}

#[test]
fn rules_of_the_reader() {
    let options = |link: &str| format!("200\nlink: {link}");
    let two = r#"<stun:s>; rel="ice-server", <turn:t>; rel="ice-server"; username="u""#;
    table(
        &READER,
        &[
            (
                "the page may ask and read",
                Step::PreflightTrickle,
                "204",
                OK,
            ),
            (
                "the page may ask and read",
                Step::PreflightTrickle,
                "",
                FAILED,
            ),
            (
                "every Link of OPTIONS is an ICE server",
                Step::Options,
                &options(two),
                OK,
            ),
            (
                "every Link of OPTIONS is an ICE server",
                Step::Options,
                &options("</x>; rel=\"layer\""),
                FAILED,
            ),
            (
                "every Link of OPTIONS is an ICE server",
                Step::Options,
                "200",
                SKIPPED,
            ),
            ("POST gives 201", Step::Post, GOOD, OK),
            ("POST gives 201", Step::Post, OFFER_406, SKIPPED),
            ("POST gives 201", Step::Post, "503", FAILED),
            ("Location can be read", Step::Post, GOOD, OK),
            ("Location can be read", Step::Post, "201\n\nv=0", FAILED),
            ("the body is an answer", Step::Post, GOOD, OK),
            ("PATCH with If-Match: * gives 204", Step::Trickle, "204", OK),
            (
                "PATCH with If-Match: * gives 204",
                Step::Trickle,
                "412",
                FAILED,
            ),
            ("DELETE ends the session", Step::Delete, "200", OK),
        ],
    );
}
