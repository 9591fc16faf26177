//! Public addresses of nodes, and the private ones under which they are reached from here.
//!
//! The Stream Manager names nodes as their clients see them. Where that address does not lead from
//! here to the node, an operator says which one does, for one node or for a whole network of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::is_one_host;

/// An entry of `nodes.map`: `203.0.113.7=10.0.0.7`, or networks of one size,
/// `198.51.100.0/24=10.1.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mapping {
    public: IpNet,
    private: IpNet,
}

impl Mapping {
    /// The public address or network, without bits for hosts.
    pub fn public(&self) -> IpNet {
        self.public
    }

    /// The private address of a public one in this network: the bits for hosts stay.
    fn apply(&self, ip: IpAddr) -> Option<IpAddr> {
        if !self.public.contains(&ip) {
            return None;
        }
        match (ip, self.private, self.public.hostmask()) {
            (IpAddr::V4(ip), IpNet::V4(private), IpAddr::V4(host)) => {
                let bits = private.network().to_bits() | (ip.to_bits() & host.to_bits());
                Some(Ipv4Addr::from_bits(bits).into())
            }
            (IpAddr::V6(ip), IpNet::V6(private), IpAddr::V6(host)) => {
                let bits = private.network().to_bits() | (ip.to_bits() & host.to_bits());
                Some(Ipv6Addr::from_bits(bits).into())
            }
            _ => None,
        }
    }
}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let (public, private) = text.split_once('=').ok_or(MappingError::NoPair)?;
        let (public, private) = (network(public)?, network(private)?);
        if public.addr().is_ipv4() != private.addr().is_ipv4() {
            return Err(MappingError::Families);
        }
        if public.prefix_len() != private.prefix_len() {
            return Err(MappingError::Sizes);
        }
        if !is_one_host(private.network()) || !is_one_host(private.broadcast()) {
            return Err(MappingError::NoHost);
        }
        Ok(Self { public, private })
    }
}

fn network(text: &str) -> Result<IpNet, MappingError> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|network| network.trunc())
        .map_err(|_| MappingError::NoAddress)
}

impl TryFrom<String> for Mapping {
    type Error = MappingError;

    fn try_from(text: String) -> Result<Self, MappingError> {
        text.parse()
    }
}

impl From<Mapping> for String {
    fn from(mapping: Mapping) -> Self {
        mapping.to_string()
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public.prefix_len() == self.public.max_prefix_len() {
            write!(f, "{}={}", self.public.addr(), self.private.addr())
        } else {
            write!(f, "{}={}", self.public, self.private)
        }
    }
}

/// What is wrong with an entry of `nodes.map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// No `=`.
    #[error("the public and the private address are separated by \"=\"")]
    NoPair,
    /// One side is neither.
    #[error("each side is an IP address or a network")]
    NoAddress,
    /// IPv4 on one side and IPv6 on the other.
    #[error("both sides have to be IPv4, or both IPv6")]
    Families,
    /// Networks of unlike sizes.
    #[error("both sides have to be networks of the same size, such as /24 and /24")]
    Sizes,
    /// The private side begins or ends with an unspecified, multicast or broadcast address.
    #[error(
        "the private side holds an address that is no host: unspecified, multicast or broadcast"
    )]
    NoHost,
}

/// All entries, the most precise first.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressMap(Vec<Mapping>);

impl AddressMap {
    pub(crate) fn new(mappings: &[Mapping]) -> Self {
        let mut mappings = mappings.to_vec();
        mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.public.prefix_len()));
        Self(mappings)
    }

    /// The address that leads to the node of this public address, and the private side of the entry
    /// that says so.
    pub(crate) fn private(&self, public: IpAddr) -> Option<(IpAddr, IpNet)> {
        self.0
            .iter()
            .find_map(|mapping| Some((mapping.apply(public)?, mapping.private)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(entries: &[&str]) -> AddressMap {
        let entries: Vec<Mapping> = entries.iter().map(|entry| entry.parse().unwrap()).collect();
        AddressMap::new(&entries)
    }

    fn private(map: &AddressMap, public: &str) -> String {
        let public = public.parse().unwrap();
        map.private(public).map_or(public, |(ip, _)| ip).to_string()
    }

    #[test]
    fn the_most_precise_entry_wins_and_the_rest_stays() {
        let map = map(&[
            "198.51.100.0/24=10.1.2.0/24",
            "198.51.100.128/25=10.9.9.0/25",
            "198.51.100.7=10.0.0.7",
            "2001:db8::/64=fd00::/64",
        ]);
        for (public, expected) in [
            ("198.51.100.7", "10.0.0.7"),
            ("198.51.100.8", "10.1.2.8"),
            ("198.51.100.129", "10.9.9.1"),
            ("198.51.101.8", "198.51.101.8"),
            ("2001:db8::a:b", "fd00::a:b"),
            ("2001:db8:0:1::1", "2001:db8:0:1::1"),
        ] {
            assert_eq!(private(&map, public), expected, "{public}");
        }
    }

    #[test]
    fn a_mistake_is_told_apart() {
        for (text, error) in [
            ("10.0.0.1", MappingError::NoPair),
            ("", MappingError::NoPair),
            ("a=b", MappingError::NoAddress),
            ("10.0.0.1=", MappingError::NoAddress),
            ("10.0.0.1=10.0.0.2=10.0.0.3", MappingError::NoAddress),
            ("10.0.0.1:80=10.0.0.2", MappingError::NoAddress),
            ("10.0.0.1=::1", MappingError::Families),
            ("10.0.0.0/24=10.1.0.0/25", MappingError::Sizes),
            ("10.0.0.0/24=10.1.0.1", MappingError::Sizes),
            ("10.0.0.1=0.0.0.0", MappingError::NoHost),
            ("10.0.0.1=224.0.0.1", MappingError::NoHost),
            ("10.0.0.1=255.255.255.255", MappingError::NoHost),
            ("0.0.0.0/0=0.0.0.0/0", MappingError::NoHost),
            ("2001:db8::1=ff02::1", MappingError::NoHost),
        ] {
            assert_eq!(text.parse::<Mapping>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_entry_is_written_as_it_was_read() {
        for text in ["203.0.113.7=10.0.0.7", "198.51.100.0/24=10.1.2.0/24"] {
            assert_eq!(text.parse::<Mapping>().unwrap().to_string(), text);
        }
        let loose: Mapping = " 198.51.100.9/24 = 10.1.2.3/24 ".parse().unwrap();
        assert_eq!(loose.to_string(), "198.51.100.0/24=10.1.2.0/24");
    }

    proptest! {
        #[test]
        fn bits_of_the_host_stay_and_bits_of_the_network_come(ip: u32, length in 5_u8..=32) {
            let mapping: Mapping = format!("{}/{length}=10.0.0.0/{length}", Ipv4Addr::from(ip)).parse().unwrap();
            let IpAddr::V4(private) = mapping.apply(Ipv4Addr::from(ip).into()).unwrap() else { panic!() };
            let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
            prop_assert_eq!(private.to_bits() & host, ip & host);
            prop_assert_eq!(private.to_bits() & !host, 0x0a00_0000 & !host);
        }
    }
}
