//! `host=`: the node that a client names, by its handle or by its address.
//!
//! red5pro-webrtc-sdk 12.0.0 and later send back what `Session-Host` said. A page may put an
//! address of its own there, as it does for a WebSocket; that one has to pass the same gate.

use http::uri::PathAndQuery;
use tracing::info;
use whipstitch_origin::{Candidates, Claim, Hints, Lookup, Origin, Refusal};
use whipstitch_signaling::{Role, StreamKey, query, socket};

use super::Resolver;
use crate::{
    Error, Exchange,
    request::{budget::Budget, client_key::ClientKey},
    words::error::{BadRequest, Denied, defect},
};

/// Longest time for which a handle leads somewhere, in milliseconds: it is for the `POST` after an
/// `OPTIONS`, and the node may be another's after a while.
const MOST_AGE: u64 = 5 * 60 * 1000;

impl Resolver {
    /// The nodes of a `POST` that the client names: by `host=`, or by its `OPTIONS` within the last
    /// 30 s.
    pub(super) async fn told(
        &self,
        client: Option<&ClientKey>,
        lookup: &mut Lookup,
        raw: Option<&str>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Option<Candidates>, Error> {
        let pinned = self.pinned(client, lookup).await;
        let Some(named) = self.named(lookup, raw, budget, exchange).await? else {
            return Ok(pinned);
        };
        Ok(match pinned {
            Some(nodes) => {
                let known = nodes.iter().find(|node| node.named() == named.named());
                Some(nodes.led_by(known.unwrap_or(&named)))
            }
            // If it cannot serve, the manager is asked for others.
            None => Candidates::new(vec![named]),
        })
    }

    /// The node that `host=` names; `None` if there is no such key, or a handle that has grown old
    /// or was sealed with a key that is not here: a replica with another key file, or a start
    /// before this one, gave it, and the client meant no harm.
    pub(super) async fn named(
        &self,
        lookup: &Lookup,
        raw: Option<&str>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Option<Origin>, Error> {
        let raw = raw.unwrap_or_default();
        if query::get(raw, "host").is_none() {
            return Ok(None);
        }
        let host = socket::host(raw).map_err(BadRequest::from)?;
        let keys = self.keys.borrow().clone();
        let Some(handle) = keys.open_handle(lookup.role, &lookup.key, &host) else {
            if keys.is_foreign_handle(&host) {
                return Ok(None);
            }
            let claim = Claim::client(&host);
            let named = self.admit(claim, Some(lookup), budget, exchange).await?;
            return Ok(Some(named));
        };
        // From the future by as much it is ignored, too: a clock was set meanwhile.
        if self.sessions.clock().now().abs_diff(handle.issued_at) > MOST_AGE {
            return Ok(None);
        }
        let claim = Claim::Session(handle.node);
        let named = self.allowed.admit(claim).await;
        Ok(Some(named.map_err(no_longer_allowed(exchange))?))
    }
}

/// The node of a session, a handle or an extension of ours that the gate does not let through any
/// more. The client gets the same answer as for any other; the log says why.
pub(super) fn no_longer_allowed(exchange: &Exchange) -> impl FnOnce(Refusal) -> Error {
    let id = exchange.id();
    move |refusal| {
        info!(id, %refusal, "node of a session no longer allowed");
        Denied::Node.into()
    }
}

/// A question without hints.
pub(super) fn bare(role: Role, key: &StreamKey) -> Lookup {
    Lookup::new(role, key.clone(), Hints::default())
}

/// What a node receives: everything to the letter, but for the node that the client meant.
pub(super) fn without_host(target: PathAndQuery) -> Result<PathAndQuery, Error> {
    let query = target.query().unwrap_or_default();
    if query::get(query, "host").is_none() {
        return Ok(target);
    }
    let query = query::filter(query, |key| key != "host");
    let mark = if query.is_empty() { "" } else { "?" };
    PathAndQuery::try_from(format!("{}{mark}{query}", target.path()))
        .map_err(defect("the URL of a session at its node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_hears_nothing_of_the_node() {
        let heard = |target| {
            let target = without_host(PathAndQuery::from_static(target)).unwrap();
            target.to_string()
        };
        assert_eq!(heard("/x?a=%20b&&c"), "/x?a=%20b&&c");
        assert_eq!(heard("/x?a=%20b&host=10.0.0.1&c=host"), "/x?a=%20b&c=host");
        assert_eq!(heard("/x?host=10.0.0.1&host="), "/x");
        assert_eq!(heard("/x?host"), "/x");
    }
}
