//! GStreamer's elements of gst-plugins-rs: `whipsink` and `whepsrc` of gst-plugin-webrtchttp
//! 0.14.0, and what became of the player since, `whepclientsrc` and `whepsrc` at afb0f920d
//! (2026-08-22).

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Behaviour, Client, CounterOffer},
    link::ice_servers,
    rule::{Outcome, Rule, failed, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

const HABITS: Behaviour = Behaviour {
    agent: "",
    follows: &[300, 301, 302, 303, 307, 308],
    // `url.join(location)` on the endpoint of the settings, wherever a redirect led.
    session: resolve,
    ..Behaviour::PLAIN
};
const LOCATION: Rule = Rule {
    name: "Location leads to the session",
    source: "gst-plugin-webrtchttp 0.14.0, src/whipsink/imp.rs and src/whepsrc/imp.rs, parse_endpoint_response: `url.join(location)` on the configured endpoint",
    check: |visit| {
        checks::location(
            visit,
            "the element ends with “Location header field should be present”",
        )
    },
};
const DELETE: Rule = Rule {
    name: "DELETE ends the session",
    source: "gst-plugin-webrtchttp 0.14.0, terminate_session: the status is only logged",
    check: |visit| {
        checks::success(
            visit,
            Step::Delete,
            "stops without an error, and the session stays until it times out",
        )
    },
};
const TIME: Rule = Rule {
    name: "answer within 15 s",
    source: "gst-plugin-webrtchttp 0.14.0, DEFAULT_TIMEOUT and wait_async, redirects included",
    check: |visit| checks::within(visit, 15, "the element ends with “Request timeout”"),
};

/// `whipsink`; `whipclientsink` speaks in the same way.
pub(crate) const WHIPSINK: Client = Client {
    id: "whipsink",
    name: "GStreamer whipsink 0.14",
    role: Role::Publish,
    behaviour: HABITS,
    rules: &[
        Rule {
            name: "POST gives 200 or 201",
            source: "gst-plugin-webrtchttp 0.14.0, src/whipsink/imp.rs, parse_endpoint_response",
            check: |visit| {
                checks::post(
                    visit,
                    &[200, 201],
                    "the element ends with “Unexpected response”",
                )
            },
        },
        TIME,
        LOCATION,
        Rule {
            name: "the body is an answer",
            source: "src/whipsink/imp.rs, parse_endpoint_response: SDPMessage::parse_buffer",
            check: |visit| {
                checks::description(
                    visit,
                    "v=",
                    "the element ends with “Could not parse answer SDP”",
                )?;
                checks::no_offer(visit)
            },
        },
        Rule {
            name: "Link is read",
            source: "src/utils.rs, set_ice_servers, with use-link-headers=true: parse_with_rel, then scheme, host and port",
            check: links,
        },
        DELETE,
    ],
};

/// `whepsrc` as released.
pub(crate) const WHEPSRC: Client = Client {
    id: "whepsrc",
    name: "GStreamer whepsrc 0.14",
    role: Role::Play,
    behaviour: HABITS,
    rules: &[
        Rule {
            name: "POST gives 201",
            source: "gst-plugin-webrtchttp 0.14.0, src/whepsrc/imp.rs, parse_endpoint_response: 406 is an error there",
            check: |visit| {
                checks::post(visit, &[201], "the element ends with “Unexpected response”")
            },
        },
        TIME,
        LOCATION,
        Rule {
            name: "the body is an answer",
            source: "src/whepsrc/imp.rs, sdp_message_parse: always an answer",
            check: checks::no_offer,
        },
        DELETE,
    ],
};

/// The player since: 406 is an offer to it.
pub(crate) const WHEPCLIENTSRC: Client = Client {
    id: "whepclientsrc",
    name: "GStreamer whepclientsrc (2026-08)",
    role: Role::Play,
    behaviour: Behaviour {
        counter: CounterOffer::On406,
        ..HABITS
    },
    rules: &[
        Rule {
            name: "POST gives 201 or 406",
            source: "gst-plugins-rs afb0f920d, net/webrtc/src/whep_signaller/client.rs, parse_endpoint_response",
            check: offered,
        },
        TIME,
        LOCATION,
        Rule {
            name: "the body of a 201 is an answer",
            source: "whep_signaller/client.rs, sdp_message_parse: an offer only with 406",
            check: |visit| match checks::created(visit)?.status {
                406 => Ok(()),
                _ => checks::no_offer(visit),
            },
        },
        Rule {
            name: "PATCH with the answer gives 200 or 204",
            source: "whep_signaller/client.rs, parse_endpoint_response",
            check: |visit| match checks::created(visit)?.status {
                406 => checks::status(
                    visit,
                    Step::AnswerPatch,
                    &[200, 204],
                    "the element ends with “Unexpected response”",
                ),
                _ => skipped("the server answered the offer"),
            },
        },
        DELETE,
    ],
};

fn resolve(answer: &Answer, endpoint: &Url) -> Option<Url> {
    endpoint.join(answer.header("location")?)
}

/// It treats any 406 as an offer, of any media type: an error text ends the element.
fn offered(visit: &Transcript) -> Outcome {
    let then =
        "takes any 406 for an offer, and ends with “Could not parse answer SDP” if it is none";
    checks::post(
        visit,
        &[201, 406],
        "the element ends with “Unexpected response”",
    )?;
    match checks::answer(visit, Step::Post, then)? {
        post if post.status == 406 && !post.is_offer() => failed(post.shown(), then),
        _ => Ok(()),
    }
}

fn links(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let servers = ice_servers(created);
    if servers.is_empty() {
        return skipped("no ICE server was sent");
    }
    let wrong = servers.iter().find(|server| {
        let (scheme, place) = server.url.split_once(':').unwrap_or_default();
        let place = place.split('?').next().unwrap_or_default();
        !matches!(scheme, "stun" | "turn" | "turns")
            || Url::parse(&format!("http://{place}")).is_none()
    });
    match wrong {
        Some(server) => failed(
            format!("Link of {}", server.url),
            "passes over it, or ends with “Failed to set turn server”",
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OFFER_406, OK, SKIPPED, table};

    #[test]
    fn rules_of_whipsink() {
        let link = |url: &str| {
            format!("201\nlocation: /r\nlink: <{url}>; rel=\"ice-server\"\n\nv=0\nm=audio")
        };
        table(
            &WHIPSINK,
            &[
                ("POST gives 200 or 201", Step::Post, GOOD, OK),
                (
                    "POST gives 200 or 201",
                    Step::Post,
                    "200\nlocation: /r\n\nv=0\nm=audio",
                    OK,
                ),
                ("POST gives 200 or 201", Step::Post, "202", FAILED),
                ("answer within 15 s", Step::Post, "201 after 9 s", OK),
                ("answer within 15 s", Step::Post, "201 after 16 s", FAILED),
                ("Location leads to the session", Step::Post, GOOD, OK),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("the body is an answer", Step::Post, GOOD, OK),
                (
                    "the body is an answer",
                    Step::Post,
                    "201\nlocation: /r\n\nhello",
                    FAILED,
                ),
                (
                    "Link is read",
                    Step::Post,
                    &link("turn:t.example:3478?transport=udp"),
                    OK,
                ),
                ("Link is read", Step::Post, &link("turn:a b"), FAILED),
                ("Link is read", Step::Post, GOOD, SKIPPED),
                ("DELETE ends the session", Step::Delete, "204", OK),
                ("DELETE ends the session", Step::Delete, "405", FAILED),
            ],
        );
    }

    #[test]
    fn rules_of_its_players() {
        table(
            &WHEPSRC,
            &[
                ("POST gives 201", Step::Post, GOOD, OK),
                ("POST gives 201", Step::Post, OFFER_406, SKIPPED),
                ("POST gives 201", Step::Post, "409", SKIPPED),
                ("POST gives 201", Step::Post, "500", FAILED),
                ("the body is an answer", Step::Post, OFFER_201, FAILED),
                ("the body is an answer", Step::Post, GOOD, OK),
            ],
        );
        table(
            &WHEPCLIENTSRC,
            &[
                ("POST gives 201 or 406", Step::Post, OFFER_406, OK),
                (
                    "POST gives 201 or 406",
                    Step::Post,
                    "406\ncontent-type: text/plain\n\nno",
                    FAILED,
                ),
                (
                    "the body of a 201 is an answer",
                    Step::Post,
                    OFFER_201,
                    FAILED,
                ),
                ("the body of a 201 is an answer", Step::Post, OFFER_406, OK),
                (
                    "PATCH with the answer gives 200 or 204",
                    Step::AnswerPatch,
                    "204",
                    SKIPPED,
                ),
            ],
        );
    }
}
