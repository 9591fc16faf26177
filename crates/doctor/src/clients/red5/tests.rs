use super::*;
use crate::fixtures::{FAILED, GOOD, OFFER_201, OK, SKIPPED, located, table};

#[test]
fn its_location() {
    let endpoint = Url::parse("https://h/live/whep/endpoint/s1?requestId=r").unwrap();
    let at = |text: &str| {
        let came = crate::fixtures::came(text);
        resolve(came.answer().unwrap(), &endpoint)
            .unwrap()
            .to_string()
    };
    assert_eq!(at("201\nlocation: https://n/r?a=b"), "https://n/r?a=b");
    // Its own query is lost, and the endpoint's kept.
    assert_eq!(
        at("201\nlocation: /live/whep/resource/s1/t?a=b"),
        "https://h/live/whep/resource/s1/t?requestId=r"
    );
    assert_eq!(
        at("201\nlocation: /live/whep/endpoint/s1"),
        "https://h/live/whep/resource/s1?requestId=r"
    );
    assert_eq!(at("201\nlocation: whep/r"), "https://h/whep/r?requestId=r");
    assert_eq!(at("201"), "https://h/live/whep/resource/s1?requestId=r");
    assert_eq!(
        at("201\nlocation: /r\naccess-control-allow-origin: *"),
        "https://h/live/whep/resource/s1?requestId=r"
    );
    assert_eq!(
        located(&V15_WHIP, "/r").as_deref(),
        Some("https://live.example.com/r")
    );
}

#[test]
fn rules_of_publishing() {
    let one = "200\nlink: <stun:s>; rel=\"ice-server\"";
    let two =
        format!("{one}\nlink: <turn:t>; rel=\"ice-server\"; username=\"u\"; credential=\"c\"");
    let no_options =
        "204\naccess-control-allow-origin: *\naccess-control-allow-methods: POST, PATCH, DELETE";
    table(
        &V15_WHIP,
        &[
            (
                "the page may ask and read, OPTIONS too",
                Step::PreflightOptions,
                "204",
                OK,
            ),
            (
                "the page may ask and read, OPTIONS too",
                Step::PreflightOptions,
                no_options,
                FAILED,
            ),
            ("OPTIONS gives 200 or 204", Step::Options, "200", OK),
            ("OPTIONS gives 200 or 204", Step::Options, "404", FAILED),
            ("Link is read", Step::Options, one, OK),
            ("Link is read", Step::Options, &two, FAILED),
            (
                "Link is read",
                Step::Options,
                "200\nlink: <stun:s>; rel=\"ice-server\";",
                FAILED,
            ),
            ("Link is read", Step::Options, "200", SKIPPED),
            (
                "Session-Host can be sent back",
                Step::Options,
                "200\nsession-host: 10.0.0.7",
                OK,
            ),
            (
                "Session-Host can be sent back",
                Step::Options,
                "200\nsession-host: a&b",
                FAILED,
            ),
            (
                "Session-Host can be sent back",
                Step::Options,
                "200\nsession-host: h\naccess-control-allow-origin: *",
                FAILED,
            ),
            (
                "Session-Host can be sent back",
                Step::Options,
                "200",
                SKIPPED,
            ),
            ("POST succeeds", Step::Post, "202", OK),
            ("POST succeeds", Step::Post, "404", FAILED),
            ("the body is an answer", Step::Post, GOOD, OK),
            ("the body is an answer", Step::Post, OFFER_201, FAILED),
            ("Location leads to the session", Step::Post, GOOD, OK),
            (
                "Location leads to the session",
                Step::Post,
                "201\nlocation: http://10.0.0.7:5080/r",
                FAILED,
            ),
            ("Location leads to the session", Step::Post, "201", FAILED),
            ("PATCH with candidates succeeds", Step::Trickle, "200", OK),
            (
                "PATCH with candidates succeeds",
                Step::Trickle,
                "405",
                FAILED,
            ),
            (
                "PATCH with candidates succeeds",
                Step::Trickle,
                "428",
                FAILED,
            ),
            (
                "DELETE without a token ends the session",
                Step::Delete,
                "200",
                OK,
            ),
            (
                "DELETE without a token ends the session",
                Step::Delete,
                "401",
                FAILED,
            ),
        ],
    );
}

#[test]
fn rules_of_playing() {
    table(
        &V11_WHEP,
        &[
            ("POST succeeds", Step::Post, "409", SKIPPED),
            ("POST succeeds", Step::Post, "406", FAILED),
            ("the body is an offer", Step::Post, OFFER_201, OK),
            ("the body is an offer", Step::Post, GOOD, FAILED),
            (
                "PATCH with the answer succeeds",
                Step::AnswerPatch,
                "204",
                OK,
            ),
            (
                "PATCH with the answer succeeds",
                Step::AnswerPatch,
                "404",
                FAILED,
            ),
        ],
    );
}
