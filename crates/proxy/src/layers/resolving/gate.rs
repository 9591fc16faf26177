//! The gate for nodes that clients name; the manager vouches for those that it does not know.

use std::net::IpAddr;

use tracing::debug;
use whipstitch_origin::{Candidates, Claim, Lookup, Origin, Purpose, Refusal};
use whipstitch_signaling::{ForwardTarget, socket::Wanted};

use super::Resolver;
use crate::{
    Error, Exchange,
    request::{budget::Budget, message::SocketNodes},
    words::error::{BadRequest, Denied},
};

impl Resolver {
    /// The nodes of a WebSocket: the one that the client names, or those that the manager does.
    pub(super) async fn socket_to(
        &self,
        node: &Wanted,
        raw: Option<&str>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<SocketNodes, Error> {
        match node {
            Wanted::Named {
                host,
                private,
                stream,
            } => {
                let claim = Claim::Client {
                    host,
                    private: *private,
                };
                // Hints that are none are no reason to refuse a node that may be dialled.
                let lookup = stream
                    .as_ref()
                    .and_then(|(role, key)| self.lookup(*role, key.clone(), raw, exchange).ok());
                let admitted = self.admit(claim, lookup.as_ref(), budget, exchange);
                Ok(SocketNodes::Named(admitted.await?))
            }
            Wanted::Carrier { role, key } => {
                let lookup = self.lookup(*role, key.clone(), raw, exchange)?;
                let candidates = self
                    .locate(&lookup, Purpose::Session, budget, exchange)
                    .await?;
                Ok(SocketNodes::Any { lookup, candidates })
            }
        }
    }

    /// The node that a client named. One that the manager has not named recently may still be one
    /// that it names for the client's own stream, so it is asked. That is done for every address
    /// that is refused, so that neither the answer nor its time distinguishes one refusal from
    /// another.
    pub(super) async fn admit(
        &self,
        claim: Claim<'_>,
        lookup: Option<&Lookup>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Origin, Error> {
        let refusal = match self.gate(claim, budget).await {
            Err(refusal @ Error::Denied(_)) => refusal,
            decided => return decided,
        };
        let Some(lookup) = lookup else {
            return Err(refusal);
        };
        let vouched = self.vouch(lookup, budget, exchange).await;
        if let Claim::Client { host, .. } = claim
            && vouched.is_some_and(|nodes| nodes.iter().any(|node| is_called(node, host)))
        {
            // A remembered answer has told the gate long ago, and the gate may have forgotten.
            let _ = self.allowed.hear(host);
        }
        self.gate(claim, budget).await
    }

    /// Whether the manager's forward proxy may be led to this target: a node, at the port of nodes.
    /// The manager is not asked about an unknown one, and every refusal is the same.
    pub(super) async fn forwardable(
        &self,
        target: &ForwardTarget,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let admitted = self.gate(Claim::client(&target.host), budget).await;
        match admitted {
            Ok(node) if node.addr().port() == target.port => Ok(()),
            Ok(_) | Err(_) => Err(Denied::Target.into()),
        }
    }

    /// The gate may have to resolve a name.
    async fn gate(&self, claim: Claim<'_>, budget: &mut Budget) -> Result<Origin, Error> {
        match budget.pay(self.allowed.admit(claim)).await {
            Some(decided) => decided.map_err(refused),
            None => Err(Denied::Node.into()),
        }
    }

    /// Asks the manager which nodes serve the client's stream, so that the gate learns them; the
    /// reply to the client is the same whether its guess was right.
    async fn vouch(
        &self,
        lookup: &Lookup,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Option<Candidates> {
        let wider = lookup.for_endpoints(ALL_ENDPOINTS);
        let lookup = wider.as_ref().unwrap_or(lookup);
        let vouched = self
            .locate(lookup, Purpose::Inquiry, budget, exchange)
            .await;
        vouched
            .inspect_err(
                |error| debug!(id = exchange.id(), %error, "the manager does not vouch for an address"),
            )
            .ok()
    }
}

/// Whether a node was named in this way: by this name, or by this address.
fn is_called(node: &Origin, host: &str) -> bool {
    match node.name() {
        Some(name) => name.eq_ignore_ascii_case(host),
        None => host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical() == node.named()),
    }
}

/// How many nodes the manager names when it vouches for one: all that can take a stream, where the
/// client's own hints leave the number to us.
const ALL_ENDPOINTS: usize = 16;

/// What a client named is its mistake if it is no address, and none of its business otherwise.
fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NotAnAddress => BadRequest::Address(refusal).into(),
        Refusal::Name
        | Refusal::Unresolved
        | Refusal::Special
        | Refusal::Unknown
        | Refusal::Ours => Denied::Node.into(),
    }
}
