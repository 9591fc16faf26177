//! The node of the client's `OPTIONS` ([`crate::sessions::affinity`]).

use whipstitch_origin::{Candidates, Claim, Lookup};

use super::Resolver;
use crate::request::client_key::ClientKey;

impl Resolver {
    /// The nodes of the `OPTIONS` before this `POST`, if both ask the same; the lookup becomes what
    /// both ask.
    ///
    /// The node that answered passes the gate again, as the node of a session does: only the
    /// manager has named it.
    pub(super) async fn pinned(
        &self,
        client: Option<&ClientKey>,
        lookup: &mut Lookup,
    ) -> Option<Candidates> {
        let answered = self.sessions.affinity().take(client?)?;
        let both = lookup.hints.after(&answered.hints)?;
        if !both.says_the_same(&answered.hints) {
            *lookup = lookup.clone().with_hints(both);
            return None;
        }
        // To the letter, so that it is the lookup whose answer is cached.
        *lookup = lookup.clone().with_hints(answered.hints);
        let node = answered.nodes.iter().next()?.named();
        self.allowed.admit(Claim::Session(node)).await.ok()?;
        // As they were found: the gate knows this one by its address, and the answer by its name,
        // if it has one.
        Some(answered.nodes)
    }
}
