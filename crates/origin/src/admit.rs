//! The gate: which addresses may be dialled.
//!
//! A client may write any address into `host=`, and a manager that is broken or taken over into `serverAddress`. One
//! function decides for all of them. Special addresses (loopback, link-local and its metadata services, multicast, and
//! whatever translates to them) are never nodes unless a configured network holds them; any other is a node if the
//! Stream Manager has named it lately or a configured network holds it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::uri::Authority;
use ipnet::IpNet;
use moka::{policy::EvictionPolicy, sync::Cache};
use thiserror::Error;
use tokio::time::Instant;

use crate::{Metrics, config::Nodes};

/// Most named addresses remembered at once.
const MAX_NAMED: u64 = 10_000;

/// The HTTP address of a node that may be dialled.
///
/// There is no way to make one but [`AllowedOrigins::admit`].
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    addr: SocketAddr,
    authority: Authority,
}

impl Origin {
    /// The address by which it is known: what the Stream Manager named.
    pub fn named(&self) -> IpAddr {
        self.addr.ip()
    }

    /// The address to dial.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same, as it stands in a URL and in `Host`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

/// An address, and who says that it is a node.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// The Stream Manager, in an answer of its API. Naming counts for later claims of clients.
    Manager(&'a str),
    /// A client.
    Client(&'a str),
    /// A session token that this proxy, or a replica with the same key, has sealed.
    Session(IpAddr),
}

/// Decides which addresses may be dialled.
#[derive(Debug)]
pub struct AllowedOrigins {
    port: u16,
    networks: Vec<IpNet>,
    named_for: Duration,
    named: Cache<IpAddr, Instant>,
    metrics: Metrics,
}

impl AllowedOrigins {
    /// A gate that knows the configured networks and has heard of no node yet.
    pub fn new(config: &Nodes, metrics: Metrics) -> Self {
        Self {
            port: config.port,
            networks: config.allow.clone(),
            named_for: config.named_for,
            named: Cache::builder()
                .max_capacity(MAX_NAMED)
                // Whoever was named last is dialled next; by frequency, old names would keep new ones out.
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            metrics,
        }
    }

    /// Lets an address through, or says why not. The one door: what it admits is exactly what is dialled.
    ///
    /// # Errors
    /// The reason; it is counted.
    #[expect(clippy::unused_async, reason = "names will have to be resolved")]
    pub async fn admit(&self, claim: Claim<'_>) -> Result<Origin, Refusal> {
        self.decide(claim)
            .inspect_err(|refusal| self.metrics.refused(*refusal))
    }

    fn decide(&self, claim: Claim<'_>) -> Result<Origin, Refusal> {
        let ip = match claim {
            Claim::Manager(text) | Claim::Client(text) => parse(text)?,
            Claim::Session(ip) => ip.to_canonical(),
        };
        if self.networks.iter().any(|network| network.contains(&ip)) {
            return self.origin(ip);
        }
        if is_special(ip) {
            return Err(Refusal::Special);
        }
        match claim {
            Claim::Manager(_) => self.named.insert(ip, Instant::now() + self.named_for),
            Claim::Client(_) if !self.is_named(ip) => return Err(Refusal::Unknown),
            Claim::Client(_) | Claim::Session(_) => {}
        }
        self.origin(ip)
    }

    /// The addresses that the Stream Manager has named lately, and how long ago, in no order.
    pub fn named(&self) -> Vec<(IpAddr, Duration)> {
        let now = Instant::now();
        let ago = |until: Instant| self.named_for.saturating_sub(until - now);
        self.named
            .iter()
            .filter(|(_, until)| now < *until)
            .map(|(ip, until)| (*ip, ago(until)))
            .collect()
    }

    fn is_named(&self, ip: IpAddr) -> bool {
        self.named
            .get(&ip)
            .is_some_and(|until| Instant::now() < until)
    }

    fn origin(&self, ip: IpAddr) -> Result<Origin, Refusal> {
        let addr = SocketAddr::new(ip, self.port);
        let authority = Authority::try_from(addr.to_string()).map_err(|_| Refusal::NotAnAddress)?;
        Ok(Origin { addr, authority })
    }
}

/// One way of writing an address only: no port, no zone, no octal or shortened form, no brackets.
fn parse(text: &str) -> Result<IpAddr, Refusal> {
    text.parse()
        .map(|ip: IpAddr| ip.to_canonical())
        .map_err(|_| Refusal::NotAnAddress)
}

/// Addresses that are no node of anybody's, and forms of IPv6 that stand for an IPv4 address.
fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_special_v4(v4),
        IpAddr::V6(v6) => is_special_v6(v6),
    }
}

fn is_special_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    a == 0                                          // this network (RFC 791)
        || ip.is_loopback()
        || ip.is_link_local()                       // 169.254.169.254 is the metadata service of most clouds
        || a >= 224                                 // multicast, reserved, broadcast
        || (a, b, c) == (192, 0, 0)                 // protocol assignments (RFC 6890); 192.0.0.192 serves metadata
        || ip == Ipv4Addr::new(100, 100, 100, 200)  // Alibaba Cloud's metadata service
        || ip == Ipv4Addr::new(168, 63, 129, 16) // Azure's host
}

fn is_special_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, ..] = ip.segments();
    ip.is_multicast()
        || ip.is_unicast_link_local()
        || a & 0xffc0 == 0xfec0                             // site-local (RFC 3879)
        || ip.segments().iter().take(6).all(|s| *s == 0)    // ::, ::1 and IPv4-compatible (RFC 4291)
        || ip.segments().starts_with(&[0, 0, 0, 0, 0xffff, 0])    // IPv4-translated (RFC 2765)
        || (a == 0x64 && b == 0xff9b)                       // NAT64 (RFC 6052, RFC 8215)
        || a == 0x2002                                      // 6to4 (RFC 3056)
        || (a == 0x2001 && b == 0)                          // Teredo (RFC 4380)
        || (a, b, c) == (0xfd00, 0x0ec2, 0)                 // AWS's metadata service
        || (a, b, c) == (0xfd20, 0x00ce, 0) // Google Cloud's
}

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// It is not written as a plain IP address.
    #[error("is not an IP address (write it without port, brackets, zone or path)")]
    NotAnAddress,
    /// It is a special address that no configured network holds.
    #[error("is a special address; only `nodes.allow` can open it")]
    Special,
    /// The Stream Manager has not named it lately, and no configured network holds it.
    #[error("was not named by the Stream Manager; `nodes.allow` can open it")]
    Unknown,
}

impl Refusal {
    /// Its value in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotAnAddress => "not_an_address",
            Self::Special => "special",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gate(allow: &[&str]) -> AllowedOrigins {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        AllowedOrigins::new(
            &Nodes {
                allow,
                ..Nodes::default()
            },
            Metrics::default(),
        )
    }

    #[test]
    fn a_client_reaches_only_what_the_manager_named() {
        let gate = gate(&[]);
        assert_eq!(
            gate.decide(Claim::Client("10.0.0.7")),
            Err(Refusal::Unknown)
        );
        gate.decide(Claim::Manager("10.0.0.7")).unwrap();
        let origin = gate.decide(Claim::Client("10.0.0.7")).unwrap();
        assert_eq!(
            (origin.addr().to_string(), origin.authority().as_str()),
            ("10.0.0.7:5080".into(), "10.0.0.7:5080")
        );
        assert_eq!(
            gate.decide(Claim::Client("10.0.0.8")),
            Err(Refusal::Unknown)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_given_long_ago_counts_no_more() {
        let gate = gate(&[]);
        gate.decide(Claim::Manager("10.0.0.7")).unwrap();
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(gate.decide(Claim::Client("10.0.0.7")).is_ok());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            gate.decide(Claim::Client("10.0.0.7")),
            Err(Refusal::Unknown)
        );
    }

    #[test]
    fn new_nodes_are_admitted_however_many_there_were() {
        let gate = gate(&[]);
        let name = |number: u32| Ipv4Addr::from(0x0a00_0000 + number).to_string();
        for number in 0..20_000 {
            gate.decide(Claim::Manager(&name(number))).unwrap();
        }
        gate.named.run_pending_tasks();
        assert!(gate.named.entry_count() <= MAX_NAMED);
        for number in 20_000..20_100 {
            gate.decide(Claim::Manager(&name(number))).unwrap();
            assert!(gate.decide(Claim::Client(&name(number))).is_ok());
        }
    }

    #[test]
    fn special_addresses_stay_shut_whoever_names_them() {
        let gate = gate(&["192.168.0.0/16"]);
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "192.0.0.192",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:0:127.0.0.1",
        ] {
            assert_eq!(
                gate.decide(Claim::Manager(address)),
                Err(Refusal::Special),
                "{address}"
            );
            assert_eq!(
                gate.decide(Claim::Client(address)),
                Err(Refusal::Special),
                "{address}"
            );
            assert_eq!(
                gate.decide(Claim::Session(address.parse().unwrap())),
                Err(Refusal::Special),
                "{address}"
            );
        }
    }

    #[test]
    fn a_configured_network_opens_even_loopback() {
        let gate = gate(&["127.0.0.0/8", "10.1.0.0/16"]);
        for address in ["127.0.0.2", "::ffff:127.0.0.2", "10.1.2.3"] {
            assert!(gate.decide(Claim::Client(address)).is_ok(), "{address}");
        }
        assert_eq!(
            gate.decide(Claim::Client("10.2.0.1")),
            Err(Refusal::Unknown)
        );
        assert_eq!(gate.decide(Claim::Client("::1")), Err(Refusal::Special));
    }

    #[test]
    fn an_address_is_written_in_one_way() {
        let gate = gate(&["0.0.0.0/0", "::/0"]);
        for address in [
            "",
            "undefined",
            "localhost",
            "10.0.0.7:5080",
            "10.0.0.7/",
            "user@10.0.0.7",
            "10.0.0.7.",
            " 10.0.0.7",
            "010.0.0.7",
            "0x0a.0.0.7",
            "10.7",
            "167772167",
            "[::1]",
            "fe80::1%eth0",
            "10.0.0.7\0",
            "１０.0.0.7",
            "10.0.0.7#",
            "10.0.0.256",
        ] {
            assert_eq!(
                gate.decide(Claim::Client(address)),
                Err(Refusal::NotAnAddress),
                "{address:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_admitted_is_what_is_dialled(bytes: [u8; 16], v4: bool, shuffled in "[0-9a-f:.%\\[\\]]{0,40}") {
            let gate = gate(&["0.0.0.0/0", "::/0"]);
            let ip = if v4 { IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]) } else { IpAddr::from(bytes) };
            for text in [ip.to_string(), shuffled] {
                if let Ok(origin) = gate.decide(Claim::Client(&text)) {
                    prop_assert_eq!(origin.addr().ip(), text.parse::<IpAddr>().unwrap().to_canonical());
                    prop_assert_eq!(origin.addr().port(), 5080);
                    prop_assert_eq!(origin.authority().as_str(), origin.addr().to_string());
                }
            }
        }
    }
}
