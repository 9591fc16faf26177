//! What Red5's own applications do with their SDK 15 beyond one session: red5pro-conference-sdk
//! 1.0, red5pro-whep-player, and the SDK's own `RenegotiationPolicy` (15.2.0 and later).
//!
//! | client | what it does |
//! |---|---|
//! | `RenegotiationPolicy` | on ICE trouble `DELETE`, then at once `OPTIONS` and `POST` with the same `requestId` |
//! | Conference SDK | publishes `NAME`, with `capabilities=4` where it has no media, and `NAME-screenshare` beside it |
//! | red5pro-whep-player | plays; on any failure it retries after 2 s, for ever |

use super::red5::{
    ANSWER, DELETE, HOST, LINKS, LOCATION, MAY, OFFER, OPTIONS, PATCH_ANSWER, POST, TRICKLE,
    behaviour,
};
use crate::{
    Role,
    answer::{Answer, Exchange},
    checks,
    client::{Behaviour, Client, Extra, Needs, UrlStyle},
    rule::{Outcome, Rule, failed, failed_set, skipped},
    transcript::{Step, Transcript},
};

/// How often the session is created again.
const TIMES: u8 = 3;
/// What is shared of a screen is called like its publisher, and this.
const SCREEN: &str = "-screenshare";

const fn with(role: Role, params: &'static str, extra: Extra) -> Behaviour {
    let behaviour = behaviour(role, true, Needs::StreamManager);
    let post = match role {
        Role::Publish => "mode=live&keyFramerate=3000",
        Role::Play => "doNotSwitch=false",
    };
    Behaviour {
        url_style: UrlStyle::Red5 {
            params,
            post,
            pinned: true,
        },
        extra,
        ..behaviour
    }
}

const AGAIN: Rule = Rule {
    name: "another session by the same requestId, at once",
    source: "red5pro-webrtc-sdk 15.2.0, RenegotiationPolicy: DELETE, OPTIONS and POST with the requestId of the first",
    check: again,
};
const SCREENSHARE: Rule = Rule {
    name: "a second publisher, NAME-screenshare, beside the first",
    source: "red5pro-conference-sdk 1.0.2, startScreenShare: a WHIPClient of its own",
    check: |visit| {
        let then = "emits SCREEN_SHARE_FAILED";
        second(visit, Step::SecondPost, then)?;
        second(
            visit,
            Step::SecondDelete,
            "leaves the screen share published",
        )
    },
};
const REFUSED: Rule = Rule {
    name: "a stream that is not live is refused",
    source: "red5pro-whep-player, index.html: an error, and nothing else, makes it ask again after 2 s",
    check: refused,
};

/// 15.2.0 and later, playing on a bad network.
pub(crate) const RENEGOTIATION: Client = Client {
    id: "red5-15-renegotiation",
    name: "Red5 SDK 15.2 RenegotiationPolicy",
    role: Role::Play,
    behaviour: with(Role::Play, "", Extra::Renegotiates(TIMES)),
    rules: &[POST, AGAIN, DELETE],
};
/// A participant without a camera who shares a screen.
pub(crate) const CONFERENCE: Client = Client {
    id: "red5-conference",
    name: "Red5 Conference SDK 1.0",
    role: Role::Publish,
    behaviour: with(Role::Publish, "capabilities=4", Extra::Publishes(SCREEN)),
    rules: &[
        MAY,
        OPTIONS,
        LINKS,
        HOST,
        POST,
        ANSWER,
        LOCATION,
        SCREENSHARE,
        TRICKLE,
        DELETE,
    ],
};
/// The player page.
pub(crate) const PLAYER: Client = Client {
    id: "red5-whep-player",
    name: "red5pro-whep-player",
    role: Role::Play,
    behaviour: with(Role::Play, "", Extra::Retries),
    rules: &[
        MAY,
        OPTIONS,
        LINKS,
        HOST,
        REFUSED,
        POST,
        OFFER,
        LOCATION,
        PATCH_ANSWER,
        TRICKLE,
        DELETE,
    ],
};

/// Every step of every time succeeds.
fn again(visit: &Transcript) -> Outcome {
    checks::created(visit)?;
    let then = "the picture does not come back";
    let mut times = 0;
    for step in [Step::AgainDelete, Step::AgainOptions, Step::AgainPost] {
        for came in visit.each(step) {
            times += 1;
            let answer = match came {
                Exchange::Answer(answer) => answer,
                Exchange::NoAnswer(words) => {
                    return failed(format!("{}: {words}", step.words()), then);
                }
            };
            match answer.status {
                // The SDK ignores the status, but an orphaned session keeps the requestId.
                _ if step == Step::AgainDelete && answer.is_success() => {}
                200 | 204 if step == Step::AgainOptions => {}
                200..=299 if step == Step::AgainPost => {}
                400 => {
                    return failed_set(
                        format!("{}: {}", step.words(), answer.shown()),
                        "reports “Offer already sent, double POST assumed”, and gives up",
                        "a server that frees a requestId with the answer to its DELETE",
                    );
                }
                _ => return failed(format!("{}: {}", step.words(), answer.shown()), then),
            }
        }
    }
    if times == 0 {
        return skipped("the client knows no URL of the session");
    }
    Ok(())
}

fn second(visit: &Transcript, step: Step, then: &str) -> Outcome {
    checks::created(visit)?;
    let answer = checks::answer(visit, step, then)?;
    if answer.is_success() {
        Ok(())
    } else {
        failed(format!("{}: {}", step.words(), answer.shown()), then)
    }
}

fn refused(visit: &Transcript) -> Outcome {
    let answer = checks::answer(
        visit,
        Step::NotLive,
        "asks again only when the browser gives up",
    )?;
    if answer.is_success() {
        return failed(
            answer.shown(),
            "waits for a picture that never comes, and does not ask again",
        );
    }
    readable(answer)
}

/// The page can read the status, not only that something failed.
fn readable(answer: &Answer) -> Outcome {
    if answer.header("access-control-allow-origin").is_some() {
        Ok(())
    } else {
        failed(
            format!("{} without Access-Control-Allow-Origin", answer.status),
            "the browser shows an error of CORS instead of the reason",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OK, SKIPPED, table, verdict};

    #[test]
    fn a_session_made_anew() {
        let rule = AGAIN.name;
        let good = [
            (Step::Post, OFFER_201),
            (Step::AgainDelete, "200"),
            (Step::AgainOptions, "200"),
            (Step::AgainPost, OFFER_201),
        ];
        assert_eq!(verdict(&RENEGOTIATION, rule, &good), OK);
        assert_eq!(
            verdict(&RENEGOTIATION, rule, &[(Step::Post, OFFER_201)]),
            SKIPPED
        );
        assert_eq!(
            verdict(&RENEGOTIATION, rule, &[(Step::Post, "409")]),
            SKIPPED
        );
        for (step, bad) in [
            (Step::AgainDelete, "404"),
            (Step::AgainOptions, "503"),
            (Step::AgainPost, "400"),
            (Step::AgainPost, "409"),
            (Step::AgainPost, ""),
        ] {
            // Not the first time.
            let mut answers = good.to_vec();
            answers.push((step, bad));
            assert_eq!(verdict(&RENEGOTIATION, rule, &answers), FAILED, "{bad}");
        }
    }

    #[test]
    fn a_screen_beside_its_publisher() {
        let rule = SCREENSHARE.name;
        let with = |post, delete| {
            let answers = [
                (Step::Post, GOOD),
                (Step::SecondPost, post),
                (Step::SecondDelete, delete),
            ];
            verdict(&CONFERENCE, rule, &answers)
        };
        assert_eq!(with(GOOD, "200"), OK);
        assert_eq!(with("409", "200"), FAILED);
        assert_eq!(with(GOOD, "404"), FAILED);
        assert_eq!(verdict(&CONFERENCE, rule, &[(Step::Post, "503")]), SKIPPED);
    }

    #[test]
    fn a_stream_that_is_not_there_yet() {
        let hidden = "409\naccess-control-allow-methods: POST";
        table(
            &PLAYER,
            &[
                (REFUSED.name, Step::NotLive, "409", OK),
                (REFUSED.name, Step::NotLive, "404", OK),
                (REFUSED.name, Step::NotLive, OFFER_201, FAILED),
                (REFUSED.name, Step::NotLive, "", FAILED),
                (REFUSED.name, Step::NotLive, hidden, FAILED),
            ],
        );
    }
}
