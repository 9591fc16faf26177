//! How operators write addresses and names of nodes: parsed values without any rule of the gate.
//!
//! A leaf: it knows no other module of the crate, so that configuration and gate both can use it.

mod mapping;
mod name;

use std::net::{IpAddr, Ipv4Addr};

pub(crate) use self::{mapping::AddressMap, name::HostName};
pub use self::{
    mapping::{Mapping, MappingError},
    name::{NamePattern, NamePatternError},
};

/// Whether an address can belong to one host: not unspecified, multicast or broadcast.
pub(crate) fn is_one_host(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}
