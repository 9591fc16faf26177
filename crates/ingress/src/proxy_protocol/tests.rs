//! Over sockets of loopback: a header, and behind it the first bytes of the client's.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const BEHIND: &[u8] = b"\x16\x03\x01PROXY \r\n";
const TIME: Duration = Duration::from_millis(300);
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

fn rules(network: &str, optional: bool) -> ProxyProtocol {
    ProxyProtocol::new(&Listen {
        proxy_protocol: vec![network.parse().unwrap()],
        proxy_protocol_optional: optional,
        ..Listen::default()
    })
}

/// What comes of a connection that sends these pieces and then ends, if it is to; and the rest,
/// which is for TLS.
async fn sent(
    rules: &ProxyProtocol,
    pieces: &[&[u8]],
    ends: bool,
) -> Result<(Option<SocketAddr>, Vec<u8>), Fault> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let (mut client, (mut tcp, peer)) = (client.unwrap(), accepted.unwrap());
    client.set_nodelay(true).unwrap();
    let sends = async {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        if ends {
            client.shutdown().await.unwrap();
        }
    };
    let (read, ()) = tokio::join!(rules.client(&mut tcp, peer, TIME), sends);
    let found = read?;
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).await.unwrap();
    assert_eq!(found.is_one, found.addr != peer);
    Ok((found.is_one.then_some(found.addr), rest))
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

/// 192.0.2.7:4711 to 198.51.100.1:443, and TLVs of this length.
fn v4(tlvs: usize) -> Vec<u8> {
    let mut rest = vec![192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb];
    rest.extend(vec![0xee; tlvs]);
    rest
}

fn v6(source: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut rest = octets(source).to_vec();
    rest.extend(octets("2001:db8::1"));
    rest.extend([0x12, 0x67, 1, 0xbb]);
    rest
}

/// Headers that are right, and the client that each names.
fn right() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let line = |text: &str| text.as_bytes().to_vec();
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    vec![
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"),
            Some("192.0.2.7:4711"),
        ),
        (
            line("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"),
            Some("[2001:db8::7]:4711"),
        ),
        (line("PROXY UNKNOWN\r\n"), None),
        (line(&longest), None),
        (v2(PROXY, 0x11, &v4(0)), Some("192.0.2.7:4711")),
        (v2(PROXY, 0x11, &v4(4084)), Some("192.0.2.7:4711")),
        (
            v2(PROXY, 0x21, &v6("2001:db8::7")),
            Some("[2001:db8::7]:4711"),
        ),
        (
            v2(PROXY, 0x21, &v6("::ffff:192.0.2.7")),
            Some("192.0.2.7:4711"),
        ),
        (v2(PROXY, 0x21, &v6("::")), None),
        (v2(LOCAL, 0x00, b""), None),
        (v2(LOCAL, 0x11, &v4(0)), None),
        (v2(PROXY, 0x00, b"anything"), None),
        (v2(PROXY, 0x31, &[0; 216]), None),
    ]
}

#[tokio::test]
async fn a_header_names_the_client_and_nothing_behind_it_is_read() {
    for optional in [false, true] {
        let rules = rules("127.0.0.0/8", optional);
        for (header, expected) in right() {
            let expected = expected.map(|addr| addr.parse().unwrap());
            let whole = [&header[..], BEHIND].concat();
            let single: Vec<&[u8]> = whole.chunks(1).collect();
            let halves = whole.split_at(header.len() / 2);
            for pieces in [&[&whole[..]][..], &[halves.0, halves.1], &single] {
                let (client, rest) = sent(&rules, pieces, false).await.unwrap();
                assert_eq!(client, expected, "{header:?}");
                assert_eq!(rest, BEHIND, "{header:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_is_cut_anywhere_is_a_closed_connection() {
    let rules = rules("127.0.0.0/8", false);
    for (header, _) in right() {
        // TLVs are cut alike wherever they are cut.
        for cut in (0..header.len()).take(300) {
            let read = sent(&rules, &[&header[..cut]], true).await;
            assert_eq!(read, Err(Fault::Closed), "{cut} of {header:?}");
        }
    }
}

#[tokio::test]
async fn a_header_that_does_not_go_on_is_timed() {
    for rules in [rules("127.0.0.0/8", false), rules("127.0.0.0/8", true)] {
        for start in [
            &b"PROXY TCP4 192"[..],
            b"P",
            b"\r\n\r",
            &v2(PROXY, 0x11, &v4(0))[..20],
        ] {
            assert_eq!(sent(&rules, &[start], false).await, Err(Fault::Timeout));
        }
        assert_eq!(sent(&rules, &[], false).await, Err(Fault::Timeout));
    }
}

#[tokio::test]
async fn a_bad_header_is_refused_and_what_is_wrong_told() {
    let text = |text: &str| text.as_bytes().to_vec();
    let long = |bytes: usize| format!("PROXY UNKNOWN {}", "f".repeat(bytes)).into_bytes();
    let endless = v2(PROXY, 0x11, &v4(65535 - 12));
    let short = v2(PROXY, 0x11, &v4(0)[..11]);
    for (header, fault) in [
        (long(93), Fault::TooLong),
        (long(5000), Fault::TooLong),
        (endless, Fault::TooLong),
        (v2(PROXY, 0x11, &v4(4085)), Fault::TooLong),
        (short, Fault::Malformed),
        (v2(PROXY, 0x31, &[0; 215]), Fault::Malformed),
        (v2(PROXY, 0x12, &v4(0)), Fault::Malformed),
        (v2(PROXY, 0x41, &v4(0)), Fault::Malformed),
        (v2(0x22, 0x11, &v4(0)), Fault::Malformed),
        (v2(0x11, 0x11, &v4(0)), Fault::Malformed),
        (text("PROXY \r\n"), Fault::Malformed),
        (
            text("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n"),
            Fault::Malformed,
        ),
        (
            text("PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n"),
            Fault::Malformed,
        ),
        (
            text("PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n"),
            Fault::Malformed,
        ),
        (
            text("PROXY TCP4 192.0.2.256 198.51.100.1 4711 443\r\n"),
            Fault::Malformed,
        ),
        (
            text("PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n"),
            Fault::Malformed,
        ),
        (
            text("PROXYTCP4 192.0.2.7 198.51.100.1 4711 443\r\n"),
            Fault::Missing,
        ),
        (text("POST / HTTP/1.1\r\n\r\n"), Fault::Missing),
        (text("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Fault::Missing),
        (b"\x16\x03\x01\x02\0".to_vec(), Fault::Missing),
        (b"\0".to_vec(), Fault::Missing),
    ] {
        let read = sent(&rules("127.0.0.0/8", false), &[&header], false).await;
        assert_eq!(read, Err(fault), "{header:?}");
    }
}

#[tokio::test]
async fn where_it_is_optional_what_is_no_header_is_left_for_tls_and_http() {
    let rules = rules("127.0.0.0/8", true);
    for first in [
        "\x16\x03\x01",
        "PUT / HTTP/1.1\r\n",
        "PROPFIND",
        "\r\nGET /",
        "\0",
    ] {
        let read = sent(&rules, &[first.as_bytes()], false).await;
        assert_eq!(read, Ok((None, first.as_bytes().to_vec())), "{first:?}");
    }
}

#[tokio::test]
async fn of_an_unlisted_peer_nothing_is_read() {
    let rules = rules("192.0.2.0/24", false);
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let (mut client, (mut tcp, peer)) = (client.unwrap(), accepted.unwrap());
    client.write_all(header).await.unwrap();
    client.shutdown().await.unwrap();
    let found = rules.client(&mut tcp, peer, TIME).await.unwrap();
    assert_eq!(found, Client::known(peer));
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, header);
}
