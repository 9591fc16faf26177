//! The open sessions of each client, for requests without a token.
//!
//! A page that cannot read `Location` sends its requests to
//! `/{scope}/{whip|whep}/resource/{stream}` (red5pro-webrtc-sdk 11.0.0). To guess a name must not
//! be enough to end a stream (RFC 9725 §5), so such a request reaches only a session that this
//! replica made for the same client. With more than one, it is ambiguous and is refused.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ahash::RandomState;
use whipstitch_signaling::session::Session;

use super::{
    counter_offer::{CounterOffer, Kinds},
    view::{SessionId, SessionView},
};
use crate::request::client_key::ClientKey;

/// Open sessions by client. A session leaves with the table's entry, so this needs no bound of its
/// own.
#[derive(Debug, Default)]
pub(super) struct Clients(HashMap<ClientKey, ClientEntry, RandomState>);

#[derive(Debug, Default)]
struct ClientEntry {
    sessions: Vec<ClientSession>,
    /// The last one, and the session that it began.
    counter_offer: Option<(SessionId, CounterOffer)>,
}

#[derive(Debug)]
struct ClientSession {
    id: SessionId,
    session: Arc<SessionView>,
    /// Others say that it is over, and its client has not said so.
    lingers: bool,
}

impl Clients {
    /// What the one session of a client takes here, in bytes.
    #[cfg(test)]
    pub(super) const ENTRY: usize =
        size_of::<(ClientKey, ClientEntry)>() + size_of::<ClientSession>();

    pub(super) fn add(&mut self, client: ClientKey, session: &Arc<SessionView>) {
        let entry = self.0.entry(client).or_default();
        entry.sessions.push(ClientSession {
            id: session.id(),
            session: session.clone(),
            lingers: false,
        });
    }

    /// Whether others say that this session is over.
    pub(super) fn lingers(&mut self, client: &ClientKey, id: SessionId, lingers: bool) {
        let sessions = self.0.get_mut(client).map(|entry| &mut entry.sessions);
        let known = sessions.and_then(|known| known.iter_mut().find(|one| one.id == id));
        if let Some(known) = known {
            known.lingers = lingers;
        }
    }

    pub(super) fn remove(&mut self, client: &ClientKey, id: SessionId) {
        let Entry::Occupied(mut entry) = self.0.entry(client.clone()) else {
            return;
        };
        let ClientEntry {
            sessions,
            counter_offer,
        } = entry.get_mut();
        sessions.retain(|known| known.id != id);
        if counter_offer.as_ref().is_some_and(|(of, _)| *of == id) {
            *counter_offer = None;
        }
        if sessions.is_empty() {
            entry.remove();
        }
    }

    /// The one session of this client, or its one session at this node. One that lingers is meant
    /// only where none else is.
    pub(super) fn only(&self, client: &ClientKey, node: Option<IpAddr>) -> Option<Session> {
        let sessions = &self.0.get(client)?.sessions;
        let only = |lingers: bool| {
            let mut meant = sessions.iter().filter_map(|known| {
                let sealed = &known.session.at_node()?.sealed;
                let is_here = node.is_none_or(|node| sealed.node == node);
                (is_here && known.lingers == lingers).then_some(sealed)
            });
            (meant.next(), meant.next().is_some())
        };
        match (only(false), only(true)) {
            ((Some(sealed), false), _) | ((None, _), (Some(sealed), false)) => Some(sealed.clone()),
            _ => None,
        }
    }

    /// This session began with a counter-offer.
    pub(super) fn countered(
        &mut self,
        session: &Arc<SessionView>,
        connection: Option<SocketAddr>,
        kinds: Kinds,
    ) {
        let client = session.at_node().and_then(|http| http.client.as_ref());
        let Some(entry) = client.and_then(|client| self.0.get_mut(client)) else {
            return;
        };
        // It may be closed by now.
        if entry.sessions.iter().any(|known| known.id == session.id()) {
            let offer = CounterOffer::new(session.clone(), connection, kinds);
            entry.counter_offer = Some((session.id(), offer));
        }
    }

    /// The counter-offer that this client has not answered and meets with this offer of less; it
    /// is not waited for any longer.
    pub(super) fn take_refused(
        &mut self,
        client: &ClientKey,
        connection: Option<SocketAddr>,
        offer: &[u8],
    ) -> Option<CounterOffer> {
        let entry = self.0.get_mut(client)?;
        let is_refused = |(_, counter): &mut (_, CounterOffer)| {
            counter.is_unanswered(connection) && counter.is_met_with_less(offer)
        };
        Some(entry.counter_offer.take_if(is_refused)?.1)
    }
}
