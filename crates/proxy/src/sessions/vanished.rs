//! Ghosts: publishers whose client vanished without a DELETE.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    table::SessionTable,
    view::{SessionKind, SessionView},
};
use crate::words::end_reason::EndReason;

/// How many looks at the list in a row have to miss a stream.
const LOOKS: u8 = 2;

impl SessionTable {
    /// Compares the publishers with the Stream Manager's list of live streams, at this node or at
    /// any if it is `None`. Those whose stream is missing for the second time in a row have
    /// vanished; they are closed and returned. Sessions younger than `grace` are not judged.
    pub fn look(
        &self,
        grace: Duration,
        node: Option<IpAddr>,
        is_listed: impl Fn(&SessionView) -> bool,
    ) -> Vec<Arc<SessionView>> {
        let mut gone = self.all();
        gone.retain(|session| {
            session.kind() == SessionKind::Whip
                && node.is_none_or(|node| session.named() == node)
                && session.age() >= grace
                && session.listed(is_listed(session)) >= LOOKS
        });
        gone.retain(|session| self.vanished(session));
        gone
    }

    /// The client of this session has vanished, as far as others say; whether it was open here.
    pub fn vanished(&self, session: &SessionView) -> bool {
        let http = session.at_node();
        http.is_some_and(|http| self.lose(http.role, &http.sealed, EndReason::Vanished))
    }
}
