use proptest::prelude::*;

use super::*;
use crate::link;

fn server(url: &str, credentials: Option<(&str, &str)>) -> IceServer {
    IceServer {
        url: url.parse().unwrap(),
        credentials: credentials.map(|(username, password)| Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
        }),
    }
}

fn value(server: &IceServer) -> String {
    let value = server.to_link().to_value().unwrap();
    value.to_str().unwrap().to_owned()
}

/// How red5pro-webrtc-sdk 11.0.0 reads a `Link` of the answer to its OPTIONS (`getOptions`): url,
/// then user name and password if both are there. `None` where its code throws or leaves the value
/// out.
fn red5_reads(value: &str) -> Option<(String, Option<(String, String)>)> {
    if !value.contains("rel=\"ice-server\"") {
        return None;
    }
    let mut map = std::collections::HashMap::new();
    for part in value.split(';').map(str::trim) {
        let (key, value) = if part.starts_with('<') {
            ("url", part.get(1..part.len().max(2) - 1)?)
        } else {
            let mut pieces = part.split('=');
            (pieces.next()?, pieces.next()?)
        };
        map.insert(key.replace('"', ""), value.replace('"', ""));
    }
    let credentials = map.remove("username").zip(map.remove("credential"));
    Some((map.remove("url")?, credentials))
}

/// How OBS Studio (plugins/obs-webrtc/whip-output.cpp, 2026-08) reads a `Link` line of a 201: cut
/// at each `,`, and each piece has to begin with the bracket and a scheme that it knows.
fn obs_reads(line: &str) -> Vec<(String, String, String)> {
    let between = |text: &str, from: char, to: char| {
        let (start, end) = (text.find(from)? + 1, text.rfind(to)?);
        text.get(start..end).map(str::to_owned)
    };
    let mut read = Vec::new();
    for piece in line.split(',') {
        if !piece.starts_with("<stun:") && !piece.starts_with("<turn:") {
            continue;
        }
        let (mut url, mut username, mut password) = (String::new(), String::new(), String::new());
        for part in piece.split(';') {
            if part.starts_with('<') {
                url = between(part, '<', '>').unwrap_or_default();
            } else if part.contains("username=") {
                username = between(part, '"', '"').unwrap_or_default();
            } else if part.contains("credential=") {
                password = between(part, '"', '"').unwrap_or_default();
            }
        }
        read.push((url, username, password));
    }
    read
}

/// How simple-whip-client (src/whip-client.c, 2025-10) reads the Links of its OPTIONS: joined lines
/// are divided at `, `, and a link at `; `; its first part is the URL, in brackets or not.
fn simple_whip_client_reads(joined: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let mut read = Vec::new();
    for link in joined
        .split(", ")
        .filter(|link| link.contains("rel=\"ice-server\""))
    {
        let mut parts = link.split("; ");
        let url = parts
            .next()
            .unwrap_or_default()
            .trim_matches(['<', '>'])
            .to_owned();
        let param = |name: &str| {
            let start = format!("{name}=\"");
            let mut parts = link.split("; ");
            parts.find_map(|part| Some(part.strip_prefix(&start)?.strip_suffix('"')?.to_owned()))
        };
        read.push((url, param("username"), param("credential")));
    }
    read
}

#[test]
fn urls_that_browsers_take() {
    for good in [
        "stun:stun2.l.google.com:19302",
        "stuns:stun.example.com",
        "turn:coturn.example.net:3478?transport=udp",
        "turns:turn.example.net:443?transport=tcp",
        "turn:[2001:db8::1]:3478",
        "turn:192.0.2.1",
    ] {
        assert_eq!(good.parse::<IceUrl>().unwrap().as_str(), good);
    }
    for (bad, why) in [
        ("", IceUrlError::Scheme),
        ("stun.example.com", IceUrlError::Scheme),
        ("http:a", IceUrlError::Scheme),
        ("stun://a", IceUrlError::Slashes),
        ("stun:", IceUrlError::Host),
        ("turn:user@host", IceUrlError::Host),
        ("turn:a b", IceUrlError::Host),
        ("turn:a>;x", IceUrlError::Host),
        ("turn:[::1", IceUrlError::Host),
        ("turn:[a]", IceUrlError::Host),
        ("turn:a:0", IceUrlError::Port),
        ("turn:a:+1", IceUrlError::Port),
        ("turn:a:70000", IceUrlError::Port),
        ("turn:a:1:2", IceUrlError::Port),
        ("stun:a?transport=udp", IceUrlError::Query),
        ("turn:a?transport=sctp", IceUrlError::Query),
        ("turn:a?", IceUrlError::Query),
    ] {
        assert_eq!(bad.parse::<IceUrl>(), Err(why), "{bad}");
    }
    assert_eq!(
        format!("turn:{}", "a".repeat(400)).parse::<IceUrl>(),
        Err(IceUrlError::TooLong)
    );
}

#[test]
fn a_minted_password_is_what_coturn_computes() {
    // printf '1790000000:alice' | openssl dgst -sha1 -hmac north -binary | base64
    let secret = TurnSecret::parse(" north\n").unwrap();
    let minted = secret.mint("alice", 1_790_000_000);
    assert_eq!(minted.username, "1790000000:alice");
    assert_eq!(minted.password, "bkNQAGOiGcDMDatOUuHbbdAqDKY=");
    for shown in [format!("{secret:?}"), format!("{minted:?}")] {
        assert!(
            !shown.contains("north")
                && !shown.contains(&minted.password)
                && !shown.contains("alice")
        );
    }
    assert_eq!(TurnSecret::parse(" ").unwrap_err(), SecretError::Empty);
    assert_eq!(
        TurnSecret::parse("a b").unwrap_err(),
        SecretError::Malformed
    );
}

#[test]
fn red5_reads_a_fixed_password_and_cuts_a_minted_one() {
    let fixed = server("turn:t.example:3478?transport=udp", Some(("u", "s3cret+/")));
    let (url, credentials) = red5_reads(&value(&fixed)).unwrap();
    assert_eq!(url, "turn:t.example:3478?transport=udp");
    assert_eq!(credentials, Some(("u".into(), "s3cret+/".into())));
    assert!(fixed.is_legible_to_red5());

    let minted = IceServer {
        credentials: Some(TurnSecret::parse("north").unwrap().mint("x", 1)),
        ..fixed
    };
    let password = minted.credentials.clone().unwrap().password;
    assert!(password.ends_with('='));
    let (_, credentials) = red5_reads(&value(&minted)).unwrap();
    assert_ne!(credentials.unwrap().1, password);
    assert!(!minted.is_legible_to_red5());
}

#[test]
fn of_several_the_relay_that_can_be_read() {
    let stun = server("stun:s.example", None);
    let fixed = server("turn:t.example", Some(("u", "plain")));
    let secure = server("turns:t.example", Some(("u", "plain")));
    let minted = server("turn:t.example", Some(("1:u", "x=")));
    let bare = server("turn:t.example", None);
    let pick = |servers: &[&IceServer]| {
        let servers: Vec<_> = servers.iter().copied().cloned().collect();
        only_one(&servers).cloned()
    };
    assert_eq!(pick(&[&stun, &secure, &fixed]), Some(fixed.clone()));
    assert_eq!(pick(&[&stun, &secure]), Some(secure));
    assert_eq!(pick(&[&minted, &stun, &bare]), Some(stun));
    assert_eq!(pick(&[&minted, &fixed]), Some(fixed));
    assert_eq!(pick(&[&minted, &bare]), None);
}

#[test]
fn obs_reads_each_line_whole_and_a_joined_one_not() {
    let stun = server("stun:s.example:3478", None);
    let turn = server("turn:t.example", Some(("1790000000:ab", "abc/+d=")));
    let entry = |url: &str, user: &str, password: &str| (url.into(), user.into(), password.into());
    assert_eq!(
        obs_reads(&value(&stun)),
        [entry("stun:s.example:3478", "", "")]
    );
    let read = obs_reads(&value(&turn));
    assert_eq!(read, [entry("turn:t.example", "1790000000:ab", "abc/+d=")]);
    let joined = format!("{}, {}", value(&stun), value(&turn));
    assert_eq!(
        obs_reads(&joined).len(),
        1,
        "why each server has a line of its own"
    );
    assert!(obs_reads(&value(&server("turns:t", Some(("u", "p"))))).is_empty());
}

#[test]
fn simple_whip_client_reads_the_joined_ones() {
    let stun = server("stun:s.example:3478", None);
    let turn = server(
        "turn:t.example?transport=tcp",
        Some(("1790000000:ab", "abc/+d=")),
    );
    let read = simple_whip_client_reads(&format!("{}, {}", value(&stun), value(&turn)));
    assert_eq!(read[0], ("stun:s.example:3478".into(), None, None));
    assert_eq!(
        read[1],
        (
            "turn:t.example?transport=tcp".into(),
            Some("1790000000:ab".into()),
            Some("abc/+d=".into())
        )
    );
}

#[test]
fn each_session_has_its_own() {
    let servers = IceServers {
        urls: ["stun:s", "turn:t"].map(|url| url.parse().unwrap()).into(),
        fixed: Some(Credentials::fixed("u", "p\n").unwrap()),
        secret: Some(TurnSecret::parse("north").unwrap()),
        ttl: 3600,
        replace: false,
    };
    let users = |listed: Vec<IceServer>| -> Vec<_> {
        let user = |server: IceServer| server.credentials.map(|user| user.username);
        listed.into_iter().map(user).collect()
    };
    let minted = || Some("4600:00ff".to_owned());
    assert_eq!(users(servers.for_session("00ff", 1000)), [None, minted()]);
    assert_eq!(users(servers.for_everybody()), [None, Some("u".to_owned())]);
    let unfixed = IceServers {
        fixed: None,
        ..servers.clone()
    };
    assert_eq!(users(unfixed.for_session("00ff", 1000)), [None, minted()]);
    assert_eq!(
        users(unfixed.for_everybody()),
        [None],
        "no relay that asks for more"
    );
    let fixed = IceServers {
        secret: None,
        ..servers
    };
    assert_eq!(
        users(fixed.for_session("00ff", 1000)),
        [None, Some("u".to_owned())]
    );
    assert!(IceServers::default().for_session("x", 0).is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_every_client(
        user in "[a-z0-9:]{1,20}",
        password in "[a-zA-Z0-9+/]{1,30}",
    ) {
        let turn = server("turn:t.example", Some((&user, &password)));
        let line = value(&turn);
        let read = link::parse(&line).pop().unwrap().unwrap();
        prop_assert_eq!(&IceServer::from_link(&read).unwrap(), &turn);
        prop_assert_eq!(red5_reads(&line).unwrap().1, Some((user.clone(), password.clone())));
        prop_assert_eq!(obs_reads(&line), vec![("turn:t.example".to_owned(), user, password)]);
    }

    #[test]
    fn legible_is_what_red5_reads(user in "[ -~]{1,12}", password in "[ -~]{1,12}") {
        let turn = server("turn:t.example", Some((&user, &password)));
        if turn.is_legible_to_red5() {
            prop_assert_eq!(red5_reads(&value(&turn)).unwrap().1, Some((user, password)));
        }
    }
}
