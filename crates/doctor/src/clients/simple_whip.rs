//! Meetecho's simple-whip-client, read at b9b3fac (2025-10-23): src/whip-client.c, played with
//! `--follow-link`.

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Behaviour, Client},
    link::ice_servers,
    rule::{Outcome, Rule, failed, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

/// simple-whip-client.
pub(crate) const SIMPLE_WHIP: Client = Client {
    id: "simple-whip-client",
    name: "simple-whip-client",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "",
        options: true,
        follows: &[301, 307],
        session: resolve,
        trickle: |visit| Some(if_match(visit)),
        delete: if_match,
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "OPTIONS gives 200 or 204",
            source: "simple-whip-client, src/whip-client.c, whip_options",
            check: |visit| {
                checks::status(
                    visit,
                    Step::Options,
                    &[200, 204],
                    "continues without the server's STUN and TURN",
                )
            },
        },
        Rule {
            name: "Link is read",
            source: "whip-client.c, whip_options and whip_process_link_header: divided at `, `, strlen of a missing username",
            check: links,
        },
        Rule {
            name: "POST gives 201",
            source: "whip-client.c, whip_connect; of redirects only 301 and 307 (whip_http_send)",
            check: |visit| checks::post(visit, &[201], "disconnects: “HTTP error”"),
        },
        Rule {
            name: "the body is application/sdp and begins with v=0 and CRLF",
            source: "whip-client.c, whip_connect: strcasecmp of the type, strstr(answer, \"v=0\\r\\n\") == answer",
            check: answer,
        },
        Rule {
            name: "Location leads to the session",
            source: "whip-client.c, whip_connect: absolute if `http` stands anywhere in it, else it has to begin with a slash",
            check: |visit| checks::location(visit, "cannot trickle, nor end the session"),
        },
        Rule {
            name: "PATCH with candidates gives 200 or 204",
            source: "whip-client.c, whip_send_candidates; If-Match of the last ETag (whip_http_send)",
            check: |visit| {
                checks::status(
                    visit,
                    Step::Trickle,
                    &[200, 204],
                    "logs “[trickle]”, and the candidates are lost",
                )
            },
        },
        Rule {
            name: "DELETE gives 200",
            source: "whip-client.c, whip_disconnect; If-Match there too, which is to be ignored (RFC 9725 §4.2)",
            check: |visit| checks::status(visit, Step::Delete, &[200], "logs a warning"),
        },
    ],
};

fn resolve(answer: &Answer, endpoint: &Url) -> Option<Url> {
    let location = answer.header("location")?;
    if location.contains("http") {
        return Url::parse(location);
    }
    // Without a slash its own join writes the path behind the host without one.
    location
        .starts_with('/')
        .then(|| Url::parse(&format!("{}{location}", endpoint.origin())))
        .flatten()
}

fn if_match(visit: &Transcript) -> Vec<(&'static str, String)> {
    let etag = visit.created().and_then(|answer| answer.header("etag"));
    etag.map(|etag| ("if-match", etag.to_owned()))
        .into_iter()
        .collect()
}

fn answer(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    if created.media_type() != "application/sdp" {
        return failed(
            format!("Content-Type: {}", created.media_type()),
            "disconnects: “Unexpected content-type”",
        );
    }
    checks::description(visit, "v=0\r\n", "disconnects: “Invalid SDP answer”")?;
    checks::no_offer(visit)
}

fn links(visit: &Transcript) -> Outcome {
    let options = checks::answer(
        visit,
        Step::Options,
        "continues without the server's STUN and TURN",
    )?;
    let servers = ice_servers(options);
    if servers.is_empty() {
        return skipped("no ICE server was sent with OPTIONS");
    }
    for server in servers {
        let turn = server.url.starts_with("turn");
        if turn && (server.username.is_none() || server.credential.is_none()) {
            return failed(
                format!("Link of {} without credentials", server.url),
                "crashes: strlen of nothing",
            );
        }
        if server.url.contains(", ") || server.url.contains("//") {
            return failed(
                format!("Link of {}", server.url),
                "reads another server out of it",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OK, SKIPPED, located, table};

    #[test]
    fn its_location() {
        let at = |location| located(&SIMPLE_WHIP, location);
        assert_eq!(at("https://n/r").as_deref(), Some("https://n/r"));
        assert_eq!(at("/r").as_deref(), Some("https://live.example.com/r"));
        assert_eq!(at("r"), None);
        assert_eq!(at("/http-streams/r"), None);
    }

    #[test]
    fn its_rules() {
        let link = |rest: &str| format!("200\nlink: <turn:t>; rel=\"ice-server\"{rest}");
        let whole = link("; username=\"u\"; credential=\"c\"");
        table(
            &SIMPLE_WHIP,
            &[
                ("OPTIONS gives 200 or 204", Step::Options, "204", OK),
                ("OPTIONS gives 200 or 204", Step::Options, "405", FAILED),
                ("Link is read", Step::Options, &whole, OK),
                ("Link is read", Step::Options, &link(""), FAILED),
                ("Link is read", Step::Options, "200", SKIPPED),
                ("POST gives 201", Step::Post, "200", FAILED),
                ("POST gives 201", Step::Post, GOOD, OK),
                (
                    "the body is application/sdp and begins with v=0 and CRLF",
                    Step::Post,
                    GOOD,
                    OK,
                ),
                (
                    "the body is application/sdp and begins with v=0 and CRLF",
                    Step::Post,
                    "201\nlocation: /r\ncontent-type: text/plain\n\nv=0\nm=a",
                    FAILED,
                ),
                ("Location leads to the session", Step::Post, GOOD, OK),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\nlocation: r\n\nv=0\nm=a",
                    FAILED,
                ),
                (
                    "PATCH with candidates gives 200 or 204",
                    Step::Trickle,
                    "204",
                    OK,
                ),
                (
                    "PATCH with candidates gives 200 or 204",
                    Step::Trickle,
                    "412",
                    FAILED,
                ),
                ("DELETE gives 200", Step::Delete, "200", OK),
                ("DELETE gives 200", Step::Delete, "204", FAILED),
            ],
        );
    }
}
