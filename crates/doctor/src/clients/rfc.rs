//! The standard itself: RFC 9725, and draft-ietf-wish-whep (text of April 2026).

use crate::{
    Role, checks,
    client::{Behaviour, Client, CounterOffer},
    rule::{Outcome, Rule, failed, failed_set, skipped},
    transcript::{Step, Transcript},
};

/// Characters that a session's URL has to have beyond the endpoint's to be unguessable.
const UNGUESSABLE: usize = 16;

const TYPE: Rule = Rule {
    name: "POST of another type gives 4xx",
    source: "RFC 9725 §4.2",
    check: |visit| {
        let statuses: Vec<u16> = (400..500).collect();
        checks::status(
            visit,
            Step::WrongType,
            &statuses,
            "cannot tell what went wrong",
        )
    },
};
const GET: Rule = Rule {
    name: "GET gives 2xx",
    source: "RFC 9725 §4.1; draft-ietf-wish-whip-01 wanted 405",
    check: |visit| {
        let get = checks::answer(visit, Step::Get, "takes the endpoint for broken")?;
        match get.status {
            200..300 => Ok(()),
            status => skipped(format!("{status}, as before the RFC")),
        }
    },
};
const LOCATION: Rule = Rule {
    name: "Location leads to the session",
    source: "RFC 9725 §4.2",
    check: |visit| checks::location(visit, "cannot end the session"),
};
const SECRET: Rule = Rule {
    name: "the session's URL cannot be guessed",
    source: "RFC 9725 §5: SHOULD be unguessable, or any client can end the session",
    check: secret,
};
const TRICKLE: Rule = Rule {
    name: "PATCH with candidates gives 204 without ETag",
    source: "RFC 9725 §4.3.1; 422 where trickle is not supported",
    check: trickle,
};
const DELETE: Rule = Rule {
    name: "DELETE gives 200",
    source: "RFC 9725 §4.2, figure 2",
    check: |visit| {
        checks::status(
            visit,
            Step::Delete,
            &[200],
            "cannot be sure that the session has ended",
        )
    },
};
const TIME: Rule = Rule {
    name: "answer within 5 s",
    source: "the least patient of all: LiveKit's and MediaMTX's gathering, 5 s",
    check: |visit| checks::within(visit, 5, "gives up, or tries again"),
};

/// WHIP.
pub(crate) const WHIP: Client = Client {
    id: "rfc-whip",
    name: "RFC 9725 (WHIP)",
    role: Role::Publish,
    behaviour: behaviour(CounterOffer::None),
    rules: &[
        GET,
        TYPE,
        Rule {
            name: "POST gives 201 and application/sdp",
            source: "RFC 9725 §4.2; redirects only by 307 or 308 (§4.5)",
            check: |visit| {
                checks::post(visit, &[201], "does not publish")?;
                is_sdp(visit)?;
                checks::no_offer(visit)
            },
        },
        TIME,
        LOCATION,
        SECRET,
        TRICKLE,
        DELETE,
    ],
};

/// WHEP.
pub(crate) const WHEP: Client = Client {
    id: "rfc-whep",
    name: "draft-ietf-wish-whep",
    role: Role::Play,
    behaviour: behaviour(CounterOffer::On406),
    rules: &[
        Rule {
            name: "HEAD shows an endpoint",
            source: "draft-ietf-wish-whep (April 2026): SHOULD be 200 with application/sdp",
            check: head,
        },
        TYPE,
        Rule {
            name: "POST gives 201 with an answer, or 406 with an offer",
            source: "draft-ietf-wish-whep §4.2",
            check: offered,
        },
        TIME,
        LOCATION,
        SECRET,
        Rule {
            name: "PATCH with the answer gives 204",
            source: "draft-ietf-wish-whep §4.2",
            check: |visit| match checks::created(visit)?.status {
                406 => checks::status(visit, Step::AnswerPatch, &[204], "does not play"),
                _ => skipped("the server answered the offer"),
            },
        },
        TRICKLE,
        DELETE,
        Rule {
            name: "a stream that is not live gives 409 and Retry-After",
            source: "draft-ietf-wish-whep §4.2",
            check: not_live,
        },
    ],
};

const fn behaviour(counter: CounterOffer) -> Behaviour {
    Behaviour {
        counter,
        trickle: |visit| {
            let etag = visit.created().and_then(|answer| answer.header("etag"));
            Some(
                etag.map(|etag| ("if-match", etag.to_owned()))
                    .into_iter()
                    .collect(),
            )
        },
        probes: true,
        ..Behaviour::PLAIN
    }
}

fn is_sdp(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    match created.media_type().as_str() {
        "application/sdp" => checks::description(visit, "v=", "refuses the body"),
        media => failed(format!("Content-Type: {media}"), "refuses the body"),
    }
}

fn offered(visit: &Transcript) -> Outcome {
    checks::post(visit, &[201, 406], "does not play")?;
    let post = checks::answer(visit, Step::Post, "does not play")?;
    match post.status {
        406 if !post.is_offer() => failed_set(
            post.shown(),
            "has no offer to answer",
            checks::advice(visit.live, post),
        ),
        406 => is_sdp(visit),
        _ => {
            is_sdp(visit)?;
            checks::no_offer(visit)
        }
    }
}

fn secret(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let Some(url) = &visit.session else {
        return skipped("the client knows no URL of the session");
    };
    let known: Vec<&str> = visit.endpoint.path.split('/').collect();
    let text = url.target();
    let unknown = text
        .split(['/', '?', '&', '='])
        .filter(|part| !known.contains(part))
        .map(str::len)
        .max();
    if unknown.unwrap_or_default() >= UNGUESSABLE {
        return Ok(());
    }
    failed_set(
        format!(
            "{} with a Location that follows from the stream's name",
            created.status
        ),
        "can be ended by any client that knows the stream's name",
        "Whipstitch in front: it seals session URLs",
    )
}

fn trickle(visit: &Transcript) -> Outcome {
    let then = "cannot be sure that its candidates were taken";
    let patch = checks::answer(visit, Step::Trickle, then)?;
    match patch.status {
        204 if patch.header("etag").is_none() => Ok(()),
        204 => failed("204 with an ETag", "takes it for an ICE restart"),
        405 | 422 | 501 => skipped(format!("{}: no trickle", patch.status)),
        _ => checks::status(visit, Step::Trickle, &[204], then),
    }
}

fn head(visit: &Transcript) -> Outcome {
    let head = checks::answer(visit, Step::Head, "takes the endpoint for broken")?;
    match (head.status, head.media_type().as_str()) {
        (200, "application/sdp") => Ok(()),
        (status, _) => skipped(format!("{status}: players cannot recognise the URL")),
    }
}

fn not_live(visit: &Transcript) -> Outcome {
    let not_live = checks::answer(visit, Step::NotLive, "does not know when to try again")?;
    match (not_live.status, not_live.header("retry-after")) {
        (409, Some(_)) => Ok(()),
        (404, _) => skipped("404, as players of MediaMTX expect it"),
        _ if !visit.required => skipped(format!("not offered: {}", not_live.status)),
        (409, None) => failed("409 without Retry-After", "does not know when to try again"),
        _ => failed(not_live.shown(), "does not know that the stream may come"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OFFER_406, OK, SKIPPED, table, verdict};

    #[test]
    fn rules_of_whip() {
        let sealed = "201\nlocation: /live/whip/resource/s1/0123456789abcdef\ncontent-type: application/sdp\n\nv=0\nm=audio";
        table(
            &WHIP,
            &[
                ("GET gives 2xx", Step::Get, "204", OK),
                ("GET gives 2xx", Step::Get, "405", SKIPPED),
                ("GET gives 2xx", Step::Get, "", FAILED),
                ("POST of another type gives 4xx", Step::WrongType, "415", OK),
                (
                    "POST of another type gives 4xx",
                    Step::WrongType,
                    "201",
                    FAILED,
                ),
                (
                    "POST of another type gives 4xx",
                    Step::WrongType,
                    "500",
                    FAILED,
                ),
                ("POST gives 201 and application/sdp", Step::Post, GOOD, OK),
                (
                    "POST gives 201 and application/sdp",
                    Step::Post,
                    "201\nlocation: /r\n\nv=0\nm=a",
                    FAILED,
                ),
                (
                    "POST gives 201 and application/sdp",
                    Step::Post,
                    "302\nlocation: /x",
                    FAILED,
                ),
                ("answer within 5 s", Step::Post, "201 after 4 s", OK),
                ("answer within 5 s", Step::Post, "201 after 5 s", FAILED),
                ("Location leads to the session", Step::Post, GOOD, OK),
                ("Location leads to the session", Step::Post, "201", FAILED),
                (
                    "the session's URL cannot be guessed",
                    Step::Post,
                    sealed,
                    OK,
                ),
                (
                    "the session's URL cannot be guessed",
                    Step::Post,
                    "201\nlocation: /live/whip/resource/s1",
                    FAILED,
                ),
                (
                    "PATCH with candidates gives 204 without ETag",
                    Step::Trickle,
                    "204",
                    OK,
                ),
                (
                    "PATCH with candidates gives 204 without ETag",
                    Step::Trickle,
                    "204\netag: \"1\"",
                    FAILED,
                ),
                (
                    "PATCH with candidates gives 204 without ETag",
                    Step::Trickle,
                    "200",
                    FAILED,
                ),
                (
                    "PATCH with candidates gives 204 without ETag",
                    Step::Trickle,
                    "422",
                    SKIPPED,
                ),
                ("DELETE gives 200", Step::Delete, "200", OK),
                ("DELETE gives 200", Step::Delete, "204", FAILED),
            ],
        );
    }

    #[test]
    fn rules_of_whep() {
        table(
            &WHEP,
            &[
                (
                    "HEAD shows an endpoint",
                    Step::Head,
                    "200\ncontent-type: application/sdp",
                    OK,
                ),
                ("HEAD shows an endpoint", Step::Head, "405", SKIPPED),
                (
                    "POST gives 201 with an answer, or 406 with an offer",
                    Step::Post,
                    GOOD,
                    OK,
                ),
                (
                    "POST gives 201 with an answer, or 406 with an offer",
                    Step::Post,
                    OFFER_406,
                    OK,
                ),
                (
                    "POST gives 201 with an answer, or 406 with an offer",
                    Step::Post,
                    OFFER_201,
                    FAILED,
                ),
                (
                    "POST gives 201 with an answer, or 406 with an offer",
                    Step::Post,
                    "406\n\nno",
                    FAILED,
                ),
                (
                    "a stream that is not live gives 409 and Retry-After",
                    Step::NotLive,
                    "409\nretry-after: 2",
                    OK,
                ),
                (
                    "a stream that is not live gives 409 and Retry-After",
                    Step::NotLive,
                    "409",
                    FAILED,
                ),
                (
                    "a stream that is not live gives 409 and Retry-After",
                    Step::NotLive,
                    "404",
                    SKIPPED,
                ),
                (
                    "a stream that is not live gives 409 and Retry-After",
                    Step::NotLive,
                    "500",
                    FAILED,
                ),
            ],
        );
        let answered = |text| {
            verdict(
                &WHEP,
                "PATCH with the answer gives 204",
                &[(Step::Post, OFFER_406), (Step::AnswerPatch, text)],
            )
        };
        assert_eq!(
            (answered("204"), answered("200"), answered("")),
            (OK, FAILED, FAILED)
        );
    }
}
