//! The ICE candidates of a session description (RFC 8839 §5.1), and who can reach them.

use std::net::{IpAddr, SocketAddr};

/// Most candidates of one description: each is sent a request.
const MOST: usize = 16;

/// Where a candidate can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The machine itself.
    Loopback,
    /// One network: private, shared, link-local or unique-local addresses.
    Private,
    /// Everywhere.
    Public,
}

/// A candidate over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where media would be sent.
    pub(crate) address: SocketAddr,
    /// Who reaches it, by its address.
    pub(crate) reach: Reach,
}

/// The candidates over UDP with an address, each once, at most 16; names (mDNS) are left out.
pub(crate) fn candidates(sdp: &str) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let lines = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"));
    for candidate in lines.filter_map(candidate) {
        if all.len() < MOST && !all.contains(&candidate) {
            all.push(candidate);
        }
    }
    all
}

/// The first value of an attribute, such as `ice-ufrag`.
pub(crate) fn attribute<'s>(sdp: &'s str, name: &str) -> Option<&'s str> {
    sdp.lines().find_map(|line| {
        let value = line.strip_prefix("a=")?.strip_prefix(name)?;
        value.strip_prefix(':').map(str::trim)
    })
}

fn candidate(line: &str) -> Option<Candidate> {
    let mut words = line.split_whitespace().skip(2);
    let protocol = words.next()?;
    let (ip, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    let is_udp = protocol.eq_ignore_ascii_case("udp") && port != 0;
    is_udp.then(|| Candidate {
        address: SocketAddr::new(ip, port),
        reach: reach(ip),
    })
}

fn reach(ip: IpAddr) -> Reach {
    let ip = ip.to_canonical();
    let is_private = match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && second & 0xC0 == 64;
            ip.is_private() || ip.is_link_local() || ip.is_unspecified() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified(),
    };
    match ip {
        _ if ip.is_loopback() => Reach::Loopback,
        _ if is_private => Reach::Private,
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_over_udp_count_and_each_once() {
        let sdp = "v=0\r\na=ice-ufrag:ab\r\n\
                   a=candidate:1 1 udp 1 10.0.0.7 40001 typ host\r\n\
                   a=candidate:1 1 UDP 1 10.0.0.7 40001 typ host\r\n\
                   a=candidate:2 1 tcp 1 10.0.0.7 9 typ host tcptype active\r\n\
                   a=candidate:3 1 udp 1 a-b.local 40002 typ host\r\n\
                   a=candidate:4 1 udp 1 10.0.0.7 0 typ host\r\n\
                   a=candidate:5 1 udp\r\n";
        let found: Vec<_> = candidates(sdp)
            .iter()
            .map(|one| one.address.to_string())
            .collect();
        assert_eq!(found, ["10.0.0.7:40001"]);
        assert_eq!(attribute(sdp, "ice-ufrag"), Some("ab"));
        assert_eq!(attribute(sdp, "ice-pwd"), None);
        assert_eq!(
            candidates(&"a=candidate:1 1 udp 1 10.0.0.7 1 typ host\n".repeat(99)).len(),
            1
        );
    }

    #[test]
    fn who_reaches_an_address() {
        for (ip, expected) in [
            ("127.0.0.2", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("10.1.2.3", Reach::Private),
            ("172.20.0.1", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("169.254.1.1", Reach::Private),
            ("0.0.0.0", Reach::Private),
            ("fd00::1", Reach::Private),
            ("fe80::1", Reach::Private),
            ("::ffff:10.0.0.1", Reach::Private),
            ("100.128.0.1", Reach::Public),
            ("8.8.8.8", Reach::Public),
            ("2a00::1", Reach::Public),
        ] {
            assert_eq!(reach(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
