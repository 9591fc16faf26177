//! ggarber/whip-go, read at a1c5a21 (2025-06-04).

use crate::{
    Role, checks,
    client::{Behaviour, Client},
    rule::Rule,
    transcript::Step,
};

/// whip-go.
pub(crate) const WHIP_GO: Client = Client {
    id: "whip-go",
    name: "whip-go",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "Go-http-client/1.1",
        // Without one `url.Parse("")` resolves to the endpoint itself.
        session: |answer, endpoint| endpoint.join(answer.header("location").unwrap_or_default()),
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "POST gives 201",
            source: "whip-go, whip.go, Publish: `resp.StatusCode != 201`; net/http follows 307 and 308 with the body",
            check: |visit| checks::post(visit, &[201], "ends: “Non Successful POST”"),
        },
        Rule {
            name: "Location leads to the session",
            source: "whip.go, Publish: base.ResolveReference on the endpoint",
            check: |visit| {
                checks::location(
                    visit,
                    "sends its DELETE to the endpoint, which cannot know which session is meant",
                )
            },
        },
        Rule {
            name: "the body is an answer",
            source: "whip.go, Publish: SetRemoteDescription with SDPTypeAnswer",
            check: |visit| {
                checks::description(
                    visit,
                    "v=",
                    "ends: “PeerConnection could not set remote answer”",
                )?;
                checks::no_offer(visit)
            },
        },
        Rule {
            name: "DELETE ends the session",
            source: "whip.go, Close: the status is not looked at",
            check: |visit| checks::success(visit, Step::Delete, "leaves an orphaned session"),
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OFFER_201, OK, located, table};

    #[test]
    fn its_rules() {
        assert_eq!(
            located(&WHIP_GO, "../resource/1").as_deref(),
            Some("https://live.example.com/live/whip/resource/1")
        );
        table(
            &WHIP_GO,
            &[
                ("POST gives 201", Step::Post, GOOD, OK),
                ("POST gives 201", Step::Post, "200", FAILED),
                ("Location leads to the session", Step::Post, GOOD, OK),
                (
                    "Location leads to the session",
                    Step::Post,
                    "201\n\nv=0\nm=audio",
                    FAILED,
                ),
                ("the body is an answer", Step::Post, GOOD, OK),
                ("the body is an answer", Step::Post, OFFER_201, FAILED),
                ("DELETE ends the session", Step::Delete, "200", OK),
                ("DELETE ends the session", Step::Delete, "405", FAILED),
            ],
        );
    }
}
