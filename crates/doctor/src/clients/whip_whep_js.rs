//! medooze/whip-whep-js 1.2.0 (npm `whip-whep`), read at 171f451 (2024-05-29): whip.js and whep.js.

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Behaviour, Client},
    cors,
    link::{IceServer, ice_servers},
    rule::{Outcome, Rule, failed, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

const HABITS: Behaviour = Behaviour {
    agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    page: true,
    session: resolve,
    ..Behaviour::PLAIN
};
const MAY: Rule = Rule {
    name: "the page may ask and read",
    source: "Fetch Standard §4.8; whip-whep 1.2.0, whip.js, publish and patch",
    check: cors::permitted,
};
const POST: Rule = Rule {
    name: "POST succeeds",
    source: "whip-whep 1.2.0, whip.js, publish, and whep.js, view: `fetched.ok`",
    check: |visit| {
        checks::post(
            visit,
            &[200, 201, 202, 203, 204],
            "throws “Request rejected with status”",
        )
    },
};
const LOCATION: Rule = Rule {
    name: "Location can be read",
    source: "whip.js, publish: “Response missing location header”; new URL(location, url)",
    check: location,
};
const ANSWER: Rule = Rule {
    name: "the body is an answer",
    source: "whip.js, publish: setRemoteDescription of type `answer`",
    check: |visit| {
        checks::description(visit, "v=", "setRemoteDescription fails")?;
        checks::no_offer(visit)
    },
};
const LINKS: Rule = Rule {
    name: "Link is read",
    source: "whip.js, publish: divided at /,\\s+(?=<)/, then at `;`, quotes taken out",
    check: links,
};
const PATCH: Rule = Rule {
    name: "PATCH with candidates succeeds, or says 405 or 501",
    source: "whip.js, patch: `!fetched.ok && fetched.status !== 501 && fetched.status !== 405` throws",
    check: |visit| {
        let then = "throws “Request rejected with status”, which is not caught";
        let allowed: Vec<u16> = (200..300).chain([405, 501]).collect();
        checks::status(visit, Step::Trickle, &allowed, then)
    },
};
const DELETE: Rule = Rule {
    name: "DELETE ends the session",
    source: "whip.js, stop: the status is not looked at",
    check: |visit| checks::success(visit, Step::Delete, "leaves an orphaned session"),
};

/// `WHIPClient`.
pub(crate) const WHIP: Client = Client {
    id: "whip-whep-js",
    name: "whip-whep 1.2 WHIPClient",
    role: Role::Publish,
    behaviour: Behaviour {
        // `If-Match` only if the page can read the ETag.
        trickle: |visit| {
            let etag = visit
                .created()
                .and_then(|answer| cors::visible(answer, "etag"));
            Some(etag.map(|etag| ("if-match", etag)).into_iter().collect())
        },
        ..HABITS
    },
    rules: &[MAY, POST, LOCATION, ANSWER, LINKS, PATCH, DELETE],
};

/// `WHEPClient`, which reads no `ETag`.
pub(crate) const WHEP: Client = Client {
    id: "whip-whep-js-whep",
    name: "whip-whep 1.2 WHEPClient",
    role: Role::Play,
    behaviour: Behaviour {
        trickle: |_| Some(Vec::new()),
        ..HABITS
    },
    rules: &[MAY, POST, LOCATION, ANSWER, LINKS, PATCH, DELETE],
};

fn resolve(answer: &Answer, endpoint: &Url) -> Option<Url> {
    endpoint.join(&cors::visible(answer, "location")?)
}

fn location(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let then = "throws “Response missing location header”";
    if created.header("location").is_some() && cors::visible(created, "location").is_none() {
        return failed("Location is not in Access-Control-Expose-Headers", then);
    }
    checks::location(visit, then)
}

fn links(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    let meant = ice_servers(created);
    if meant.is_empty() {
        return skipped("no ICE server was sent");
    }
    let Some(joined) = cors::visible(created, "link") else {
        return skipped(
            "Link is not in Access-Control-Expose-Headers: the page uses its own ICE servers",
        );
    };
    let read: Vec<IceServer> = divide(&joined).into_iter().filter_map(parse).collect();
    match meant.iter().find(|server| !read.contains(server)) {
        Some(server) => failed(
            format!("Link of {}", server.url),
            "reads another server out of it",
        ),
        None => Ok(()),
    }
}

/// `split(/,\s+(?=<)/)`.
fn divide(joined: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (comma, _) in joined.match_indices(',') {
        let behind = joined.get(comma + 1..).unwrap_or_default();
        let next = behind.trim_start();
        if next.starts_with('<') && next.len() < behind.len() {
            parts.extend(joined.get(start..comma));
            start = joined.len() - next.len();
        }
    }
    parts.extend(joined.get(start..));
    parts
}

fn parse(header: &str) -> Option<IceServer> {
    let mut items = header.split(';');
    let url = items
        .next()?
        .trim()
        .trim_start_matches('<')
        .trim_end_matches('>');
    let mut server = IceServer {
        url: url.trim().to_owned(),
        ..IceServer::default()
    };
    let mut rel = None;
    for item in items {
        let (key, value) = item.split_once('=').unwrap_or((item, ""));
        let value = value.trim().replace(['"', '\''], "");
        match key.trim() {
            "rel" => rel = Some(value),
            "username" => server.username = Some(value),
            "credential" => server.credential = Some(value),
            _ => {}
        }
    }
    (rel.as_deref() == Some("ice-server")).then_some(server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OFFER_406, OK, SKIPPED, table};

    #[test]
    fn its_rules() {
        let link = |link: &str| format!("201\nlocation: /r\nlink: {link}\n\nv=0\nm=audio");
        let two = r#"<stun:s>; rel="ice-server", <turn:t>; rel="ice-server"; username="u"; credential="a=b""#;
        let semicolon = r#"<turn:t>; rel="ice-server"; username="u"; credential="a'b""#;
        let hidden = "201\nlocation: /r\naccess-control-allow-origin: *\n\nv=0\nm=audio";
        table(
            &WHIP,
            &[
                ("the page may ask and read", Step::Post, GOOD, OK),
                (
                    "the page may ask and read",
                    Step::Delete,
                    "200\naccess-control-expose-headers: *",
                    FAILED,
                ),
                ("POST succeeds", Step::Post, "200", OK),
                ("POST succeeds", Step::Post, "403", FAILED),
                ("Location can be read", Step::Post, GOOD, OK),
                ("Location can be read", Step::Post, hidden, FAILED),
                (
                    "Location can be read",
                    Step::Post,
                    "201\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("the body is an answer", Step::Post, GOOD, OK),
                ("the body is an answer", Step::Post, OFFER_201, FAILED),
                ("Link is read", Step::Post, &link(two), OK),
                ("Link is read", Step::Post, &link(semicolon), FAILED),
                ("Link is read", Step::Post, GOOD, SKIPPED),
                (
                    "PATCH with candidates succeeds, or says 405 or 501",
                    Step::Trickle,
                    "204",
                    OK,
                ),
                (
                    "PATCH with candidates succeeds, or says 405 or 501",
                    Step::Trickle,
                    "405",
                    OK,
                ),
                (
                    "PATCH with candidates succeeds, or says 405 or 501",
                    Step::Trickle,
                    "428",
                    FAILED,
                ),
                ("DELETE ends the session", Step::Delete, "200", OK),
                ("DELETE ends the session", Step::Delete, "404", FAILED),
            ],
        );
        table(&WHEP, &[("POST succeeds", Step::Post, OFFER_406, SKIPPED)]);
    }
}
