//! What a browser allows a page at another origin (Fetch Standard §3.3, §4.8).

use crate::{
    answer::{Answer, Exchange},
    rule::{Outcome, Unmet, failed, failed_set},
    transcript::{Step, Transcript},
};

/// Headers of an answer that every page may read (Fetch §2.2.2, CORS-safelisted response-header
/// names).
const SAFE: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];
/// Each step that a page takes, its preflight and its method.
const STEPS: [(Step, Step, &str); 4] = [
    (Step::PreflightOptions, Step::Options, "OPTIONS"),
    (Step::PreflightPost, Step::Post, "POST"),
    (Step::PreflightTrickle, Step::Trickle, "PATCH"),
    (Step::PreflightDelete, Step::Delete, "DELETE"),
];
const THEN: &str =
    "the browser keeps the request or its answer from the page, which sees a network error";
const SET: &str = "the load balancer in front of Whipstitch: it must pass OPTIONS and add no CORS headers; elsewhere the \
                   server's CORS settings, or --origin with an origin that it allows";

/// Every step is allowed, and every answer may be read.
pub(crate) fn permitted(visit: &Transcript) -> Outcome {
    for (preflight, step, method) in STEPS {
        if let Some(came) = visit.came(preflight) {
            let leave = came.answer().ok_or_else(|| silence(preflight, came))?;
            may_ask(visit, preflight, leave, method, visit.wanted(step))?;
        }
        if let Some(answer) = visit.answer(step) {
            may_read(visit, step, answer)?;
        }
    }
    Ok(())
}

fn silence(step: Step, came: &Exchange) -> Unmet {
    let words = match came {
        Exchange::NoAnswer(words) => words.as_str(),
        Exchange::Answer(_) => "",
    };
    failed::<()>(format!("{}: {words}", step.words()), THEN)
        .err()
        .unwrap_or(Unmet::Skipped(String::new()))
}

fn may_ask(
    visit: &Transcript,
    preflight: Step,
    leave: &Answer,
    method: &str,
    wanted: &[&str],
) -> Outcome {
    let words = preflight.words();
    if !leave.is_success() {
        return failed_set(format!("{words}: {}", leave.shown()), THEN, SET);
    }
    may_read(visit, preflight, leave)?;
    let methods = list(leave, "access-control-allow-methods");
    // GET, HEAD and POST need no permission; `*` is all others, as no cookies are sent.
    if method != "POST" && !methods.iter().any(|one| one == method || one == "*") {
        return failed_set(
            format!("{words}: Access-Control-Allow-Methods without {method}"),
            THEN,
            SET,
        );
    }
    let headers = list(leave, "access-control-allow-headers");
    let allowed = |name: &str| {
        let named = headers.iter().any(|one| one.eq_ignore_ascii_case(name));
        // `*` is every header but this one.
        named || (name != "authorization" && headers.iter().any(|one| one == "*"))
    };
    match wanted.iter().find(|name| !allowed(name)) {
        Some(name) => failed_set(
            format!("{words}: Access-Control-Allow-Headers without {name}"),
            THEN,
            SET,
        ),
        None => Ok(()),
    }
}

fn may_read(visit: &Transcript, step: Step, answer: &Answer) -> Outcome {
    let words = step.words();
    match answer.lines("access-control-allow-origin").as_slice() {
        ["*"] => Ok(()),
        [origin] if *origin == visit.origin => Ok(()),
        [] => failed_set(
            format!(
                "{words}: {} without Access-Control-Allow-Origin",
                answer.status
            ),
            THEN,
            SET,
        ),
        [origin] => failed_set(
            format!("{words}: Access-Control-Allow-Origin: {origin}"),
            THEN,
            SET,
        ),
        several => failed_set(
            format!(
                "{words}: Access-Control-Allow-Origin {} times",
                several.len()
            ),
            THEN,
            SET,
        ),
    }
}

/// A header as the page sees it: all lines in one, or nothing if it is not exposed.
pub(crate) fn visible(answer: &Answer, name: &str) -> Option<String> {
    exposes(answer, name).then(|| answer.joined(name)).flatten()
}

/// Whether the page may read a header of this name.
pub(crate) fn exposes(answer: &Answer, name: &str) -> bool {
    SAFE.contains(&name)
        || list(answer, "access-control-expose-headers")
            .iter()
            .any(|one| one == "*" || one.eq_ignore_ascii_case(name))
}

fn list(answer: &Answer, name: &str) -> Vec<String> {
    let joined = answer.joined(name).unwrap_or_default();
    let items = joined
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}
