//! `MediaMTX` as a client, read at 3e09466c (2026-08-22): its `whep://` sources (Go), and the page
//! that it serves.

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Behaviour, Client},
    cors,
    rule::{Outcome, Rule, failed, failed_set, skipped},
    transcript::{Step, Transcript},
};

/// `maxInboundSDPSize`.
const MAX_SDP: usize = 128 * 1024;

const HABITS: Behaviour = Behaviour {
    agent: "Go-http-client/1.1",
    options: true,
    session: |answer, endpoint| endpoint.join(answer.header("location").unwrap_or_default()),
    trickle: |visit| {
        let etag = visit.created()?.header("etag")?.to_owned();
        trickles(visit).then(|| vec![("if-match", etag)])
    },
    ..Behaviour::PLAIN
};
const RULES: &[Rule] = &[
    Rule {
        name: "OPTIONS gives 200 or 204",
        source: "MediaMTX, internal/protocols/whip/client.go, optionsICEServers",
        check: |visit| {
            checks::status(
                visit,
                Step::Options,
                &[200, 204],
                "ends with “bad status code”",
            )
        },
    },
    Rule {
        name: "every Link of OPTIONS is an ICE server, letter by letter",
        source: "internal/protocols/whip/link_header.go, LinkHeaderUnmarshal: one a line, any other is an error",
        check: links,
    },
    Rule {
        name: "POST gives 201 and application/sdp",
        source: "client.go, postOffer",
        check: created,
    },
    Rule {
        name: "ETag where PATCH is allowed",
        source: "client.go, optionsICEServers and postOffer: `PATCH` in Access-Control-Allow-Methods makes the ETag a must",
        check: etag,
    },
    Rule {
        name: "Location leads to the session",
        source: "client.go, initializeInner: URL.Parse on the endpoint",
        check: |visit| checks::location(visit, "sends PATCH and DELETE to the endpoint"),
    },
    Rule {
        name: "PATCH with candidates gives 204",
        source: "client.go, patchCandidate, with If-Match: any other status ends the session",
        check: |visit| checks::status(visit, Step::Trickle, &[204], "ends with “bad status code”"),
    },
    Rule {
        name: "DELETE gives 200",
        source: "client.go, deleteSession",
        check: |visit| checks::status(visit, Step::Delete, &[200], "ends with an error"),
    },
];

/// Forwards to `whip://`.
pub(crate) const GO: Client = Client {
    id: "mediamtx",
    name: "MediaMTX (whip://)",
    role: Role::Publish,
    behaviour: HABITS,
    rules: RULES,
};

/// Sources at `whep://`.
pub(crate) const GO_PLAYER: Client = Client {
    id: "mediamtx-whep",
    name: "MediaMTX (whep://)",
    role: Role::Play,
    behaviour: HABITS,
    rules: RULES,
};

/// The player of its own pages, which people copy to theirs.
pub(crate) const READER: Client = Client {
    id: "mediamtx-reader",
    name: "MediaMTX reader.js",
    role: Role::Play,
    behaviour: Behaviour {
        agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        page: true,
        options: true,
        session: |answer, endpoint| endpoint.join(&cors::visible(answer, "location")?),
        trickle: |_| Some(vec![("if-match", "*".to_owned())]),
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "the page may ask and read",
            source: "Fetch Standard §4.8; MediaMTX, internal/servers/webrtc/reader.js: `if-match` with PATCH",
            check: cors::permitted,
        },
        Rule {
            name: "every Link of OPTIONS is an ICE server",
            source: "reader.js, #linkToIceServers: split(\", \"), and m[1] of what did not match",
            check: reader_links,
        },
        Rule {
            name: "POST gives 201",
            source: "reader.js, #sendOffer",
            check: |visit| {
                checks::post(
                    visit,
                    &[201],
                    "shows “bad status code”, and tries again every 2 s",
                )
            },
        },
        Rule {
            name: "Location can be read",
            source: "reader.js, #sendOffer: new URL(location, url)",
            check: |visit| {
                let created = checks::created(visit)?;
                if created.header("location").is_some()
                    && cors::visible(created, "location").is_none()
                {
                    return failed(
                        "Location is not in Access-Control-Expose-Headers",
                        "takes /null for the session",
                    );
                }
                checks::location(visit, "takes /null for the session")
            },
        },
        Rule {
            name: "the body is an answer",
            source: "reader.js, #setAnswer",
            check: checks::no_offer,
        },
        Rule {
            name: "PATCH with If-Match: * gives 204",
            source: "reader.js, #sendLocalCandidates: any other status ends the session",
            check: |visit| {
                checks::status(
                    visit,
                    Step::Trickle,
                    &[204],
                    "ends the session, and begins anew after 2 s",
                )
            },
        },
        Rule {
            name: "DELETE ends the session",
            source: "reader.js, #handleError and close: the status is not looked at",
            check: |visit| checks::success(visit, Step::Delete, "leaves an orphaned session"),
        },
    ],
};

fn trickles(visit: &Transcript) -> bool {
    let options = visit.answer(Step::Options);
    let methods = options.and_then(|answer| answer.header("access-control-allow-methods"));
    methods.is_some_and(|methods| methods.split(',').any(|method| method.trim() == "PATCH"))
}

fn created(visit: &Transcript) -> Outcome {
    checks::post(visit, &[201], "ends with “bad status code”")?;
    let post: &Answer = checks::created(visit)?;
    if post.media_type() != "application/sdp" {
        return failed(
            format!("Content-Type: {}", post.media_type()),
            "ends with “bad Content-Type”",
        );
    }
    if post.body.len() > MAX_SDP {
        return failed(
            format!("an answer of {} bytes", post.body.len()),
            "reads 128 KiB of it at most",
        );
    }
    checks::no_offer(visit)
}

fn etag(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    if !trickles(visit) {
        return skipped("OPTIONS does not name PATCH: it gathers before it offers");
    }
    match created.header("etag") {
        Some(etag) if !etag.is_empty() => Ok(()),
        _ => failed_set(
            "201 without an ETag, though OPTIONS names PATCH",
            "ends with “ETag is missing”",
            "nothing in MediaMTX; the server has to give an ETag (RFC 9725 §4.3.1)",
        ),
    }
}

fn links(visit: &Transcript) -> Outcome {
    let options = checks::answer(visit, Step::Options, "ends with an error")?;
    let lines = options.lines("link");
    if lines.is_empty() {
        return skipped("no Link was sent with OPTIONS");
    }
    match lines.iter().find(|line| !unmarshals(line)) {
        Some(line) => failed(
            format!("Link: {}", masked(line)),
            "ends with “invalid link header”",
        ),
        None => Ok(()),
    }
}

fn unmarshals(line: &str) -> bool {
    let rest = line
        .strip_prefix('<')
        .and_then(|line| line.split_once(">; rel=\"ice-server\""));
    let Some((_, rest)) = rest else { return false };
    if rest.is_empty() {
        return true;
    }
    let credentials = || {
        let (username, rest) = quoted(rest.strip_prefix("; username=")?)?;
        let (_, rest) = quoted(rest.strip_prefix("; credential=")?)?;
        Some(!username.is_empty() && rest == "; credential-type=\"password\"")
    };
    credentials().unwrap_or(false)
}

/// `readQuotedCredential`: only a quote and a backslash may be escaped.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut escaped = false;
    for (at, letter) in text.strip_prefix('"')?.char_indices() {
        match (letter, escaped) {
            ('\\' | '"', true) => {
                value.push(letter);
                escaped = false;
            }
            (_, true) => return None,
            ('\\', false) => escaped = true,
            ('"', false) => return Some((value, text.get(at + 2..)?)),
            _ => value.push(letter),
        }
    }
    None
}

fn reader_links(visit: &Transcript) -> Outcome {
    let then = "fails with “Cannot read properties of null”, and plays nothing";
    let options = checks::answer(visit, Step::Options, then)?;
    let Some(joined) = cors::visible(options, "link") else {
        return skipped("the page sees no Link with OPTIONS");
    };
    let matches = |link: &str| {
        let url = link
            .strip_prefix('<')
            .and_then(|link| link.find(">; rel=\"ice-server\""));
        url.is_some_and(|length| length > 0)
    };
    match joined.split(", ").find(|link| !matches(link)) {
        Some(link) => failed(format!("Link: {}", masked(link)), then),
        None => Ok(()),
    }
}

/// Without the credentials.
fn masked(link: &str) -> String {
    let rel = link.split(';').take(2).collect::<Vec<_>>().join(";");
    rel.chars()
        .filter(|letter| !letter.is_control())
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests;
