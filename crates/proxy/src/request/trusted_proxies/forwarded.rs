//! Parses what trusted proxies add: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC
//! 7239).
//!
//! | value | read as |
//! |---|---|
//! | `192.0.2.1`, `2001:db8::1` | this address |
//! | `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711` | this address (RFC 7239 §6; Azure's gateways write the port) |
//! | `unknown`, `_hidden`, a name, anything else | no address: the hops further left are not known |
//!
//! Most proxies write one of the two families and pass on what the client wrote in the other. So
//! where both are there they have to agree, or neither is believed.

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

/// How a client reaches a trusted proxy.
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

/// What the headers name, as far as it is believed.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    /// From the hop next to the peer to the client, which is the last; empty if not known.
    pub(super) hops: Vec<IpAddr>,
    /// The scheme of the client's request.
    pub(super) scheme: Option<Scheme>,
    /// The host of the client's request.
    pub(super) host: Option<Authority>,
}

/// Both families, if they agree.
pub(super) fn read(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Forwarded {
    let (older, standard) = (older(headers, &trusts), standard(headers, &trusts));
    match (older, standard) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one.hops == other.hops => Forwarded {
            scheme: agreed(one.scheme, other.scheme),
            host: agreed(one.host, other.host),
            hops: one.hops,
        },
        _ => Forwarded::default(),
    }
}

fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then_some(one),
        (one, other) => one.or(other),
    }
}

/// `X-Forwarded-*`; `None` if there are none.
fn older(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Option<Forwarded> {
    if ![FOR, HOST, PROTO]
        .iter()
        .any(|name| headers.contains_key(name))
    {
        return None;
    }
    let hops = read_hops(from_right(headers, &FOR).map(address), trusts);
    // A list has an entry for each hop; a proxy that writes one only means the first.
    let value = |name| {
        from_right(headers, name)
            .take(hops.len().max(1))
            .last()
            .filter(|text| !text.is_empty())
    };
    let (proto, host_name) = (PROTO, HOST);
    let scheme = value(&proto).and_then(scheme);
    Some(Forwarded {
        scheme,
        host: value(&host_name).and_then(|text| host(text, scheme)),
        hops,
    })
}

/// `Forwarded`; `None` if there is none.
fn standard(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Option<Forwarded> {
    headers.contains_key(FORWARDED).then(|| {
        let value = |element, name| param(element, name);
        let elements = || from_right(headers, &FORWARDED);
        let hops = read_hops(
            elements().map(|element| address(value(element, "for")?)),
            trusts,
        );
        let first = elements().take(hops.len().max(1)).last();
        let scheme = first.and_then(|element| scheme(value(element, "proto")?));
        Forwarded {
            scheme,
            host: first.and_then(|element| host(value(element, "host")?, scheme)),
            hops,
        }
    })
}

/// The hops up to the first that is not trusted. None at all if one is not known, or if there are
/// too many.
fn read_hops(
    entries: impl Iterator<Item = Option<IpAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Vec<IpAddr> {
    let mut hops = Vec::new();
    for hop in entries {
        let Some(hop) = hop.filter(|_| hops.len() < MAX_HOPS) else {
            return Vec::new();
        };
        hops.push(hop);
        if !trusts(hop) {
            break;
        }
    }
    hops
}

/// The items of a list, the last one first, over all lines. A quote that a client left open joins
/// no item of a proxy to its own, since nothing is read from the left.
fn from_right<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().rev();
    let items = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // Bytes that are no text count as an empty item.
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
    // Some name a WebSocket's by its own scheme (RFC 6455 §3).
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
