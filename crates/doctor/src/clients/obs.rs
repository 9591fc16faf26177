//! OBS Studio's WHIP output, read at f86e9c1d5 (2026-08-21).

use crate::{
    Role, checks,
    client::{Behaviour, Client},
    link::{IceServer, ice_servers},
    rule::{Outcome, Rule, failed, failed_set, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

/// OBS Studio.
pub(crate) const OBS: Client = Client {
    id: "obs",
    name: "OBS Studio 32",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "Mozilla/5.0 (OBS-Studio/32.0.1; Linux x86_64; en-US)",
        session: |answer, _| resolve(answer.header("location")?, &answer.url),
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "POST gives 201",
            source: "OBS Studio, plugins/obs-webrtc/whip-output.cpp, Connect: `response_code != 201`",
            check: |visit| {
                checks::post(
                    visit,
                    &[201],
                    "stops with “HTTP endpoint returned response code”, and does not try again (OBS_OUTPUT_INVALID_STREAM)",
                )
            },
        },
        Rule {
            name: "answer within 8 s",
            source: "whip-output.cpp, Connect: CURLOPT_TIMEOUT 8, redirects included",
            check: |visit| {
                checks::within(
                    visit,
                    8,
                    "gives up after 8 s (OBS_OUTPUT_CONNECT_FAILED); a session created later is orphaned",
                )
            },
        },
        Rule {
            name: "Location leads to the session",
            source: "whip-output.cpp, Connect: as it is if it begins with `http`, else the path on the effective URL, without query",
            check: |visit| {
                checks::location(
                    visit,
                    "stops: “did not provide a resource URL via the Location header”",
                )
            },
        },
        Rule {
            name: "the body holds an answer",
            source: "whip-output.cpp, Connect: everything before `v=0` is cut off, the rest given to libdatachannel",
            check: answer,
        },
        Rule {
            name: "Link is read",
            source: "whip-output.cpp, Connect and ParseLinkHeader: lines are cut at `,`, each piece has to begin with `<stun:` or `<turn:`",
            check: links,
        },
        Rule {
            name: "DELETE gives 200",
            source: "whip-output.cpp, SendDelete: `response_code != 200` is a warning",
            check: |visit| {
                checks::status(
                    visit,
                    Step::Delete,
                    &[200],
                    "logs a warning; unless the session ended all the same, the name stays taken",
                )
            },
        },
    ],
};

/// The session's URL as OBS builds it.
fn resolve(location: &str, effective: &Url) -> Option<Url> {
    if location.starts_with("http") {
        return Url::parse(location);
    }
    // `curl_url_set` with CURLUPART_PATH puts the slash in front that is missing, and resolves
    // nothing.
    let slash = if location.starts_with('/') { "" } else { "/" };
    Url::parse(&format!("{}{slash}{location}", effective.origin()))
}

fn answer(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let sdp = created
        .body
        .find("v=0")
        .and_then(|start| created.body.get(start..));
    match sdp {
        Some(sdp) if sdp.contains("\nm=") => checks::no_offer(visit),
        _ => failed(
            "a body without a description",
            "stops: “WHIP server responded with invalid SDP”",
        ),
    }
}

fn links(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    // `turns:` is none that it could use, and is passed over.
    let usable =
        |server: &IceServer| server.url.starts_with("stun:") || server.url.starts_with("turn:");
    let meant: Vec<_> = ice_servers(created).into_iter().filter(usable).collect();
    if meant.is_empty() {
        return skipped("no ICE server that it could use was sent");
    }
    let lines = created.lines("link");
    let read: Vec<_> = lines
        .iter()
        .flat_map(|line| line.split(','))
        .filter_map(parse)
        .collect();
    match meant.iter().find(|server| !read.contains(server)) {
        None => Ok(()),
        Some(lost) if lines.len() < meant.len() => failed_set(
            format!("Link: several servers in one line, {} among them", lost.url),
            "reads only what stands before the first comma",
            "what joins the lines in front of Whipstitch; elsewhere a line for each server",
        ),
        Some(lost) => failed(
            format!("Link of {}", lost.url),
            "reads another server out of it",
        ),
    }
}

/// One piece of a line, as `ParseLinkHeader` reads it.
fn parse(piece: &str) -> Option<IceServer> {
    let mut server = IceServer::default();
    let between = |text: &str, head: char, tail: char| {
        let (from, to) = (text.find(head)? + 1, text.rfind(tail)?);
        text.get(from..to).map(str::to_owned)
    };
    for token in piece.split(';') {
        if token.starts_with("<stun:") || token.starts_with("<turn:") {
            server.url = between(token, '<', '>').unwrap_or_default();
        } else if token.contains("username=") {
            server.username = between(token, '"', '"');
        } else if token.contains("credential=") {
            server.credential = between(token, '"', '"');
        }
    }
    (!server.url.is_empty()).then_some(server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OK, SKIPPED, table};

    #[test]
    fn its_location() {
        let effective = Url::parse("https://h/live/whip/endpoint/s1?token=x").unwrap();
        for (location, url) in [
            ("https://n/whip/1?a=b", "https://n/whip/1?a=b"),
            ("/whip/1", "https://h/whip/1"),
            ("whip/1", "https://h/whip/1"),
        ] {
            assert_eq!(resolve(location, &effective).unwrap().to_string(), url);
        }
    }

    #[test]
    fn its_rules() {
        let turn = r#"<turn:t>; rel="ice-server"; username="u"; credential="c"; credential-type="password""#;
        let stun = r#"<stun:s>; rel="ice-server""#;
        let with = |lines: &str| format!("201\nlocation: /r\n{lines}\n\nv=0\nm=audio");
        table(
            &OBS,
            &[
                ("POST gives 201", Step::Post, GOOD, OK),
                ("POST gives 201", Step::Post, "200\n\nv=0\nm=audio", FAILED),
                ("POST gives 201", Step::Post, "307\nlocation: /x", FAILED),
                ("POST gives 201", Step::Post, "", FAILED),
                ("answer within 8 s", Step::Post, GOOD, OK),
                ("answer within 8 s", Step::Post, "201 after 9 s", FAILED),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\nlocation: whip/1\n\nv=0\nm=audio",
                    OK,
                ),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("Location leads to the session", Step::Post, "503", SKIPPED),
                (
                    "the body holds an answer",
                    Step::Post,
                    "201\nlocation: /r\n\n\n\nv=0\nm=audio",
                    OK,
                ),
                (
                    "the body holds an answer",
                    Step::Post,
                    "201\nlocation: /r\n\n{}",
                    FAILED,
                ),
                (
                    "the body holds an answer",
                    Step::Post,
                    "201\nlocation: /r\n\nv=0\nm=audio\na=setup:actpass",
                    FAILED,
                ),
                ("Link is read", Step::Post, GOOD, SKIPPED),
                (
                    "Link is read",
                    Step::Post,
                    &with(&format!("link: {stun}\nlink: {turn}")),
                    OK,
                ),
                (
                    "Link is read",
                    Step::Post,
                    &with(&format!("link: {stun}, {turn}")),
                    FAILED,
                ),
                (
                    "Link is read",
                    Step::Post,
                    &with(r#"link: <turns:t>; rel="ice-server""#),
                    SKIPPED,
                ),
                ("DELETE gives 200", Step::Delete, "200", OK),
                ("DELETE gives 200", Step::Delete, "204", FAILED),
                ("DELETE gives 200", Step::Delete, "404", FAILED),
            ],
        );
    }
}
