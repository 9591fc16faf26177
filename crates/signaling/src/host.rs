//! Host names and addresses in URLs and headers: one spelling of each.
//!
//! | rule | source |
//! |---|---|
//! | names are compared without regard to case | RFC 3986 §6.2.2.1, RFC 4343 |
//! | an escape of an unreserved character is that character | RFC 3986 §6.2.2.2 |
//! | the dot of the root at the end of a name changes nothing | RFC 1034 §3.1 |
//! | an IPv6 address has one text; a zone means something on one machine only | RFC 5952, RFC 6874 §1 |
//! | an IPv4 address in an IPv6 one is that IPv4 address | RFC 4291 §2.5.5.2 |
//! | the default port of a scheme may be left out | RFC 3986 §6.2.3, RFC 9110 §4.2 |

use std::net::{IpAddr, Ipv6Addr};

use http::uri::Authority;

use crate::query::unescaped;

/// The one spelling of a host, as it stands in a URL: without a port, an IPv6 address in brackets.
///
/// Text that is no host comes out as some text that is no host either.
pub fn normal(host: &str) -> String {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(ip) = address(bare.unwrap_or(host)) {
        return match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
    }
    let name = unescaped(host).to_ascii_lowercase();
    match name.strip_suffix('.') {
        Some(rooted) if !rooted.is_empty() => rooted.to_owned(),
        _ => name,
    }
}

/// Whether both mean the same host.
pub fn same(one: &str, other: &str) -> bool {
    one == other || normal(one) == normal(other)
}

/// The one spelling of host and port; `default` is the port that may be left out, where the scheme
/// is known.
///
/// `None` if there is no host, a user before it, or a port that is none.
pub fn normal_authority(authority: &Authority, default: Option<u16>) -> Option<Authority> {
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let port = match authority.as_str().strip_prefix(host)? {
        "" | ":" => None,
        _ => Some(authority.port_u16()?),
    };
    let host = normal(host);
    match port.filter(|port| Some(*port) != default) {
        Some(port) => format!("{host}:{port}").parse().ok(),
        None => host.parse().ok(),
    }
}

/// An address, whatever zone it has.
fn address(text: &str) -> Option<IpAddr> {
    let text = match text.split_once('%') {
        Some((address, _)) => return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text,
    };
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_one_spelling() {
        for (one, other) in [
            ("live.example", "LIVE.Example"),
            ("live.example", "live.example."),
            ("live.example", "liv%65.example"),
            ("live.example", "%4Cive.example"),
            ("[2001:db8::1]", "[2001:DB8:0:0:0:0:0:1]"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[fe80::1]", "[fe80::1%25eth0]"),
            ("203.0.113.5", "[::ffff:203.0.113.5]"),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
            assert_eq!(normal(other), one);
            assert_eq!(normal(&normal(other)), normal(other));
        }
        for (one, other) in [
            ("live.example", "live.example.evil"),
            ("live.example", "live.example.."),
            ("live.example", "live%2eexample%2e%2e"),
            ("203.0.113.5", "[::203.0.113.5]"),
            ("[2001:db8::1]", "[2001:db8::2]"),
            (".", ""),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_default_port_may_be_left_out() {
        let normal = |text: &str, default| {
            let authority: Authority = text.parse().unwrap();
            normal_authority(&authority, default).map(|normal| normal.to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(normal("A.example.:443", Some(443)), some("a.example"));
        assert_eq!(normal("a.example:443", Some(80)), some("a.example:443"));
        assert_eq!(normal("a.example:443", None), some("a.example:443"));
        assert_eq!(
            normal("[2001:DB8::1]:08443", None),
            some("[2001:db8::1]:8443")
        );
        assert_eq!(normal("user@a.example", None), None);
    }
}
