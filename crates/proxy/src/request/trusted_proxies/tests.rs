use super::*;

/// What is read of these header lines at a connection from `10.0.0.1`, which is trusted as all of
/// `10.0.0.0/8` is.
fn read(lines: &[(&str, &str)]) -> Provenance {
    read_from("10.0.0.1", lines)
}

fn read_from(peer: &str, lines: &[(&str, &str)]) -> Provenance {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
    let peer = Peer::new((peer.parse::<IpAddr>().unwrap(), 1000).into(), false);
    proxies.read(&headers, Some(&peer))
}

/// The client, whether it is one, and the hops.
fn client(lines: &[(&str, &str)]) -> (String, bool, String) {
    let provenance = read(lines);
    let way = provenance.hops.as_ref().map(|way| way.to_str().unwrap());
    (
        provenance.client.unwrap().to_string(),
        provenance.is_one,
        way.unwrap_or_default().to_owned(),
    )
}

fn inside(client: &str, way: &str) -> (String, bool, String) {
    (client.to_owned(), false, way.to_owned())
}

fn told(client: &str, way: &str) -> (String, bool, String) {
    (client.to_owned(), true, way.to_owned())
}

/// Not known: only the proxy's address is seen, which distinguishes no clients.
fn untold() -> (String, bool, String) {
    ("10.0.0.1".to_owned(), false, String::new())
}

const FOR: &str = "x-forwarded-for";
const HOST: &str = "x-forwarded-host";
const PROTO: &str = "x-forwarded-proto";

#[test]
fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
    for (value, expected) in [
        ("192.0.2.1", told("192.0.2.1", "192.0.2.1, 10.0.0.1")),
        (
            "6.6.6.6, 192.0.2.1",
            told("192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ),
        (
            "6.6.6.6, 192.0.2.1,10.9.9.9",
            told("192.0.2.1", "192.0.2.1, 10.9.9.9, 10.0.0.1"),
        ),
        (
            "10.1.1.1, 192.0.2.1, 10.9.9.9",
            told("192.0.2.1", "192.0.2.1, 10.9.9.9, 10.0.0.1"),
        ),
        // An inside address may be one client, or a proxy of many that does not name them.
        ("10.1.1.1", inside("10.1.1.1", "10.1.1.1, 10.0.0.1")),
        (
            "10.1.1.1, 10.2.2.2",
            inside("10.1.1.1", "10.1.1.1, 10.2.2.2, 10.0.0.1"),
        ),
    ] {
        assert_eq!(client(&[(FOR, value)]), expected, "{value}");
    }
    let lines = [(FOR, "6.6.6.6"), (FOR, "192.0.2.1, 10.9.9.9")];
    assert_eq!(
        client(&lines),
        told("192.0.2.1", "192.0.2.1, 10.9.9.9, 10.0.0.1"),
        "lines are one list"
    );
}

#[test]
fn an_address_may_have_a_port_and_brackets_and_nothing_else() {
    for (value, address) in [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(client(&[(FOR, value)]).0, address, "{value}");
        let quoted = format!("for=\"{value}\"");
        assert_eq!(client(&[("forwarded", &quoted)]).0, address, "{quoted}");
    }
    let long = "1".repeat(8192);
    for bad in [
        "",
        ",",
        "unknown",
        "_hidden",
        "live.example.com",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.1:+1",
        "192.0.2.256",
        "[192.0.2.1]",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "[2001:db8::1]:x",
        "2001:db8::1%eth0",
        "0.0.0.0",
        "\"192.0.2.1\"",
        "192.0.2.1\u{e4}",
        &long,
    ] {
        assert_eq!(client(&[(FOR, bad)]), untold(), "{bad}");
        let behind = format!("192.0.2.1, {bad}");
        assert_eq!(client(&[(FOR, &behind)]), untold(), "{behind}");
        let before = format!("{bad}, 192.0.2.1");
        assert_eq!(client(&[(FOR, &before)]).0, "192.0.2.1", "{before}");
    }
}

#[test]
fn there_is_an_end_to_the_places_that_are_looked_at() {
    let chain = |trusted: usize| {
        let inner = ", 10.2.2.2".repeat(trusted);
        client(&[(FOR, &format!("192.0.2.1{inner}"))])
    };
    assert_eq!(chain(15).0, "192.0.2.1");
    assert_eq!(chain(16), untold());
    assert_eq!(chain(600), untold());
}

#[test]
fn the_standard_header_is_read_too() {
    let lines = [(
        "forwarded",
        "for=6.6.6.6;proto=http, For=\"[2001:db8::1]:99\" ; Proto=https;host=\"live.example:8443\", for=10.2.2.2;proto=http",
    )];
    let provenance = read(&lines);
    assert_eq!(provenance.client.unwrap().to_string(), "2001:db8::1");
    assert_eq!(provenance.scheme, Some(Scheme::Https));
    assert_eq!(provenance.host.unwrap(), "live.example:8443");
    for bad in [
        "for=unknown",
        "for=_a",
        "proto=https",
        "for=\"192.0.2.1",
        "for",
        "for=\"192\\.0.2.1\"",
    ] {
        assert_eq!(client(&[("forwarded", bad)]), untold(), "{bad}");
    }
    // A quote that a client leaves open swallows nothing of what the proxy writes behind it.
    let open = "for=\"6.6.6.6, for=192.0.2.1";
    assert_eq!(client(&[("forwarded", open)]).0, "192.0.2.1");
}

#[test]
fn two_families_that_disagree_are_not_believed() {
    let agree = [
        (FOR, "192.0.2.1"),
        ("forwarded", "for=192.0.2.1;proto=https"),
    ];
    let provenance = read(&agree);
    assert!(provenance.is_one && provenance.scheme == Some(Scheme::Https));
    let spoofed = [
        (FOR, "192.0.2.1"),
        ("forwarded", "for=6.6.6.6;host=evil.example"),
    ];
    assert_eq!(client(&spoofed), untold());
    assert_eq!(read(&spoofed).host, None);
    let schemes = [
        (FOR, "192.0.2.1"),
        (PROTO, "http"),
        ("forwarded", "for=192.0.2.1;proto=https"),
    ];
    assert_eq!(read(&schemes).scheme, None);
}

#[test]
fn scheme_and_host_are_those_of_the_clients_own_place() {
    let of = |lines: &[(&str, &str)]| {
        let provenance = read(lines);
        let host = provenance.host.map(|host| host.to_string());
        (provenance.scheme, host.unwrap_or_default())
    };
    let https = Some(Scheme::Https);
    assert_eq!(
        of(&[(PROTO, "HTTPS"), (HOST, "a.example")]),
        (https, "a.example".to_owned()),
        "for any client"
    );
    // The outer proxy wrote the first, the inner one the second; before that, what the client
    // made up.
    let two = [(FOR, "192.0.2.1, 10.2.2.2"), (PROTO, "http, https, http")];
    assert_eq!(of(&two).0, https);
    let one = [(FOR, "192.0.2.1, 10.2.2.2"), (PROTO, "https")];
    assert_eq!(of(&one).0, https, "the inner one passed it on");
    let spoofed = [(FOR, "192.0.2.1"), (PROTO, "https, http")];
    assert_eq!(of(&spoofed).0, Some(Scheme::Http));
    for bad in ["ftp", "", "https://", "https;x"] {
        assert_eq!(of(&[(PROTO, bad)]).0, None, "{bad}");
    }
    for bad in [
        "",
        "a@b",
        "a b",
        "a/b",
        ":443",
        "a:x",
        "a:99999",
        &"a".repeat(300),
    ] {
        assert_eq!(of(&[(HOST, bad)]).1, "", "{bad}");
    }
}

#[test]
fn nobody_else_is_believed() {
    let lines = [
        (FOR, "6.6.6.6"),
        (PROTO, "https"),
        (HOST, "evil.example"),
        ("forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    ];
    for peer in ["192.0.2.9", "::ffff:192.0.2.9"] {
        let provenance = read_from(peer, &lines);
        assert_eq!(provenance.client.unwrap().to_string(), "192.0.2.9");
        assert!(!provenance.is_one && provenance.hops.is_none());
        assert!(provenance.scheme.is_none() && provenance.host.is_none());
        assert!(read_from(peer, &[]).is_one);
    }
    assert_eq!(
        read_from("::ffff:10.0.0.1", &lines[..1]).client.unwrap(),
        IpAddr::from([6, 6, 6, 6])
    );
}
