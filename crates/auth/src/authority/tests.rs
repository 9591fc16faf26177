use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use Role::{Play, Publish};

const SECRET: &str = "a secret of thirty-two bytes or more";

fn authority(rules: &[&str]) -> Authority {
    let config = Auth {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Auth::default()
    };
    let keys = Keys::of_file(SECRET).unwrap();
    let keys = watch::channel(Arc::new(keys)).1;
    Authority::new(&config, &Sources { keys }).unwrap()
}

fn token(claims: &Value) -> Visitor<'static> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut claims = claims.clone();
    claims["exp"] = json!(now.as_secs() + 60);
    let key = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    let token = encode(&Header::default(), &claims, &key).unwrap();
    Visitor {
        token: Ok(Some(Cow::Owned(token))),
    }
}

fn without_token() -> Visitor<'static> {
    Visitor { token: Ok(None) }
}

fn key(guid: &str) -> StreamKey {
    StreamKey::from_guid(guid).unwrap()
}

#[test]
fn without_rules_there_is_no_authority() {
    assert!(Authority::new(&Auth::default(), &Sources::default()).is_none());
}

#[test]
fn the_first_rule_that_fits_counts_and_without_one_no_client_comes_in() {
    let authority = authority(&["play live/vip/** jwt", "play live/** open", "play x refuse"]);
    let admit = |role, guid| {
        authority
            .admit(role, &key(guid), &without_token())
            .map(|_| ())
    };
    assert_eq!(admit(Play, "live/s1"), Ok(()));
    assert_eq!(admit(Play, "live/vip/s1"), Err(Refused::Missing));
    for (role, guid) in [(Play, "x/s1"), (Play, "other/s1"), (Publish, "live/s1")] {
        assert_eq!(admit(role, guid), Err(NO_RULE), "{guid}");
    }
    let alice = token(&json!({"sub": "alice"}));
    let admitted = authority.admit(Play, &key("live/vip/s1"), &alice).unwrap();
    assert!(admitted.is_judged && admitted.owner.is_some());
    let open = authority.admit(Play, &key("live/s1"), &alice).unwrap();
    assert_eq!(
        open,
        Admitted::default(),
        "a token that no client wants is left alone"
    );
}

#[test]
fn a_session_is_its_owners_or_that_of_its_url() {
    let authority = authority(&["publish ** jwt", "play ** open"]);
    let identify =
        |role, visitor: &Visitor<'_>, url| authority.identify(role, "live", visitor, url);
    let (alice, bob) = (token(&json!({"sub": "a"})), token(&json!({"sub": "b"})));
    let of = |visitor| identify(Publish, visitor, true).unwrap().owner;
    assert!(of(&alice).is_some() && of(&alice) != of(&bob));
    assert_eq!(of(&without_token()), None);
    assert_eq!(
        identify(Publish, &without_token(), false),
        Err(Refused::Missing)
    );
    assert_eq!(
        identify(Play, &without_token(), false),
        Ok(Admitted::default())
    );
    let bad = Visitor {
        token: Ok(Some(Cow::Borrowed("undefined"))),
    };
    let refused = identify(Publish, &bad, true);
    assert_eq!(refused, Err(Refused::Invalid(Why::Malformed)));
}

#[test]
fn a_websocket_may_say_what_its_client_may_do() {
    let authority = authority(&[
        "publish live/** jwt",
        "play live/** open",
        "publish ** open",
        "play ** open",
    ]);
    let open = |scope, claim, visitor: &Visitor<'_>| authority.open(scope, claim, visitor);
    let s1 = key("live/s1");
    // A player needs no token, and may not become a publisher without one.
    let player = open("live", (Play, None), &without_token()).unwrap();
    let dialogue = player.dialogue.unwrap();
    assert!(dialogue.allows(Play, "s1") && !dialogue.allows(Publish, "s1"));
    assert_eq!(
        open("live", (Publish, Some(&s1)), &without_token()),
        Err(Refused::Missing)
    );
    let token = token(&json!({"role": "publish", "stream": "live/s1"}));
    let publisher = open("live", (Publish, Some(&s1)), &token).unwrap();
    let dialogue = publisher.dialogue.unwrap();
    assert!(dialogue.allows(Publish, "s1") && !dialogue.allows(Publish, "s2"));
    assert!(!dialogue.allows(Publish, "a/s1"), "a name is one segment");
    let (s2, free) = (key("live/s2"), key("free/s1"));
    let other = open("live", (Publish, Some(&s2)), &token);
    assert_eq!(other, Err(NOT_GRANTED));
    let free = open("free", (Publish, Some(&free)), &without_token()).unwrap();
    assert_eq!(free, Admitted::default());
}
