//! What trusted forwarders say: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).
//!
//! | value | read as |
//! |---|---|
//! | `192.0.2.1`, `2001:db8::1` | this address |
//! | `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711` | this address (RFC 7239 §6; Azure's gateways write the port) |
//! | `unknown`, `_hidden`, a name, anything else | nobody: who is further left cannot be told |
//!
//! Most forwarders write one of the two families and pass on what a client wrote in the other. So
//! where both speak they have to agree, or neither is believed.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::{HeaderMap, HeaderName, header::FORWARDED, uri::Authority};

use whipstitch_signaling::host::normal_authority;

use super::MAX_HOPS;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Longest host name with a port (RFC 1035 §2.3.4).
const MAX_HOST: usize = 260;

/// How a client reaches a forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What is said, as far as it is believed.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// From the place beside the one that is connected to the client, which is the last; empty if
    /// it cannot be told.
    pub(super) way: Vec<IpAddr>,
    /// By which the client came.
    pub(super) scheme: Option<Scheme>,
    /// For which the client asked.
    pub(super) host: Option<Authority>,
}

/// Both families, if they agree.
pub(super) fn read(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Said {
    let (older, standard) = (older(headers, &trusts), standard(headers, &trusts));
    match (older, standard) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one.way == other.way => Said {
            scheme: agreed(one.scheme, other.scheme),
            host: agreed(one.host, other.host),
            way: one.way,
        },
        _ => Said::default(),
    }
}

fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then_some(one),
        (one, other) => one.or(other),
    }
}

/// `X-Forwarded-*`; `None` if there are none.
fn older(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Option<Said> {
    if ![FOR, HOST, PROTO]
        .iter()
        .any(|name| headers.contains_key(name))
    {
        return None;
    }
    let way = way(from_right(headers, &FOR).map(address), trusts);
    // A list has an entry for each place; who writes one only means the first.
    let told = |name| {
        from_right(headers, name)
            .take(way.len().max(1))
            .last()
            .filter(|text| !text.is_empty())
    };
    let (proto, host_name) = (PROTO, HOST);
    let scheme = told(&proto).and_then(scheme);
    Some(Said {
        scheme,
        host: told(&host_name).and_then(|text| host(text, scheme)),
        way,
    })
}

/// `Forwarded`; `None` if there is none.
fn standard(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Option<Said> {
    headers.contains_key(FORWARDED).then(|| {
        let told = |element, name| param(element, name);
        let elements = || from_right(headers, &FORWARDED);
        let way = way(
            elements().map(|element| address(told(element, "for")?)),
            trusts,
        );
        let first = elements().take(way.len().max(1)).last();
        let scheme = first.and_then(|element| scheme(told(element, "proto")?));
        Said {
            scheme,
            host: first.and_then(|element| host(told(element, "host")?, scheme)),
            way,
        }
    })
}

/// The places up to the first that is not trusted. None at all if one cannot be told, or if there
/// are too many.
fn way(
    places: impl Iterator<Item = Option<IpAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Vec<IpAddr> {
    let mut way = Vec::new();
    for place in places {
        let Some(place) = place.filter(|_| way.len() < MAX_HOPS) else {
            return Vec::new();
        };
        way.push(place);
        if !trusts(place) {
            break;
        }
    }
    way
}

/// The items of a list, the last one first, over all lines. A quote that a client left open joins
/// no item of a forwarder's to its own, since nothing is read from the left.
fn from_right<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().rev();
    let items = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // What is no text says nothing.
    items.map(|item| std::str::from_utf8(item).unwrap_or_default().trim())
}

/// The value of this parameter in one element of `Forwarded` (RFC 7239 §4).
fn param<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim();
    let bare = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    Some(bare.unwrap_or(value))
}

fn address(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':');
        if !rest.ends_with(']') && !port.is_some_and(is_port) {
            return None;
        }
        address.parse::<Ipv6Addr>().ok()?.into()
    } else if let Some((address, _)) = text.split_once(':').filter(|(_, port)| is_port(port)) {
        address.parse::<Ipv4Addr>().ok()?.into()
    } else {
        text.parse::<IpAddr>().ok()?
    };
    let address = address.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn scheme(text: &str) -> Option<Scheme> {
    // Some tell a WebSocket's by its own scheme (RFC 6455 §3).
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(Scheme::Https),
        "http" | "ws" => Some(Scheme::Http),
        _ => None,
    }
}

/// In its one spelling, in which the port that `scheme` implies is left out.
fn host(text: &str, scheme: Option<Scheme>) -> Option<Authority> {
    if text.is_empty() || text.len() > MAX_HOST || text.contains('@') {
        return None;
    }
    let host: Authority = text.parse().ok()?;
    let implied = scheme.map(|scheme| match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    });
    normal_authority(&host, implied)
}
