//! What may be dialled.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::uri::Authority;

use crate::{net::HostName, refusal::Refusal};

/// The HTTP address of a node that may be dialled.
///
/// There is no way to make one but [`super::AllowedOrigins::admit`].
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    named: IpAddr,
    addr: SocketAddr,
    authority: Authority,
    name: Option<HostName>,
}

impl Origin {
    pub(super) fn new(
        named: IpAddr,
        addr: SocketAddr,
        name: Option<HostName>,
    ) -> Result<Self, Refusal> {
        let authority = Authority::try_from(addr.to_string()).map_err(|_| Refusal::NotAnAddress)?;
        Ok(Self {
            named,
            addr,
            authority,
            name,
        })
    }

    /// The public address under which it is known: what the Stream Manager named, or what a name of
    /// its stands for.
    pub fn named(&self) -> IpAddr {
        self.named
    }

    /// The host name that it was named with, in lower case; none if it was named by its address.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(HostName::as_str)
    }

    pub(super) fn host(&self) -> Option<&HostName> {
        self.name.as_ref()
    }

    /// The address to dial: the public one, or the private one that `nodes.map` gives for it.
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
