//! The networks that hold no node of anybody's, as data, and what it takes to open an address in
//! them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network whose addresses are never nodes unless an operator says so for just them.
#[derive(Debug)]
pub(super) struct Special {
    net: IpNet,
    /// Where in it another address stands, for those IPv6 networks that stand for IPv4: bits from
    /// the left.
    holds_v4_at: Option<u32>,
}

/// Every special network; the source stands behind each. IPv4-mapped addresses (RFC 4291 §2.5.5.2)
/// are not among them: they are turned into the IPv4 address that they are before anything is
/// decided.
static TABLE: LazyLock<Vec<Special>> = LazyLock::new(|| {
    let v4 = [
        ([0, 0, 0, 0], 8),          // this network, RFC 791 §3.2
        ([0, 0, 0, 0], 32),         // unspecified, RFC 1122 §3.2.1.3
        ([127, 0, 0, 0], 8),        // loopback, RFC 1122 §3.2.1.3
        ([169, 254, 0, 0], 16),     // link-local, RFC 3927
        ([169, 254, 169, 254], 32), // metadata of most clouds
        ([169, 254, 170, 0], 24),   // credentials of AWS ECS tasks and EKS pods
        ([192, 0, 0, 0], 24),       // protocol assignments, RFC 6890
        ([192, 0, 0, 192], 32),     // metadata of Oracle Cloud (classic)
        ([192, 88, 99, 0], 24),     // relays of 6to4, RFC 7526
        ([100, 100, 100, 200], 32), // metadata of Alibaba Cloud
        ([168, 63, 129, 16], 32),   // Azure's host
        ([224, 0, 0, 0], 4),        // multicast, RFC 5771
        ([240, 0, 0, 0], 4),        // reserved, RFC 1112 §4
        ([255, 255, 255, 255], 32), // broadcast, RFC 919
    ];
    let v6 = [
        ([0, 0, 0, 0, 0, 0, 0, 0], 96, Some(96)), // IPv4-compatible, RFC 4291 §2.5.5.1
        ([0, 0, 0, 0, 0, 0, 0, 0], 128, None),    // unspecified, RFC 4291 §2.5.2
        ([0, 0, 0, 0, 0, 0, 0, 1], 128, None),    // loopback, RFC 4291 §2.5.3
        ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Some(96)), // IPv4-translated, RFC 2765 §2.1
        ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Some(96)), // NAT64, RFC 6052 §2.1
        ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, None), // NAT64 of one's own, RFC 8215
        ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, None), // discarded, RFC 6666
        ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, None), // Teredo, RFC 4380
        ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Some(16)), // 6to4, RFC 3056
        ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 48, None), // metadata of AWS
        ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 48, None), // metadata of Google Cloud
        ([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, None), // metadata of Scaleway
        ([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, None), // metadata of Oracle Cloud
        ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, None), // link-local, RFC 4291 §2.5.6
        ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, None), // site-local, RFC 3879
        ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, None), // multicast, RFC 4291 §2.7
    ];
    let v4 = v4.into_iter().map(|(address, length)| Special {
        net: Ipv4Net::new_assert(Ipv4Addr::from(address), length).into(),
        holds_v4_at: None,
    });
    let v6 = v6
        .into_iter()
        .map(|(address, length, holds_v4_at)| Special {
            net: Ipv6Net::new_assert(Ipv6Addr::from(address), length).into(),
            holds_v4_at,
        });
    v4.chain(v6).collect()
});

/// The smallest special network that holds the address.
fn of(ip: IpAddr) -> Option<&'static Special> {
    TABLE
        .iter()
        .filter(|special| special.net.contains(&ip))
        .max_by_key(|special| special.net.prefix_len())
}

/// How an address stands to what is special and to what an operator opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is special, and nothing opens it.
    Shut,
    /// Nothing is special about it, and no configured network holds it.
    Common,
    /// A configured network makes it a node.
    Open,
}

/// Holds an address against the table and the configured networks.
///
/// A network opens a special address only if it lies inside the special network as a whole: an
/// operator who writes `169.254.169.254/32` means it, one who writes `0.0.0.0/0` does not. An IPv6
/// address that stands for an IPv4 address is not open before that one is, if that is special too.
pub(super) fn standing(ip: IpAddr, allowed: &[IpNet]) -> Standing {
    let mut holding = allowed.iter().filter(|network| network.contains(&ip));
    match of(ip) {
        None if holding.next().is_some() => Standing::Open,
        None => Standing::Common,
        Some(special) if !holding.any(|network| special.net.contains(network)) => Standing::Shut,
        Some(special) => match special.stands_for(ip) {
            Some(v4) if standing(v4, allowed) == Standing::Shut => Standing::Shut,
            _ => Standing::Open,
        },
    }
}

impl Special {
    /// The IPv4 address inside an address of this network.
    fn stands_for(&self, ip: IpAddr) -> Option<IpAddr> {
        let (at, IpAddr::V6(ip)) = (self.holds_v4_at?, ip) else {
            return None;
        };
        let shifted = ip.to_bits().checked_shr(96_u32.checked_sub(at)?)?;
        let v4 = u32::try_from(shifted & u128::from(u32::MAX)).ok()?;
        Some(Ipv4Addr::from(v4).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(ip: &str, allowed: &[&str]) -> Standing {
        let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        standing(ip.parse().unwrap(), &allowed)
    }

    #[test]
    fn a_wide_network_opens_nothing_special() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "192.0.0.1",
            "192.0.0.192",
            "192.88.99.1",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            for wide in [
                "0.0.0.0/0",
                "0.0.0.0/1",
                "128.0.0.0/1",
                "64.0.0.0/2",
                "160.0.0.0/3",
            ] {
                assert_eq!(stands(ip, &[wide]), Standing::Shut, "{ip} in {wide}");
            }
        }
        for ip in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2002:7f00:1::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:42::42",
            "fd00:c1::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            for wide in [
                "::/0", "::/1", "2000::/3", "f000::/4", "fd00::/8", "fe00::/7",
            ] {
                assert_eq!(stands(ip, &[wide]), Standing::Shut, "{ip} in {wide}");
            }
        }
    }

    #[test]
    fn a_network_inside_the_special_one_opens_its_addresses() {
        for (ip, net) in [
            ("127.0.0.1", "127.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("169.254.1.1", "169.254.0.0/16"),
            ("169.254.169.254", "169.254.169.254/32"),
            ("::1", "::1/128"),
            ("fe80::7", "fe80::/64"),
            ("fd00:ec2::254", "fd00:ec2::254/128"),
        ] {
            assert_eq!(stands(ip, &[net]), Standing::Open, "{ip} in {net}");
        }
        // The metadata service is more special than the network around it.
        assert_eq!(
            stands("169.254.169.254", &["169.254.0.0/16"]),
            Standing::Shut
        );
        assert_eq!(
            stands("127.0.0.1", &["10.0.0.0/8", "127.0.0.2/32"]),
            Standing::Shut
        );
    }

    #[test]
    fn what_stands_for_an_ipv4_address_is_no_freer_than_that() {
        for (net, loopback, common) in [
            ("64:ff9b::/96", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
            ("2002::/16", "2002:7f00:1::", "2002:a00:1::"),
            ("::/96", "::7f00:1", "::a00:1"),
            ("::ffff:0:0:0/96", "::ffff:0:7f00:1", "::ffff:0:a00:1"),
        ] {
            assert_eq!(stands(loopback, &[net]), Standing::Shut, "{loopback}");
            assert_eq!(
                stands(loopback, &[net, "127.0.0.1/32"]),
                Standing::Open,
                "{loopback}"
            );
            assert_eq!(stands(common, &[net]), Standing::Open, "{common}");
        }
    }

    #[test]
    fn the_rest_is_common() {
        for ip in [
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "8.8.8.8",
            "2001:db8::1",
            "fd12::1",
        ] {
            assert_eq!(stands(ip, &[]), Standing::Common, "{ip}");
            assert_eq!(stands(ip, &["0.0.0.0/0", "::/0"]), Standing::Open, "{ip}");
        }
    }
}
