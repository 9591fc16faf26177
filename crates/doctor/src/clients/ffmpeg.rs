//! FFmpeg 8's WHIP muxer: libavformat/whip.c and http.c.

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Behaviour, Client},
    rule::{Outcome, Rule, failed},
    transcript::{Step, Transcript},
    url::Url,
};

/// `MAX_SDP_SIZE`, with its closing zero.
const MAX_SDP: usize = 8192;
/// `MAX_URL_SIZE`.
const MAX_URL: usize = 4096;

/// FFmpeg.
pub(crate) const FFMPEG: Client = Client {
    id: "ffmpeg",
    name: "FFmpeg 8 WHIP muxer",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "Lavf/62.3.100",
        follows: &[301, 302, 303, 307, 308],
        session: resolve,
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "POST gives less than 400",
            source: "FFmpeg 8, libavformat/http.c, check_http_code",
            check: |visit| {
                checks::post(visit, &[200, 201, 202, 203, 204], "ends with “HTTP error”")
            },
        },
        Rule {
            name: "the answer begins with v= and has less than 8 KiB",
            source: "libavformat/whip.c, exchange_sdp: MAX_SDP_SIZE, av_strstart(…, \"v=\")",
            check: answer,
        },
        Rule {
            name: "a UDP host candidate in the answer",
            source: "libavformat/whip.c, parse_answer: the first `a=candidate:` of udp and host, with ice-ufrag and ice-pwd",
            check: candidate,
        },
        Rule {
            name: "Location leads to the session",
            source: "libavformat/http.c, parse_location: ff_make_absolute_url on the effective URL, 4096 bytes",
            check: location,
        },
        Rule {
            name: "DELETE ends the session",
            source: "libavformat/whip.c, dispose_session: an error from 400 on is only logged",
            check: |visit| {
                checks::success(
                    visit,
                    Step::Delete,
                    "ends, and cannot publish the name again until the session has timed out (its own comment says so)",
                )
            },
        },
    ],
};

fn resolve(answer: &Answer, _: &Url) -> Option<Url> {
    let url = answer.url.join(answer.header("location")?)?;
    (url.to_string().len() < MAX_URL).then_some(url)
}

fn answer(visit: &Transcript) -> Outcome {
    checks::description(visit, "v=", "ends with “Invalid answer”")?;
    let created = checks::created(visit)?;
    if created.body.len() >= MAX_SDP {
        return failed(
            format!("an answer of {} bytes", created.body.len()),
            "ends with “Answer exceed max size”",
        );
    }
    checks::no_offer(visit)
}

fn candidate(visit: &Transcript) -> Outcome {
    let body = &checks::created(visit)?.body;
    let has = |start: &str| {
        body.lines().any(|line| {
            line.strip_prefix(start)
                .is_some_and(|value| !value.trim().is_empty())
        })
    };
    for start in ["a=ice-ufrag:", "a=ice-pwd:"] {
        if !has(start) {
            return failed(
                format!("an answer without {start}"),
                "ends with “No remote ice ufrag parsed”, or pwd",
            );
        }
    }
    let found = body
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .find_map(udp_host);
    match found {
        Some(true) => Ok(()),
        Some(false) => failed(
            "a candidate that it cannot read",
            "ends with “Failed to parse line”",
        ),
        None => failed(
            "an answer without a UDP host candidate",
            "ends with “No ice candidate parsed”: it knows no trickle and no relay",
        ),
    }
}

/// `sscanf("%16s %d %128s %d typ host")` from `udp` on; `None` for candidates that it passes over.
fn udp_host(candidate: &str) -> Option<bool> {
    let lower = candidate.to_ascii_lowercase();
    let from_udp = candidate.get(lower.find("udp")?..)?;
    if !from_udp.to_ascii_lowercase().contains("host") {
        return None;
    }
    let words: Vec<&str> = from_udp.split_whitespace().collect();
    let read = matches!(
        words.as_slice(),
        [protocol, priority, _, port, ..]
            if protocol.eq_ignore_ascii_case("udp") && priority.parse::<u32>().is_ok() && port.parse::<u16>().is_ok_and(|port| port != 0)
    );
    Some(read)
}

/// It makes do without one, and then cannot end the session.
fn location(visit: &Transcript) -> Outcome {
    checks::location(
        visit,
        "publishes, but sends no DELETE: the name stays taken until the session times out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OK, table};

    #[test]
    fn its_rules() {
        let ice = "201\nlocation: /r\n\nv=0\nm=audio 9 x 0\na=ice-ufrag:u\na=ice-pwd:p\n";
        let with = |line: &str| format!("{ice}{line}");
        let long = format!("{ice}a=x:{}", "y".repeat(MAX_SDP));
        let far = format!("201\nlocation: /{}\n\nv=0\nm=audio", "y".repeat(MAX_URL));
        table(
            &FFMPEG,
            &[
                ("POST gives less than 400", Step::Post, GOOD, OK),
                ("POST gives less than 400", Step::Post, "500", FAILED),
                (
                    "the answer begins with v= and has less than 8 KiB",
                    Step::Post,
                    GOOD,
                    OK,
                ),
                (
                    "the answer begins with v= and has less than 8 KiB",
                    Step::Post,
                    "201\nlocation: /r\n\n\n\nv=0\nm=audio",
                    FAILED,
                ),
                (
                    "the answer begins with v= and has less than 8 KiB",
                    Step::Post,
                    &long,
                    FAILED,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    &with("a=candidate:1 1 udp 2130706431 10.0.0.7 40000 typ host"),
                    OK,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    &with("a=candidate:1 1 UDP 1 10.0.0.7 40000 typ host"),
                    OK,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    &with("a=candidate:1 1 tcp 1 10.0.0.7 9 typ host"),
                    FAILED,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    &with("a=candidate:1 1 udp 1 10.0.0.7 typ host"),
                    FAILED,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    ice,
                    FAILED,
                ),
                (
                    "a UDP host candidate in the answer",
                    Step::Post,
                    GOOD,
                    FAILED,
                ),
                ("Location leads to the session", Step::Post, GOOD, OK),
                ("Location leads to the session", Step::Post, &far, FAILED),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("DELETE ends the session", Step::Delete, "200", OK),
                ("DELETE ends the session", Step::Delete, "404", FAILED),
            ],
        );
    }
}
