//! Prepared visits, for the tests of rules.
//!
//! An answer is its status, a header a line, an empty line and the body. `""` is no answer at all.
//! Without CORS headers in the text, everything is allowed.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    answer::{Answer, Exchange},
    client::Client,
    rule::Unmet,
    transcript::{Step, Transcript},
    url::Url,
};

pub(crate) const OK: &str = "ok";
pub(crate) const FAILED: &str = "failed";
pub(crate) const SKIPPED: &str = "skipped";

pub(crate) const GOOD: &str = "201\nlocation: /live/whip/resource/s1/t\ncontent-type: application/sdp\n\nv=0\nm=audio\na=setup:passive";
pub(crate) const OFFER_201: &str =
    "201\nlocation: /r\ncontent-type: application/sdp\n\nv=0\nm=audio\na=setup:actpass";
pub(crate) const OFFER_406: &str =
    "406\nlocation: /r\ncontent-type: application/sdp\n\nv=0\nm=audio\na=setup:actpass";

fn endpoint() -> Url {
    Url::parse("https://live.example.com/live/whip/endpoint/s1").unwrap()
}

/// An answer by its text.
pub(crate) fn came(text: &str) -> Exchange {
    if text.is_empty() {
        return Exchange::NoAnswer("timeout after 10 s".to_owned());
    }
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (status, took) = first.split_once(" after ").unwrap_or((first, "0 s"));
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    if !text.contains("access-control-") {
        for name in ["origin", "methods"] {
            let name = HeaderName::try_from(format!("access-control-allow-{name}")).unwrap();
            headers.insert(name, HeaderValue::from_static("*"));
        }
        headers.insert(
            "access-control-allow-headers",
            HeaderValue::from_static("*, Authorization"),
        );
        headers.insert(
            "access-control-expose-headers",
            HeaderValue::from_static("*"),
        );
    }
    Exchange::Answer(Box::new(Answer {
        status: status.parse().unwrap(),
        headers,
        body: body.replace('\n', "\r\n"),
        url: endpoint(),
        hops: 0,
        took: Duration::from_secs(took.trim_end_matches(" s").parse().unwrap()),
    }))
}

/// A visit in which these answers came.
pub(crate) fn visit(client: &'static Client, answers: &[(Step, &str)]) -> Transcript {
    let mut visit = Transcript::new(
        client.role,
        client.reading(),
        endpoint(),
        "https://doctor.invalid".to_owned(),
    );
    for (step, text) in answers {
        visit.note(*step, came(text), Vec::new());
    }
    visit.session = visit
        .created()
        .and_then(|post| (client.behaviour.session)(post, &endpoint()));
    visit
}

/// The result of a client's rule.
pub(crate) fn verdict(
    client: &'static Client,
    rule: &str,
    answers: &[(Step, &str)],
) -> &'static str {
    let rule = client
        .rules
        .iter()
        .find(|known| known.name == rule)
        .unwrap_or_else(|| panic!("no rule {rule}"));
    match (rule.check)(&visit(client, answers)) {
        Ok(()) => OK,
        Err(Unmet::Failed(_)) => FAILED,
        Err(Unmet::Skipped(_)) => SKIPPED,
    }
}

/// Rules against answers; the offer is answered as it should be where the row is about something
/// else.
pub(crate) fn table(client: &'static Client, rows: &[(&str, Step, &str, &str)]) {
    for (rule, step, text, expected) in rows {
        let mut answers = vec![(*step, *text)];
        if *step != Step::Post {
            answers.push((Step::Post, GOOD));
        }
        assert_eq!(
            verdict(client, rule, &answers),
            *expected,
            "{}: {rule}: {text}",
            client.id
        );
    }
}

/// Where a client finds its session.
pub(crate) fn located(client: &Client, location: &str) -> Option<String> {
    let text = format!("201\nlocation: {location}");
    let came = came(&text);
    Some((client.behaviour.session)(came.answer()?, &endpoint())?.to_string())
}
