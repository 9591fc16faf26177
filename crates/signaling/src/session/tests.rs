use super::*;

const KEY_A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const KEY_B: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn stream() -> StreamKey {
    StreamKey::new("live", "stream1").unwrap()
}

fn session(resource: &'static str) -> Session {
    Session {
        node: "10.0.0.5".parse().unwrap(),
        resource: PathAndQuery::from_static(resource),
        issued_at: 1_790_000_000_123,
        tag: Tag::Ours,
        owner: None,
    }
}

#[test]
fn what_is_sealed_is_what_is_opened() {
    let keys = SessionKeys::parse(KEY_A).unwrap();
    for resource in [
        "/live/whip/resource/stream1",
        "/other/path?requestId=subscriber-1b31",
    ] {
        let token = keys
            .seal(Role::Publish, &stream(), &session(resource))
            .unwrap();
        assert_eq!(
            keys.open(Role::Publish, &stream(), &token),
            Some(session(resource))
        );
        assert!(token.len() < 160, "{} characters", token.len());
    }
}

#[test]
fn the_subject_is_sealed_and_its_place_may_be_empty() {
    let keys = SessionKeys::parse(KEY_A).unwrap();
    let (without, with) = (
        session("/x"),
        Session {
            owner: Some(Owner::of(&["sub", "alice"])),
            ..session("/x")
        },
    );
    for one in [&without, &with] {
        let token = keys.seal(Role::Play, &stream(), one).unwrap();
        assert_eq!(keys.open(Role::Play, &stream(), &token).as_ref(), Some(one));
    }
}

#[test]
fn a_token_fits_its_own_url_only() {
    let keys = SessionKeys::parse(KEY_A).unwrap();
    let token = keys.seal(Role::Publish, &stream(), &session("/x")).unwrap();
    assert_eq!(keys.open(Role::Play, &stream(), &token), None);
    assert_eq!(
        keys.open(
            Role::Publish,
            &StreamKey::new("live", "stream2").unwrap(),
            &token
        ),
        None
    );
    assert_eq!(
        keys.open(
            Role::Publish,
            &StreamKey::new("liv", "stream1").unwrap(),
            &token
        ),
        None
    );
}

#[test]
fn no_altered_character_is_accepted() {
    let keys = SessionKeys::parse(KEY_A).unwrap();
    let token = keys.seal(Role::Publish, &stream(), &session("/x")).unwrap();
    for at in 0..token.len() {
        for other in ["A", "B", "_", "-", "z", "="] {
            let mut altered = token.clone();
            altered.replace_range(at..=at, other);
            if altered != token {
                assert_eq!(
                    keys.open(Role::Publish, &stream(), &altered),
                    None,
                    "{at} {other}"
                );
            }
        }
        assert_eq!(keys.open(Role::Publish, &stream(), &token[..at]), None);
    }
    assert_eq!(keys.open(Role::Publish, &stream(), &"A".repeat(5000)), None);
}

#[test]
fn old_keys_open_after_a_rotation() {
    let before = SessionKeys::parse(KEY_A).unwrap();
    let after = SessionKeys::parse(&format!("# new first\n{KEY_B}\n\n{KEY_A}\n")).unwrap();
    let old = before
        .seal(Role::Publish, &stream(), &session("/x"))
        .unwrap();
    let new = after
        .seal(Role::Publish, &stream(), &session("/x"))
        .unwrap();
    assert!(after.open(Role::Publish, &stream(), &old).is_some());
    assert!(before.open(Role::Publish, &stream(), &new).is_none());
}

#[test]
fn a_renewed_ring_seals_with_the_new_key_and_opens_with_both() {
    let before = SessionKeys::parse(KEY_A).unwrap();
    let old = before
        .seal(Role::Publish, &stream(), &session("/x"))
        .unwrap();
    let after = before.renewed(SessionKeys::parse(KEY_B).unwrap());
    assert_eq!(after.count(), 2);
    assert!(after.open(Role::Publish, &stream(), &old).is_some());
    let new = after
        .seal(Role::Publish, &stream(), &session("/x"))
        .unwrap();
    assert!(before.open(Role::Publish, &stream(), &new).is_none());
    let only_new = SessionKeys::parse(KEY_B).unwrap();
    assert!(only_new.open(Role::Publish, &stream(), &new).is_some());
    // The same keys again are no more keys.
    let both = SessionKeys::parse(&format!("{KEY_B}\n{KEY_A}")).unwrap();
    assert_eq!(after.renewed(both).count(), 2);
}

#[test]
fn a_ring_does_not_grow_without_end() {
    let mut ring = SessionKeys::random().unwrap();
    let first = ring.seal(Role::Publish, &stream(), &session("/x")).unwrap();
    for _ in 1..MAX_KEYS {
        ring = ring.renewed(SessionKeys::random().unwrap());
    }
    assert!(ring.open(Role::Publish, &stream(), &first).is_some());
    ring = ring.renewed(SessionKeys::random().unwrap());
    assert_eq!(ring.count(), MAX_KEYS);
    assert!(ring.open(Role::Publish, &stream(), &first).is_none());
}

#[test]
fn a_bad_key_file_names_its_line() {
    assert_eq!(SessionKeys::parse("").unwrap_err(), KeyError::Empty);
    assert_eq!(
        SessionKeys::parse(&format!("{KEY_A}\nshort")).unwrap_err(),
        KeyError::Line(2)
    );
    assert_eq!(
        SessionKeys::parse(&format!("{KEY_A}\n").repeat(17)).unwrap_err(),
        KeyError::TooMany
    );
}
