//! Where a client was led a moment ago.

use whipstitch_origin::{Candidates, Claim, Lookup};

use super::Resolver;
use crate::sessions::known_sessions::Client;

impl Resolver {
    /// The nodes of the `OPTIONS` before this `POST`, if both ask the same; the lookup is what both
    /// ask.
    ///
    /// The one that answered is let in by the gate again, as the node of a session is: nobody but
    /// the manager has named it.
    pub(super) async fn pinned(
        &self,
        client: Option<&Client>,
        lookup: &mut Lookup,
    ) -> Option<Candidates> {
        let pin = self.pins.take(client?)?;
        let both = lookup.hints.after(&pin.hints)?;
        if !both.says_the_same(&pin.hints) {
            *lookup = lookup.clone().with_hints(both);
            return None;
        }
        // To the letter, so that it is the question whose answer is remembered.
        *lookup = lookup.clone().with_hints(pin.hints);
        let node = pin.nodes.iter().next()?.named();
        self.allowed.admit(Claim::Session(node)).await.ok()?;
        // As they were found: the gate knows this one by its address, and the pin by its name, if
        // it has one.
        Some(pin.nodes)
    }
}
