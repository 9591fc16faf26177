//! What Red5's own applications do with their SDK 15 beyond one session: red5pro-conference-sdk
//! 1.0, red5pro-whep-player, and the SDK's own `RenegotiationPolicy` (15.2.0 and later).
//!
//! | client | what it does |
//! |---|---|
//! | `RenegotiationPolicy` | on ICE trouble `DELETE`, then at once `OPTIONS` and `POST` with the same `requestId` |
//! | Conference SDK | publishes `NAME`, with `capabilities=4` where it has no media, and `NAME-screenshare` beside it |
//! | red5pro-whep-player | plays; whatever fails, it asks again after 2 s, for ever |

use super::red5::{
    ANSWER, DELETE, HOST, LINKS, LOCATION, MAY, OFFER, OPTIONS, PATCH_ANSWER, POST, TRICKLE, habits,
};
use crate::{
    Role,
    answer::{Answer, Came},
    checks,
    client::{Client, Encore, Habits, Needs, Speech},
    rule::{Outcome, Rule, failed, failed_set, skipped},
    transcript::{Act, Transcript},
};

/// How often the session is made anew.
const TIMES: u8 = 3;
/// What is shared of a screen is called like its publisher, and this.
const SCREEN: &str = "-screenshare";

const fn with(role: Role, params: &'static str, encore: Encore) -> Habits {
    let habits = habits(role, true, Needs::StreamManager);
    let post = match role {
        Role::Publish => "mode=live&keyFramerate=3000",
        Role::Play => "doNotSwitch=false",
    };
    Habits {
        speech: Speech::Red5 {
            params,
            post,
            pinned: true,
        },
        encore,
        ..habits
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
        second(visit, Act::SecondPost, then)?;
        second(visit, Act::SecondDelete, "leaves the screen on the stage")
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
    habits: with(Role::Play, "", Encore::Renegotiates(TIMES)),
    rules: &[POST, AGAIN, DELETE],
};
/// A participant who has no camera yet, and shares a screen.
pub(crate) const CONFERENCE: Client = Client {
    id: "red5-conference",
    name: "Red5 Conference SDK 1.0",
    role: Role::Publish,
    habits: with(Role::Publish, "capabilities=4", Encore::Publishes(SCREEN)),
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
    habits: with(Role::Play, "", Encore::Retries),
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
    for act in [Act::AgainDelete, Act::AgainOptions, Act::AgainPost] {
        for came in visit.each(act) {
            times += 1;
            let answer = match came {
                Came::Answer(answer) => answer,
                Came::Silence(words) => return failed(format!("{}: {words}", act.words()), then),
            };
            match answer.status {
                // The SDK does not look at it, but what is left behind keeps the requestId.
                _ if act == Act::AgainDelete && answer.is_success() => {}
                200 | 204 if act == Act::AgainOptions => {}
                200..=299 if act == Act::AgainPost => {}
                400 => {
                    return failed_set(
                        format!("{}: {}", act.words(), answer.shown()),
                        "reports “Offer already sent, double POST assumed”, and gives up",
                        "a server that frees a requestId with the answer to its DELETE",
                    );
                }
                _ => return failed(format!("{}: {}", act.words(), answer.shown()), then),
            }
        }
    }
    if times == 0 {
        return skipped("the client knows no URL of the session");
    }
    Ok(())
}

fn second(visit: &Transcript, act: Act, then: &str) -> Outcome {
    checks::created(visit)?;
    let answer = checks::answer(visit, act, then)?;
    if answer.is_success() {
        Ok(())
    } else {
        failed(format!("{}: {}", act.words(), answer.shown()), then)
    }
}

fn refused(visit: &Transcript) -> Outcome {
    let answer = checks::answer(
        visit,
        Act::NotLive,
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

/// The page is told the status, and not only that something failed.
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
    use crate::by_hand::{FAILED, GOOD, OFFER_201, OK, SKIPPED, table, verdict};

    #[test]
    fn a_session_made_anew() {
        let rule = AGAIN.name;
        let good = [
            (Act::Post, OFFER_201),
            (Act::AgainDelete, "200"),
            (Act::AgainOptions, "200"),
            (Act::AgainPost, OFFER_201),
        ];
        assert_eq!(verdict(&RENEGOTIATION, rule, &good), OK);
        assert_eq!(
            verdict(&RENEGOTIATION, rule, &[(Act::Post, OFFER_201)]),
            SKIPPED
        );
        assert_eq!(
            verdict(&RENEGOTIATION, rule, &[(Act::Post, "409")]),
            SKIPPED
        );
        for (act, bad) in [
            (Act::AgainDelete, "404"),
            (Act::AgainOptions, "503"),
            (Act::AgainPost, "400"),
            (Act::AgainPost, "409"),
            (Act::AgainPost, ""),
        ] {
            // Not the first time.
            let mut answers = good.to_vec();
            answers.push((act, bad));
            assert_eq!(verdict(&RENEGOTIATION, rule, &answers), FAILED, "{bad}");
        }
    }

    #[test]
    fn a_screen_beside_its_publisher() {
        let rule = SCREENSHARE.name;
        let with = |post, delete| {
            let answers = [
                (Act::Post, GOOD),
                (Act::SecondPost, post),
                (Act::SecondDelete, delete),
            ];
            verdict(&CONFERENCE, rule, &answers)
        };
        assert_eq!(with(GOOD, "200"), OK);
        assert_eq!(with("409", "200"), FAILED);
        assert_eq!(with(GOOD, "404"), FAILED);
        assert_eq!(verdict(&CONFERENCE, rule, &[(Act::Post, "503")]), SKIPPED);
    }

    #[test]
    fn a_stream_that_is_not_there_yet() {
        let hidden = "409\naccess-control-allow-methods: POST";
        table(
            &PLAYER,
            &[
                (REFUSED.name, Act::NotLive, "409", OK),
                (REFUSED.name, Act::NotLive, "404", OK),
                (REFUSED.name, Act::NotLive, OFFER_201, FAILED),
                (REFUSED.name, Act::NotLive, "", FAILED),
                (REFUSED.name, Act::NotLive, hidden, FAILED),
            ],
        );
    }
}
