//! Checks that the rules of many clients share.

use std::time::Duration;

use crate::{
    Role,
    answer::{Answer, Exchange},
    rule::{Outcome, Unmet, failed, failed_set, skipped},
    transcript::{Step, Transcript},
};

/// Why most rules are skipped where nothing was published or played: the rule of the `POST` gives
/// the reason.
pub(crate) const NO_SESSION: &str = "no session was made";

/// The answer to a step.
///
/// # Errors
/// Skipped if the step was not taken, failed if there was no answer.
pub(crate) fn answer<'t>(
    visit: &'t Transcript,
    step: Step,
    then: &str,
) -> Result<&'t Answer, Unmet> {
    match visit.came(step) {
        Some(Exchange::Answer(answer)) => Ok(answer),
        Some(Exchange::NoAnswer(words)) => failed(format!("{}: {words}", step.words()), then),
        None => skipped(why_not(visit, step)),
    }
}

/// The answer that made the session.
///
/// # Errors
/// Skipped if there is none: the rule of the `POST` gives the reason.
pub(crate) fn created(visit: &Transcript) -> Result<&Answer, Unmet> {
    match visit.created() {
        Some(answer) => Ok(answer),
        None => skipped(NO_SESSION),
    }
}

/// The offer's answer has one of these statuses, unless there is nothing to publish to or to play.
pub(crate) fn post(visit: &Transcript, statuses: &[u16], then: &str) -> Outcome {
    let post = answer(visit, Step::Post, then)?;
    if statuses.contains(&post.status) {
        return Ok(());
    }
    if let Some(reason) = not_offered(visit, post) {
        return skipped(reason);
    }
    if visit.role == Role::Play && !visit.reading.takes_406 && post.status == 406 && post.is_offer()
    {
        return skipped(
            "the server makes the offer (406), and this client takes only answers to its own",
        );
    }
    failed_set(shown(visit, post), then, advice(visit.live, post))
}

/// Why a refusal is not a failure: the operator did not name this endpoint, or that the stream is
/// live.
fn not_offered(visit: &Transcript, post: &Answer) -> Option<String> {
    if !visit.required && matches!(post.status, 404 | 405 | 501) {
        return Some(format!("not offered: POST {}", post.status));
    }
    if visit.role == Role::Play && !visit.live && matches!(post.status, 404 | 409) {
        return Some(format!(
            "{}: without media the stream is not live; name one that is with --only-read --stream",
            post.status
        ));
    }
    None
}

/// What an operator can try after a refusal.
pub(crate) fn advice(live: bool, answer: &Answer) -> &'static str {
    match answer.status {
        300..=399 => "an endpoint that needs no redirect, or one by 307 (RFC 9725 §4.5)",
        401 | 403 => "--bearer-file, or --stream with a name that the server lets in",
        404 | 409 if live => {
            "--stream with the name of a stream that is live now: --only-read publishes none"
        }
        404 | 405 => {
            "the URL: --app, or --whip and --whep; on Whipstitch stream_manager.url and nodes.allow"
        }
        409 => "--stream with a name that is not published",
        429 | 503 => {
            "again when the server has room; on Whipstitch limits.in_flight, and see /readyz"
        }
        502 | 504 => {
            "the nodes: on Whipstitch nodes.port, nodes.allow, nodes.map, timeouts.answer, and see /nodes"
        }
        _ => "nothing here: the answer comes from the server behind",
    }
}

/// A step has one of these statuses.
pub(crate) fn status(visit: &Transcript, step: Step, statuses: &[u16], then: &str) -> Outcome {
    one_of(visit, step, |status| statuses.contains(&status), then)
}

/// A step is answered with any of 200 to 299.
pub(crate) fn success(visit: &Transcript, step: Step, then: &str) -> Outcome {
    one_of(visit, step, |status| (200..300).contains(&status), then)
}

fn one_of(visit: &Transcript, step: Step, good: impl Fn(u16) -> bool, then: &str) -> Outcome {
    if step == Step::Delete && visit.elsewhere {
        return skipped(
            "the session is on a server that you did not name, which does not get the token",
        );
    }
    let answer = answer(visit, step, then)?;
    if good(answer.status) {
        return Ok(());
    }
    let came = shown_of(step, answer);
    match answer.status {
        412 | 428 => failed_set(came, then, "proxy.strict_etags = false"),
        401 | 403 => failed_set(
            came,
            then,
            "a server that accepts the session's URL without a token: many clients send none with it",
        ),
        _ => failed(came, then),
    }
}

/// The whole `POST`, redirects included, takes less than this many seconds.
pub(crate) fn within(visit: &Transcript, seconds: u64, then: &str) -> Outcome {
    let post = answer(visit, Step::Post, then)?;
    if post.took < Duration::from_secs(seconds) {
        return Ok(());
    }
    failed_set(
        format!("an answer after {:.1} s", post.took.as_secs_f32()),
        then,
        "timeouts.answer lower, so that another node is tried in time",
    )
}

/// There is a `Location`, and the client makes a URL of it.
pub(crate) fn location(visit: &Transcript, then: &str) -> Outcome {
    let created = created(visit)?;
    let Some(location) = created.header("location") else {
        return failed(format!("{} without a Location", created.status), then);
    };
    match &visit.session {
        None => failed(format!("Location: {}", without_query(location)), then),
        Some(session) if visit.reading.page && visit.endpoint.secure && !session.secure => {
            failed_set(
                format!("Location: {}", without_query(location)),
                "the browser refuses a URL without TLS on a page with it (mixed content)",
                "proxy.public_url, or X-Forwarded-Proto from a balancer in proxy.trusted",
            )
        }
        Some(_) => Ok(()),
    }
}

/// The body is a description that begins like one.
pub(crate) fn description(visit: &Transcript, begins: &str, then: &str) -> Outcome {
    let created = created(visit)?;
    if created.body.starts_with(begins) && created.body.contains("\nm=") {
        return Ok(());
    }
    let first: String = created
        .body
        .chars()
        .filter(|letter| !letter.is_control())
        .take(40)
        .collect();
    failed(format!("a body that begins with “{first}”"), then)
}

/// The body is an answer; this client cannot use an offer.
pub(crate) fn no_offer(visit: &Transcript) -> Outcome {
    let created = created(visit)?;
    if !created.is_offer() {
        return Ok(());
    }
    failed(
        format!(
            "{} with an offer of the server's (a=setup:actpass)",
            created.status
        ),
        "takes it for the answer to its own offer, and the browser or library refuses it",
    )
}

/// Formats an answer for the report.
fn shown(visit: &Transcript, answer: &Answer) -> String {
    format!("POST {}: {}", visit.endpoint.shown(), answer.shown())
}

fn shown_of(step: Step, answer: &Answer) -> String {
    format!(
        "{} {}: {}",
        step.words(),
        answer.url.shown(),
        answer.shown()
    )
}

fn why_not(visit: &Transcript, step: Step) -> &'static str {
    match step {
        Step::Delete
        | Step::Trickle
        | Step::AnswerPatch
        | Step::PreflightTrickle
        | Step::PreflightDelete => {
            if visit.created().is_none() {
                NO_SESSION
            } else if visit.session.is_none() {
                "the client knows no URL of the session"
            } else {
                "the client does not send it here"
            }
        }
        _ => "the client does not send it here",
    }
}

/// Values of a query can be credentials.
fn without_query(location: &str) -> String {
    let path = location.split('?').next().unwrap_or_default();
    let text: String = path
        .chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect();
    if text.len() < location.len() {
        format!("{text}…")
    } else {
        text
    }
}
