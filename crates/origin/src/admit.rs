//! The gate: which addresses may be dialled.
//!
//! A client may write any address into `host=`, and a manager that is broken or taken over into
//! `serverAddress`. One function decides for all of them. Special addresses (loopback, link-local
//! and its metadata services, multicast, and whatever translates to them) are never nodes unless a
//! configured network means just them; any other is a node if the Stream Manager has named it
//! recently or a configured network holds it. A name is turned into addresses once, all of them are
//! held against the same rules, and one of them is dialled.

mod origin;
mod ours;
mod rules;
mod special;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ahash::RandomState;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::info;

pub use self::origin::Origin;
use self::{
    ours::Listeners,
    rules::Rules,
    special::{Standing, standing},
};
use crate::{
    cause::Cause,
    config::Nodes,
    connect::ManagerAddress,
    metrics::Metrics,
    net::{HostName, is_one_host},
    refusal::Refusal,
    resolve::Resolver,
};

/// How exactly it is remembered when a node was named last.
const NAMED_AGAIN: Duration = Duration::from_secs(1);
/// Most named nodes remembered at once.
const MAX_NAMED: u64 = 10_000;

/// An address, and who says that it is a node.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// The Stream Manager, in an answer of its API. Naming counts for later claims of clients.
    Manager(&'a str),
    /// A client.
    Client {
        /// What it wrote for an address.
        host: &'a str,
        /// Whether it asks for the node's private address: `usePrivateProxy=true` (Red5 Pro
        /// documentation).
        private: bool,
    },
    /// A session token that this proxy, or a replica with the same key, has sealed.
    Session(IpAddr),
}

impl<'a> Claim<'a> {
    /// A client that does not ask for the private address.
    pub const fn client(host: &'a str) -> Self {
        Self::Client {
            host,
            private: false,
        }
    }
}

/// Who is known to be a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Known {
    Ip(IpAddr),
    Name(HostName),
}

/// Decides which addresses may be dialled.
#[derive(Debug)]
pub struct AllowedOrigins {
    port: u16,
    rules: ArcSwap<Rules>,
    ours: Listeners,
    manager: Option<ManagerAddress>,
    resolver: Resolver,
    /// For names that the manager has not named.
    strangers: Resolver,
    named_for: Duration,
    named: Cache<Known, Instant, RandomState>,
    metrics: Metrics,
}

impl AllowedOrigins {
    /// A gate that knows the configured networks and no node yet. It asks the system
    /// for names, and knows of no listener of ours.
    pub fn new(config: &Nodes, metrics: Metrics) -> Self {
        let resolver = Resolver::system(TaskTracker::new());
        Self {
            port: config.port,
            rules: ArcSwap::from_pointee(Rules::new(config)),
            ours: Listeners::default(),
            manager: None,
            strangers: resolver.for_strangers(),
            resolver,
            named_for: config.named_for,
            named: Cache::builder()
                .max_capacity(MAX_NAMED)
                // The node that was named last is dialled next; by frequency, old names would keep
                // new ones out.
                .eviction_policy(EvictionPolicy::lru())
                .build_with_hasher(RandomState::new()),
            metrics,
        }
    }

    /// The same gate, shut for these addresses, on which this process listens: a connection to
    /// one would come back here. Their ports have to be those that were taken, not 0.
    #[must_use]
    pub fn listening_on(mut self, listeners: Vec<SocketAddr>) -> Self {
        self.ours = Listeners::new(listeners);
        self
    }

    /// The same gate, shut for the Stream Manager's own address: it is no node, and a client that
    /// reached it as one would bypass the rule that keeps its administration API closed.
    #[must_use]
    pub fn apart_from(mut self, manager: ManagerAddress) -> Self {
        self.manager = (manager.base().port() == self.port).then_some(manager);
        self
    }

    /// The same gate, which asks this resolver for names.
    #[must_use]
    pub fn resolving_with(mut self, resolver: Resolver) -> Self {
        self.strangers = resolver.for_strangers();
        self.resolver = resolver;
        self
    }

    /// Goes by `allow`, `allow_names`, `map` and `dial_private` of `config` from now on. What was
    /// heard of nodes is kept, and so is everything else of the section.
    pub fn reconfigure(&self, config: &Nodes) {
        self.rules.store(Arc::new(Rules::new(config)));
    }

    /// Lets an address through, or says why not. The one door: what it admits is exactly what is
    /// dialled.
    ///
    /// Takes no longer for one IP address than for another. A name is resolved, for a second at
    /// most; so is the Stream Manager's, if it has one and listens at the port of the nodes.
    ///
    /// # Errors
    /// The reason; it is counted.
    pub async fn admit(&self, claim: Claim<'_>) -> Result<Origin, Refusal> {
        let known = match claim {
            Claim::Manager(text) | Claim::Client { host: text, .. } => parse(text),
            Claim::Session(ip) => Ok(Known::Ip(ip.to_canonical())),
        };
        if let Some(manager) = &self.manager {
            manager.look().await;
        }
        // The same rules to the end of it, whatever changes meanwhile.
        let rules = self.rules.load_full();
        let admitted = match known {
            Ok(Known::Ip(ip)) => self.admit_ip(ip, claim, &rules),
            Ok(Known::Name(name)) => self.admit_name(name, claim, &rules).await,
            Err(refusal) => Err(refusal),
        };
        admitted.inspect_err(|refusal| self.metrics.refused(*refusal))
    }

    /// Learns that the Stream Manager named a node, and dials nothing; a name is not resolved for
    /// it.
    ///
    /// # Errors
    /// Why it is not taken for one; not counted, since no client asked for it.
    pub fn hear(&self, address: &str) -> Result<(), Refusal> {
        let rules = self.rules.load();
        match parse(address)? {
            Known::Ip(ip) if standing(ip, &rules.networks) == Standing::Shut => {
                Err(Refusal::Special)
            }
            Known::Name(name) if !rules.may_resolve(&name) => Err(Refusal::Name),
            known => {
                self.remember(known);
                Ok(())
            }
        }
    }

    /// Whether an address of the Stream Manager's that was let through before would be dialled in
    /// the same way now.
    pub fn still_admits(&self, origin: &Origin) -> bool {
        let rules = self.rules.load();
        let public = origin.named();
        let open = standing(public, &rules.networks) != Standing::Shut
            && origin.host().is_none_or(|name| rules.may_resolve(name));
        let claim = Claim::Session(public);
        open && self
            .origin(public, origin.host(), claim, &rules)
            .is_ok_and(|now| now.addr() == origin.addr())
    }

    fn admit_ip(&self, ip: IpAddr, claim: Claim<'_>, rules: &Rules) -> Result<Origin, Refusal> {
        match (standing(ip, &rules.networks), claim) {
            (Standing::Shut, _) => return Err(Refusal::Special),
            (Standing::Common, Claim::Client { .. }) if !self.is_named(&Known::Ip(ip)) => {
                return Err(Refusal::Unknown);
            }
            (Standing::Open | Standing::Common, _) => {}
        }
        let origin = self.origin(ip, None, claim, rules)?;
        if matches!(claim, Claim::Manager(_)) {
            self.remember(Known::Ip(ip));
        }
        Ok(origin)
    }

    /// A name that the manager has not named is not even resolved, unless a configured network may
    /// hold its addresses.
    async fn admit_name(
        &self,
        name: HostName,
        claim: Claim<'_>,
        rules: &Rules,
    ) -> Result<Origin, Refusal> {
        if rules.names.is_empty() && matches!(claim, Claim::Client { .. }) {
            // Where nodes have no names, a client that writes one has made a mistake, and is told
            // so.
            return Err(Refusal::NotAnAddress);
        }
        if !rules.may_resolve(&name) {
            return Err(Refusal::Name);
        }
        let known = Known::Name(name.clone());
        let vouched = matches!(claim, Claim::Manager(_)) || self.is_named(&known);
        if !vouched && rules.networks.is_empty() {
            return Err(Refusal::Unknown);
        }
        let resolver = if vouched {
            &self.resolver
        } else {
            &self.strangers
        };
        let addresses = resolver.resolve(name.as_str()).await;
        let addresses = addresses.map_err(|error| {
            // Clients may ask for any name as often as they like; what the manager names is the
            // operator's business.
            if vouched {
                info!(
                    name = name.as_str(),
                    "the name of a node cannot be resolved: {}",
                    Cause::Name(error)
                );
            }
            Refusal::Unresolved
        })?;
        for ip in addresses.iter() {
            match standing(*ip, &rules.networks) {
                Standing::Shut => return Err(Refusal::Special),
                Standing::Common if !vouched => return Err(Refusal::Unknown),
                Standing::Common | Standing::Open => {}
            }
            // None of them, whichever is dialled today.
            self.origin(*ip, Some(&name), claim, rules)?;
        }
        let ip = addresses.first().ok_or(Refusal::Unresolved)?;
        let origin = self.origin(*ip, Some(&name), claim, rules)?;
        if matches!(claim, Claim::Manager(_)) {
            self.remember(known);
        }
        Ok(origin)
    }

    /// A node of a busy stream is named by each lookup: it is written down once a second.
    fn remember(&self, known: Known) {
        let until = Instant::now() + self.named_for;
        let newest = self.named.get(&known);
        if newest.is_none_or(|newest| until >= newest + NAMED_AGAIN) {
            self.named.insert(known, until);
        }
    }

    /// The addresses that the Stream Manager has named within `named_for`, and how long ago, in no
    /// order. Not the names.
    pub fn named(&self) -> Vec<(IpAddr, Duration)> {
        let now = Instant::now();
        let ago = |until: Instant| self.named_for.saturating_sub(until - now);
        self.named
            .iter()
            .filter(|(_, until)| now < *until)
            .filter_map(|(known, until)| match *known {
                Known::Ip(ip) => Some((ip, ago(until))),
                Known::Name(_) => None,
            })
            .collect()
    }

    fn is_named(&self, known: &Known) -> bool {
        self.named
            .get(known)
            .is_some_and(|until| Instant::now() < until)
    }

    /// What is dialled for a public address that may be.
    fn origin(
        &self,
        public: IpAddr,
        name: Option<&HostName>,
        claim: Claim<'_>,
        rules: &Rules,
    ) -> Result<Origin, Refusal> {
        let private = rules.dial_private || matches!(claim, Claim::Client { private: true, .. });
        let dialled = match rules.map.private(public) {
            Some((dialled, network)) if private => {
                // A network that holds more than special addresses was not meant to lead to those.
                let shut = |networks: &[IpNet]| standing(dialled, networks) == Standing::Shut;
                if !is_one_host(dialled) || (shut(&rules.networks) && shut(&[network])) {
                    return Err(Refusal::Special);
                }
                dialled
            }
            _ => public,
        };
        let addr = SocketAddr::new(dialled, self.port);
        let opened = rules.networks.contains(&IpNet::from(dialled));
        if !opened && (self.ours.hold(addr) || self.is_manager(dialled)) {
            return Err(Refusal::Ours);
        }
        Origin::new(public, addr, name.cloned())
    }

    fn is_manager(&self, ip: IpAddr) -> bool {
        self.manager.as_ref().is_some_and(|manager| manager.is(ip))
    }
}

/// An address as it stands alone or in a URL (RFC 3986 §3.2.2: an IPv6 address in brackets), or a
/// name, with or without the dot of the root. No port, no zone, no octal or shortened form.
fn parse(text: &str) -> Result<Known, Refusal> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ip = match bracketed {
        Some(text) => text.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => text.parse::<IpAddr>(),
    };
    if let Ok(ip) = ip {
        return Ok(Known::Ip(ip.to_canonical()));
    }
    HostName::parse(text.strip_suffix('.').unwrap_or(text))
        .map(Known::Name)
        .ok_or(Refusal::NotAnAddress)
}

#[cfg(test)]
mod tests;
