//! What is in flight at a slot: the guards of POSTs and DELETEs, and their waits for each other
//! ([`super::slots`] says which waits for which).

use std::time::Duration;

use tokio::time::timeout;

use super::{
    slot::{Slot, Target},
    state::Verdict,
    table::SessionTable,
};

/// How long a POST waits for a DELETE that was sent before: its client waits too. And how long a
/// client's or the operator's DELETE waits for a POST.
pub(crate) const SLOT_WAIT: Duration = Duration::from_secs(1);

/// A POST in flight at a slot whose client waits: a DELETE waits for its answer.
pub(crate) struct Pending {
    table: SessionTable,
    slot: Slot,
}

impl SessionTable {
    /// A POST begins that may make a session at this slot. A DELETE in flight is waited for, for
    /// [`SLOT_WAIT`] at most.
    pub(crate) async fn begin_create(&self, slot: Slot) -> Pending {
        let is_free = self.with(&slot, |slots| {
            slots.begin_create(slot.clone());
            !slots.is_deleting(&slot)
        });
        let pending = Pending {
            table: self.clone(),
            slot,
        };
        if !is_free {
            let slot = &pending.slot;
            let free = self.until(slot, |slots, _| (!slots.is_deleting(slot)).then_some(()));
            let _ = timeout(SLOT_WAIT, free).await;
        }
        pending
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.table
            .with(&self.slot, |slots| slots.end_create(&self.slot));
        self.table.notify(&self.slot);
    }
}

/// A DELETE in flight at a slot: a POST waits for its answer.
pub(crate) struct InFlightDelete {
    table: SessionTable,
    slot: Slot,
}

/// Why a DELETE is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// A newer session has the slot.
    Superseded,
    /// POSTs stayed in flight, so it is not known whose session is there.
    Busy,
}

impl SessionTable {
    /// A DELETE for this session, which waits as long as `patience` for POSTs in flight at its
    /// slot; `None` waits for none and is sent.
    pub(crate) async fn begin_delete(
        &self,
        slot: Slot,
        target: Target,
        patience: Option<Duration>,
    ) -> Result<InFlightDelete, NotSent> {
        let which = (target, patience.is_some());
        let sent = self.until(&slot, |slots, now| {
            match slots.begin_delete(&slot, which, now) {
                Verdict::Send => Some(Ok(())),
                Verdict::Superseded => Some(Err(NotSent::Superseded)),
                Verdict::Wait => None,
            }
        });
        let verdict = timeout(patience.unwrap_or(SLOT_WAIT), sent).await;
        verdict.unwrap_or(Err(NotSent::Busy))?;
        let table = self.clone();
        Ok(InFlightDelete { table, slot })
    }
}

impl Drop for InFlightDelete {
    fn drop(&mut self) {
        self.table
            .with(&self.slot, |slots| slots.end_delete(&self.slot));
        self.table.notify(&self.slot);
    }
}
