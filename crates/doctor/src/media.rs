//! `--media`: whether media would flow, by what the node's description says. Each of its candidates
//! is sent an ICE check, and no media.

use std::time::Duration;

use http::Method;

use crate::{
    Role, Row,
    candidates::{Candidate, Reach, attribute, candidates},
    checks::NO_SESSION,
    clients::rfc,
    play::{Environment, Visit},
    rule::{Outcome, failed_set, skipped},
    stun,
    wire::Ask,
};

/// Longest wait for the answers of all candidates, which are asked at once.
const PATIENCE: Duration = Duration::from_secs(3);
const WHO: (&str, &str) = ("media", "the media path");
const REACHABLE: (&str, &str) = (
    "a candidate that viewers outside can reach",
    "RFC 8445 §5.1.1; without one or TURN, no media flows",
);
const ANSWERS: (&str, &str) = (
    "a candidate answers the ICE check from here",
    "RFC 8445 §7.2.2",
);

/// What a look at the media path found.
pub(crate) struct Look {
    /// Its rules.
    pub(crate) rows: Vec<Row>,
    /// What a viewer outside would see, in one line.
    pub(crate) note: Option<String>,
}

/// Makes a session, checks its candidates, and ends it.
pub(crate) async fn look(environment: &Environment<'_>, role: Role, stream: &str) -> Look {
    let client = match role {
        Role::Publish => &rfc::WHIP,
        Role::Play => &rfc::WHEP,
    };
    let mut visit = Visit::new(environment, client, stream);
    // Red5 names ICE servers in this answer, others in that to the offer.
    let options = Ask::new(
        Method::OPTIONS,
        visit.transcript.endpoint.and("signal=true"),
    );
    let options = environment.wire.ask(options).await;
    visit.begin().await;
    let found = match visit.transcript.created() {
        None => None,
        Some(created) => {
            let before = options
                .answer()
                .map_or_else(Vec::new, |answer| answer.lines("link"));
            let ice_servers = [before, created.lines("link")].concat().join(",");
            let ours = visit.ufrag();
            let tried = tried(&created.body, ours).await;
            Some((tried, has_turn(&ice_servers)))
        }
    };
    visit.end().await;
    let row = |rule, outcome| Row::new((WHO.0, WHO.1, role), rule, outcome);
    let Some((tried, turn)) = found else {
        let none = || skipped(NO_SESSION);
        return Look {
            rows: vec![row(REACHABLE, none()), row(ANSWERS, none())],
            note: None,
        };
    };
    Look {
        note: Some(note(&tried, turn)),
        rows: vec![
            row(REACHABLE, reachable(&tried, turn)),
            row(ANSWERS, answers(&tried)),
        ],
    }
}

/// A candidate and the result of its check.
type Tried = (Candidate, Result<(), String>);

async fn tried(sdp: &str, ours: &str) -> Vec<Tried> {
    let credentials = stun::Credentials {
        ours,
        theirs: attribute(sdp, "ice-ufrag").unwrap_or_default(),
        password: attribute(sdp, "ice-pwd").unwrap_or_default(),
    };
    let checks = candidates(sdp).into_iter().map(|candidate| async move {
        let result = stun::check(candidate.address, credentials, PATIENCE).await;
        (candidate, result)
    });
    futures_util::future::join_all(checks).await
}

/// Whether `Link` names a TURN server (RFC 9725 §4.6).
fn has_turn(links: &str) -> bool {
    links.contains("ice-server") && (links.contains("<turn:") || links.contains("<turns:"))
}

fn is_public(candidate: &Candidate) -> bool {
    candidate.reach == Reach::Public
}

fn reachable(tried: &[Tried], turn: bool) -> Outcome {
    if turn || tried.iter().any(|(candidate, _)| is_public(candidate)) {
        return Ok(());
    }
    failed_set(
        named(tried),
        "a viewer outside connects, and sees a black picture",
        "the node's public address in the node's own settings, or a TURN server: on Whipstitch [ice]",
    )
}

fn answers(tried: &[Tried]) -> Outcome {
    if tried.iter().any(|(_, result)| result.is_ok()) {
        return Ok(());
    }
    let each = tried.iter().filter_map(|(candidate, result)| {
        let words = result.as_ref().err()?;
        Some(format!("{}: {words}", candidate.address))
    });
    let each: Vec<_> = each.collect();
    failed_set(
        if each.is_empty() {
            "no candidate over UDP".to_owned()
        } else {
            each.join("; ")
        },
        "no media flows between this machine and the node",
        "UDP from clients to the nodes' media ports (Red5: 40000-65535) in firewall and security group",
    )
}

fn named(tried: &[Tried]) -> String {
    let each = tried.iter().map(|(candidate, _)| {
        let reach = match candidate.reach {
            Reach::Loopback => "this machine only",
            Reach::Private => "a private network only",
            Reach::Public => "public",
        };
        format!("{} ({reach})", candidate.address)
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        return "no candidate over UDP".to_owned();
    }
    format!("only {}", each.join(", "))
}

/// What a viewer outside would see.
fn note(tried: &[Tried], turn: bool) -> String {
    let mut public = tried.iter().filter(|(candidate, _)| is_public(candidate));
    let answered = public.clone().find(|(_, result)| result.is_ok());
    let sees = match (answered, public.next()) {
        (Some((candidate, _)), _) => format!("reaches the node at {} directly", candidate.address),
        (None, Some((candidate, _))) => format!(
            "is sent to {}, which does not answer from here: a black picture, unless only this \
             machine is kept from it",
            candidate.address
        ),
        (None, None) if turn => "gets media through the TURN server only".to_owned(),
        (None, None) => format!(
            "connects, and sees a black picture: the node offers {}",
            named(tried)
        ),
    };
    let turn = if turn {
        ""
    } else {
        ". No TURN server is offered: where UDP is blocked, no media flows"
    };
    format!("A viewer outside {sees}{turn}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(address: &str, reach: Reach, answers: bool) -> Tried {
        let address = address.parse().unwrap();
        let result = answers.then_some(()).ok_or_else(|| "no answer".to_owned());
        (Candidate { address, reach }, result)
    }

    #[test]
    fn what_a_viewer_outside_sees() {
        let private = || tried("10.0.0.7:40001", Reach::Private, true);
        let open = || tried("8.8.8.8:40001", Reach::Public, true);
        let shut = || tried("8.8.8.8:40001", Reach::Public, false);
        for (tried, turn, words) in [
            (
                vec![private(), open()],
                true,
                "reaches the node at 8.8.8.8:40001 directly.",
            ),
            (vec![open()], false, "No TURN server is offered"),
            (vec![private(), shut()], true, "does not answer from here"),
            (vec![private()], true, "through the TURN server only"),
            (
                vec![private()],
                false,
                "only 10.0.0.7:40001 (a private network only)",
            ),
            (vec![], false, "no candidate over UDP"),
        ] {
            let note = note(&tried, turn);
            assert!(note.contains(words), "{words}: {note}");
            let is_reached = turn || tried.iter().any(|(candidate, _)| is_public(candidate));
            assert_eq!(reachable(&tried, turn).is_ok(), is_reached, "{note}");
        }
        assert!(answers(&[shut(), private()]).is_ok());
        assert!(answers(&[shut()]).is_err() && answers(&[]).is_err());
    }

    #[test]
    fn a_stun_server_is_no_turn_server() {
        assert!(has_turn(
            "<turns:t.example?transport=tcp>; rel=\"ice-server\""
        ));
        assert!(!has_turn("<stun:t.example>; rel=\"ice-server\""));
        assert!(!has_turn("<turn:t.example>; rel=\"other\""));
    }
}
