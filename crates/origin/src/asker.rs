//! Who asks, and with whom an asker shares what is remembered.
//!
//! Stream Manager 16.0 chooses the region by the client's address when the client names none. So a
//! lookup says for which client it is made, in `X-Forwarded-For` with that one address, and what is
//! remembered for a client of one network is not used for a client of another
//! (`lookup.by_network`).
//!
//! | the client | key of what is remembered | address in the lookup |
//! |---|---|---|
//! | names a region, zone or subgroup | the stream and the hints | of the client that was there first |
//! | names none | these, and the client's network | of the network's client that was there first |
//! | names none, and `by_network` is off | the stream and the hints | of the client that was there first |
//! | cannot be told: a proxy that is not trusted, or one that does not name its client | the stream and the hints | none |
//!
//! The address is sent with `by_network` off as well: managers before 16.0 do not read it. Answers
//! to publishes are not remembered, so there it is the publisher's own, except where publishers of
//! one stream ask at the same time and share one question: then it is the address of the first of
//! them. An operator who switches `by_network` off for a manager that does read the address lets
//! the first client of an answer choose the region of the others.

use std::{fmt, net::IpAddr, str::FromStr};

use http::HeaderValue;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use whipstitch_signaling::Api;

/// The client for which a lookup is made, as far as its address can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asker(Who);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Who {
    #[default]
    Unknown,
    IdleProbe,
    Client(IpAddr),
}

impl Asker {
    /// A client whose address cannot be told, or no client: a question of the proxy's own.
    pub const UNKNOWN: Self = Self(Who::Unknown);
    /// The proxy itself, which looks whether the manager can be reached while no client asks.
    pub(crate) const IDLE_PROBE: Self = Self(Who::IdleProbe);

    /// The client at this address; an IPv4 address that is mapped into IPv6 counts as itself.
    pub fn at(address: IpAddr) -> Self {
        Self(Who::Client(address.to_canonical()))
    }

    /// The address.
    pub fn address(self) -> Option<IpAddr> {
        match self.0 {
            Who::Client(address) => Some(address),
            Who::Unknown | Who::IdleProbe => None,
        }
    }

    /// The value of `X-Forwarded-For`.
    pub(crate) fn forwarded_for(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.address()?.to_string()).ok()
    }
}

/// A network of clients that share what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `lookup.by_network`: with whom a client that names no region shares what is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ByNetwork {
    /// With the /16 of IPv4 or the /32 of IPv6 that it is in for Stream Manager 2.0, with everybody
    /// for 1.x.
    #[default]
    Auto,
    /// With everybody.
    Off,
    /// With its network.
    Prefixes {
        /// Length of an IPv4 network's prefix, 1 to 32.
        v4: u8,
        /// Length of an IPv6 network's prefix, 1 to 128.
        v6: u8,
    },
}

impl ByNetwork {
    /// The network of a client, if what is remembered for it is shared by network.
    pub fn network(self, api: Api, asker: Asker) -> Option<Network> {
        let (v4, v6) = match (self, api) {
            (Self::Off, _) | (Self::Auto, Api::V1) => return None,
            (Self::Auto, Api::V2) => (16, 32),
            (Self::Prefixes { v4, v6 }, _) => (v4, v6),
        };
        let address = asker.address()?;
        let prefix = if address.is_ipv4() { v4 } else { v6 };
        let network = IpNet::new(address, prefix).ok()?;
        Some(Network(network.trunc()))
    }
}

impl FromStr for ByNetwork {
    type Err = ByNetworkError;

    fn from_str(text: &str) -> Result<Self, ByNetworkError> {
        match text {
            "auto" => return Ok(Self::Auto),
            "off" => return Ok(Self::Off),
            _ => {}
        }
        let (v4, v6) = text.split_once('/').ok_or(ByNetworkError)?;
        let prefix = |text: &str, most: u8| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let prefix: u8 = text.parse().map_err(|_| ByNetworkError)?;
            (plain && (1..=most).contains(&prefix))
                .then_some(prefix)
                .ok_or(ByNetworkError)
        };
        Ok(Self::Prefixes {
            v4: prefix(v4, 32)?,
            v6: prefix(v6, 128)?,
        })
    }
}

impl fmt::Display for ByNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Prefixes { v4, v6 } => write!(f, "{v4}/{v6}"),
        }
    }
}

impl TryFrom<String> for ByNetwork {
    type Error = ByNetworkError;

    fn try_from(text: String) -> Result<Self, ByNetworkError> {
        text.parse()
    }
}

impl From<ByNetwork> for String {
    fn from(by: ByNetwork) -> Self {
        by.to_string()
    }
}

/// A text is no [`ByNetwork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "lookup.by_network is auto, off, or two prefix lengths such as 16/32: 1 to 32 for IPv4, 1 to 128 for IPv6"
)]
pub struct ByNetworkError;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(by: &str, api: Api, address: &str) -> Option<String> {
        let asker = Asker::at(address.parse().unwrap());
        let network = by.parse::<ByNetwork>().unwrap().network(api, asker);
        network.map(|network| network.to_string())
    }

    #[test]
    fn a_client_shares_with_its_network() {
        for (by, api, address, expected) in [
            ("auto", Api::V2, "203.0.113.7", Some("203.0.0.0/16")),
            ("auto", Api::V2, "2001:db8:1:2::3", Some("2001:db8::/32")),
            ("auto", Api::V2, "::ffff:203.0.113.7", Some("203.0.0.0/16")),
            ("auto", Api::V1, "203.0.113.7", None),
            ("off", Api::V2, "203.0.113.7", None),
            ("24/48", Api::V1, "203.0.113.7", Some("203.0.113.0/24")),
            ("24/48", Api::V2, "2001:db8:1:2::3", Some("2001:db8:1::/48")),
            ("32/128", Api::V2, "203.0.113.7", Some("203.0.113.7/32")),
        ] {
            assert_eq!(network(by, api, address).as_deref(), expected, "{by}");
        }
        assert_eq!(ByNetwork::Auto.network(Api::V2, Asker::UNKNOWN), None);
    }

    #[test]
    fn prefix_lengths_have_bounds_and_a_form() {
        for right in ["auto", "off", "16/32", "1/1", "32/128"] {
            assert_eq!(right.parse::<ByNetwork>().unwrap().to_string(), right);
        }
        for wrong in [
            "", "on", "16", "/", "16/", "/32", "0/32", "16/0", "33/32", "16/129", "+16/32",
            "16/32/64", "a/b", " 16/32", "999/32",
        ] {
            assert_eq!(wrong.parse::<ByNetwork>(), Err(ByNetworkError), "{wrong:?}");
        }
    }

    #[test]
    fn one_address_is_sent() {
        let sent = |address: &str| Asker::at(address.parse().unwrap()).forwarded_for().unwrap();
        assert_eq!(sent("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(sent("2001:db8::1"), "2001:db8::1");
        assert_eq!(Asker::UNKNOWN.forwarded_for(), None);
    }
}
