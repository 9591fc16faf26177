//! Red5's HTML SDK over WHIP and WHEP: red5pro-webrtc-sdk 11.0.0, 12.2.0 and 15.0.0,
//! `WhipWhepSignalingHelper`, `WHIPClient` and `WHEPClient`.
//!
//! | release | what it does differently from the one before |
//! |---|---|
//! | 11.0.0 | its URLs are `/{app}/whip/endpoint/{stream}` and no others; 405 to a trickle ends it |
//! | 12.2.0 | `Session-Host` of `OPTIONS` comes back as `host=` |
//! | 15.0.0 | takes any URL as it is given; an `OPTIONS` with neither 200 nor 204 is an error |

use crate::{
    Role,
    answer::Answer,
    checks,
    client::{Bearer, Behaviour, Client, CounterOffer, Needs, UrlStyle},
    clients::red5_links,
    cors,
    rule::{Outcome, Rule, failed, skipped},
    transcript::{Step, Transcript},
    url::Url,
};

const HABITS: Behaviour = Behaviour {
    agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    page: true,
    options: true,
    bearer: Bearer::Never,
    session: resolve,
    counter: CounterOffer::Always,
    trickle: |_| Some(Vec::new()),
    needs: Needs::ClassicUrls,
    ..Behaviour::PLAIN
};

pub(super) const fn behaviour(role: Role, pinned: bool, needs: Needs) -> Behaviour {
    let post = match role {
        Role::Publish => "mode=live&keyFramerate=3000",
        Role::Play => "doNotSwitch=false",
    };
    Behaviour {
        url_style: UrlStyle::Red5 {
            params: "",
            post,
            pinned,
        },
        needs,
        ..HABITS
    }
}

pub(super) const MAY: Rule = Rule {
    name: "the page may ask and read, OPTIONS too",
    source: "red5pro-webrtc-sdk 11.0.0, getOptions: an explicit OPTIONS, for which the browser asks leave first (Fetch §4.8)",
    check: cors::permitted,
};
pub(super) const OPTIONS: Rule = Rule {
    name: "OPTIONS gives 200 or 204",
    source: "red5pro-webrtc-sdk 15.0.0, getOptions: any other status throws “Failed to get options”",
    check: |visit| {
        checks::status(
            visit,
            Step::Options,
            &[200, 204],
            "throws “Failed to get options”",
        )
    },
};
pub(super) const LINKS: Rule = Rule {
    name: "Link is read",
    source: "red5pro-webrtc-sdk 11.0.0 to 15.x, getOptions: lines joined, divided at `;`, cut at `=`",
    check: red5_links::is_read,
};
pub(super) const HOST: Rule = Rule {
    name: "Session-Host can be sent back",
    source: "red5pro-webrtc-sdk 12.2.0, getOptions: read where it is exposed, and written into a URL as it is",
    check: session_host,
};
pub(super) const POST: Rule = Rule {
    name: "POST succeeds",
    source: "red5pro-webrtc-sdk 11.0.0, postSDPOffer: any of 200 to 299",
    check: |visit| {
        checks::post(
            visit,
            &[200, 201, 202, 203, 204],
            "reports Connect.Failure, or an invalid name with 404 and 409",
        )
    },
};
pub(super) const ANSWER: Rule = Rule {
    name: "the body is an answer",
    source: "red5pro-webrtc-sdk 11.0.0, WHIPClient: setRemoteDescription of type `answer`",
    check: |visit| {
        checks::description(visit, "v=", "setRemoteDescription fails")?;
        checks::no_offer(visit)
    },
};
pub(super) const OFFER: Rule = Rule {
    name: "the body is an offer",
    source: "red5pro-webrtc-sdk 11.0.0, WHEPClient: setRemoteDescription of type `offer`, whatever was sent",
    check: |visit| {
        checks::description(visit, "v=", "setRemoteDescription fails")?;
        let created = checks::created(visit)?;
        if created.is_offer() {
            Ok(())
        } else {
            failed(
                "an answer",
                "takes it for an offer, and the browser refuses it",
            )
        }
    },
};
pub(super) const LOCATION: Rule = Rule {
    name: "Location leads to the session",
    source: "red5pro-webrtc-sdk 11.0.0, postSDPOffer: as it is if /^(http|https)/, else its path without query on the endpoint",
    check: location,
};
pub(super) const PATCH_ANSWER: Rule = Rule {
    name: "PATCH with the answer succeeds",
    source: "red5pro-webrtc-sdk 11.0.0, patchSDPAnswer: any of 200 to 299",
    check: |visit| checks::success(visit, Step::AnswerPatch, "reports Connect.Failure"),
};
pub(super) const TRICKLE: Rule = Rule {
    name: "PATCH with candidates succeeds",
    source: "red5pro-webrtc-sdk 11.0.0, trickle: no If-Match; 405 throws, others too",
    check: |visit| {
        checks::success(
            visit,
            Step::Trickle,
            "throws, and publishing or playing ends",
        )
    },
};
pub(super) const DELETE: Rule = Rule {
    name: "DELETE without a token ends the session",
    source: "red5pro-webrtc-sdk 11.0.0, tearDown: no credentials, the result is not looked at",
    check: |visit| {
        checks::success(
            visit,
            Step::Delete,
            "leaves an orphaned session: the name stays taken",
        )
    },
};

/// 11.0.0, publishing.
pub(crate) const V11_WHIP: Client = Client {
    id: "red5-11",
    name: "Red5 SDK 11 WHIPClient",
    role: Role::Publish,
    behaviour: behaviour(Role::Publish, false, Needs::ClassicUrls),
    rules: &[MAY, LINKS, POST, ANSWER, LOCATION, TRICKLE, DELETE],
};
/// 11.0.0, playing.
pub(crate) const V11_WHEP: Client = Client {
    id: "red5-11-whep",
    name: "Red5 SDK 11 WHEPClient",
    role: Role::Play,
    behaviour: behaviour(Role::Play, false, Needs::ClassicUrls),
    rules: &[
        MAY,
        LINKS,
        POST,
        OFFER,
        LOCATION,
        PATCH_ANSWER,
        TRICKLE,
        DELETE,
    ],
};
/// 12.2.0, publishing.
pub(crate) const V12_WHIP: Client = Client {
    id: "red5-12",
    name: "Red5 SDK 12 WHIPClient",
    role: Role::Publish,
    behaviour: behaviour(Role::Publish, true, Needs::ClassicUrls),
    rules: &[MAY, LINKS, HOST, POST, ANSWER, LOCATION, TRICKLE, DELETE],
};
/// 12.2.0, playing.
pub(crate) const V12_WHEP: Client = Client {
    id: "red5-12-whep",
    name: "Red5 SDK 12 WHEPClient",
    role: Role::Play,
    behaviour: behaviour(Role::Play, true, Needs::ClassicUrls),
    rules: &[
        MAY,
        LINKS,
        HOST,
        POST,
        OFFER,
        LOCATION,
        PATCH_ANSWER,
        TRICKLE,
        DELETE,
    ],
};
/// 15.0.0 to 15.3.0, publishing.
pub(crate) const V15_WHIP: Client = Client {
    id: "red5-15",
    name: "Red5 SDK 15 WHIPClient",
    role: Role::Publish,
    behaviour: behaviour(Role::Publish, true, Needs::StreamManager),
    rules: &[
        MAY, OPTIONS, LINKS, HOST, POST, ANSWER, LOCATION, TRICKLE, DELETE,
    ],
};
/// 15.0.0 to 15.3.0, playing.
pub(crate) const V15_WHEP: Client = Client {
    id: "red5-15-whep",
    name: "Red5 SDK 15 WHEPClient",
    role: Role::Play,
    behaviour: behaviour(Role::Play, true, Needs::StreamManager),
    rules: &[
        MAY,
        OPTIONS,
        LINKS,
        HOST,
        POST,
        OFFER,
        LOCATION,
        PATCH_ANSWER,
        TRICKLE,
        DELETE,
    ],
};

/// The query of a relative `Location` is lost, that of the endpoint stays; without a `Location` it
/// derives the URL from the endpoint.
fn resolve(answer: &Answer, endpoint: &Url) -> Option<Url> {
    let location = cors::visible(answer, "location");
    let path = match location.as_deref() {
        Some(location) if location.starts_with("http") => return Url::parse(location),
        Some(location) => location.split('?').next().unwrap_or_default().to_owned(),
        None => endpoint.path.clone(),
    };
    // Setting `pathname` of a URL puts the slash in front that is missing.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{path}").replacen("/endpoint/", "/resource/", 1);
    Url::parse(&endpoint.with(&path, endpoint.query.clone()).to_string())
}

/// Without one it guesses, which does where URLs are the node's own.
fn location(visit: &Transcript) -> Outcome {
    let created = checks::created(visit)?;
    if cors::visible(created, "location").is_some() {
        return checks::location(visit, "knows no URL of the session");
    }
    let ended = visit.answer(Step::Delete).is_some_and(Answer::is_success);
    if ended {
        Ok(())
    } else {
        failed(
            format!(
                "{} without a Location that the page may read",
                created.status
            ),
            "guesses it from the endpoint's URL, and nothing is there",
        )
    }
}

fn session_host(visit: &Transcript) -> Outcome {
    let options = checks::answer(visit, Step::Options, "continues without it")?;
    let Some(host) = options.header("session-host") else {
        return skipped("no Session-Host was sent");
    };
    if !cors::exposes(options, "session-host") {
        return failed(
            "Session-Host is not in Access-Control-Expose-Headers",
            "sends no host=, and may reach another node",
        );
    }
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
    if !host.is_empty() && host.bytes().all(plain) {
        Ok(())
    } else {
        failed(
            format!("Session-Host: {}", host.len()),
            "writes it into a URL as it is, where it means something else",
        )
    }
}

#[cfg(test)]
mod tests;
