//! @eyevinn/whip-web-client 1.1.7, read at 0e2b801 (2025-09-11): packages/sdk/src.

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Bearer, Behaviour, Client},
    cors,
    link::ice_servers,
    rule::{Outcome, Rule, failed, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

/// The client for pages.
pub(crate) const EYEVINN: Client = Client {
    id: "eyevinn",
    name: "@eyevinn/whip-web-client 1.1",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        page: true,
        options: true,
        bearer: Bearer::Eyevinn,
        session: resolve,
        trickle: |visit| sees_patch(visit).then(|| etag(visit)),
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "the page may ask and read",
            source: "Fetch Standard §4.8; packages/sdk/src/WHIPProtocol.ts: `authorization`, and `etag` with PATCH",
            check: cors::permitted,
        },
        Rule {
            name: "PATCH can be seen in OPTIONS",
            source: "packages/sdk/src/index.ts, ingest: `access-control-allow-methods` of OPTIONS, which has to be exposed",
            check: patch_is_seen,
        },
        Rule {
            name: "POST succeeds",
            source: "index.ts, sendOffer: `response.ok`",
            check: |visit| {
                checks::post(
                    visit,
                    &[200, 201, 202, 203, 204],
                    "logs “Failed to setup stream connection with endpoint”",
                )
            },
        },
        Rule {
            name: "Location leads to the session",
            source: "index.ts, sendOffer: as it is if /^http/, else new URL(location, endpoint); getResourceUrl",
            check: location,
        },
        Rule {
            name: "the body is an answer",
            source: "index.ts, sendOffer: setRemoteDescription of type `answer`",
            check: |visit| {
                checks::description(visit, "v=", "setRemoteDescription fails")?;
                checks::no_offer(visit)
            },
        },
        Rule {
            name: "PATCH with candidates succeeds",
            source: "index.ts, onIceCandidate: trickle ends unless `response.ok`; `ETag` as a header of the request",
            check: |visit| checks::success(visit, Step::Trickle, "sends no further candidates"),
        },
        Rule {
            name: "DELETE without a token succeeds",
            source: "WHIPProtocol.ts, delete: no Authorization",
            check: |visit| checks::success(visit, Step::Delete, "leaves an orphaned session"),
        },
        Rule {
            name: "Link is read",
            source: "packages/sdk/src/util.ts, parseWHIPIceLinkHeader: /^stun:/ and /^turn:/, without the brackets of RFC 8288",
            check: links,
        },
    ],
};

fn resolve(answer: &Answer, endpoint: &Url) -> Option<Url> {
    let location = cors::visible(answer, "location")?;
    if location.starts_with("http") {
        return Url::parse(&location);
    }
    endpoint.join(&location)
}

fn sees_patch(visit: &Transcript) -> bool {
    let methods = visit
        .answer(Step::Options)
        .and_then(|answer| cors::visible(answer, "access-control-allow-methods"));
    methods.is_some_and(|methods| methods.split(',').any(|method| method.trim() == "PATCH"))
}

fn etag(visit: &Transcript) -> Vec<(&'static str, String)> {
    let etag = visit
        .created()
        .and_then(|answer| cors::visible(answer, "etag"));
    vec![("etag", etag.unwrap_or_else(|| "null".to_owned()))]
}

fn patch_is_seen(visit: &Transcript) -> Outcome {
    checks::answer(
        visit,
        Step::Options,
        "the page sees a network error, and ingest() fails",
    )?;
    if sees_patch(visit) {
        return Ok(());
    }
    skipped(
        "it sees no PATCH in Access-Control-Allow-Methods, so it gathers for 2 s and trickles nothing",
    )
}

fn location(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let then = "waits for the URL for ever: destroy() never ends, and the session stays";
    if created.header("location").is_some() && cors::visible(created, "location").is_none() {
        return failed("Location is not in Access-Control-Expose-Headers", then);
    }
    checks::location(visit, then)
}

/// Its parser expects the form of draft-ietf-wish-whip-01, so links in the form of RFC 8288 are
/// ignored.
fn links(visit: &Transcript) -> Outcome {
    let options = checks::answer(visit, Step::Options, "the page sees a network error")?;
    if ice_servers(options).is_empty() {
        skipped("no ICE server was sent with OPTIONS")
    } else {
        skipped(
            "it reads `Link` only without the brackets that RFC 8288 wants: give it iceServers in its options",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OK, SKIPPED, located, table};

    #[test]
    fn its_rules() {
        assert_eq!(
            located(&EYEVINN, "r?a=b").as_deref(),
            Some("https://live.example.com/live/whip/endpoint/r?a=b")
        );
        let hidden = "201\nlocation: /r\naccess-control-allow-origin: *\n\nv=0\nm=audio";
        table(
            &EYEVINN,
            &[
                ("the page may ask and read", Step::Post, GOOD, OK),
                (
                    "the page may ask and read",
                    Step::Post,
                    "201\naccess-control-allow-origin: https://else",
                    FAILED,
                ),
                (
                    "the page may ask and read",
                    Step::PreflightOptions,
                    "405",
                    FAILED,
                ),
                (
                    "the page may ask and read",
                    Step::PreflightTrickle,
                    "204\naccess-control-allow-origin: *\naccess-control-allow-methods: POST",
                    FAILED,
                ),
                (
                    "PATCH can be seen in OPTIONS",
                    Step::Options,
                    "200\naccess-control-allow-origin: *\naccess-control-expose-headers: *\naccess-control-allow-methods: POST, PATCH",
                    OK,
                ),
                (
                    "PATCH can be seen in OPTIONS",
                    Step::Options,
                    "200\naccess-control-allow-origin: *\naccess-control-allow-methods: POST, PATCH",
                    SKIPPED,
                ),
                ("PATCH can be seen in OPTIONS", Step::Options, "", FAILED),
                ("POST succeeds", Step::Post, "200\n\nv=0\nm=audio", OK),
                ("POST succeeds", Step::Post, "401", FAILED),
                ("Location leads to the session", Step::Post, GOOD, OK),
                ("Location leads to the session", Step::Post, hidden, FAILED),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\nlocation: http://10.0.0.7:5080/r\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("the body is an answer", Step::Post, GOOD, OK),
                ("the body is an answer", Step::Post, OFFER_201, FAILED),
                ("PATCH with candidates succeeds", Step::Trickle, "204", OK),
                (
                    "PATCH with candidates succeeds",
                    Step::Trickle,
                    "428",
                    FAILED,
                ),
                ("DELETE without a token succeeds", Step::Delete, "200", OK),
                (
                    "DELETE without a token succeeds",
                    Step::Delete,
                    "401",
                    FAILED,
                ),
                (
                    "Link is read",
                    Step::Options,
                    "200\nlink: <stun:s>; rel=\"ice-server\"",
                    SKIPPED,
                ),
            ],
        );
    }
}
