//! The sessions at the nodes, as far as this replica saw them.
//!
//! ```text
//!             create(slot)         node 201/406         last frame sent
//!   (none) ──────────────▶ Pending ────────────▶ Unclaimed ────────────▶ Open
//!                             │ client gone          │ dropped             │
//!                             ▼                      ▼                     │
//!                         Orphaned ── answer ──▶ Closing ◀──── DELETE ─────┘
//!                             │ no answer            │
//!                             ▼                      └ 2xx, 404, 410, 417: Closed(Deleted | Gone)
//!                       Closed(Unknown)                else Open (client, operator)
//!                                                           or sent again (reaper)
//!
//!   Open ─┬ newer at the slot ─▶ Closed(Superseded)    ┬ 404, 410 to a PATCH ─▶ Closed(Gone)
//!         ├ not in the manager's list ─▶ Closed(Vanished)
//!         └ lifetime ─▶ Closed(Expired)                └ table full ─▶ Closed(Evicted)
//! ```
//!
//! A *slot* is what a node keys a session by ([`slot`], [`slots`]); [`state`] holds the
//! transitions, [`create`] the guards of a POST from `Pending` to `Open`, [`terminate`] every
//! DELETE, [`reaper`] the task that ends orphans. WebSockets are sessions without a slot.
//!
//! Tokens decide, the table informs: it holds only what this replica saw, and a sealed URL that it
//! does not know is served all the same. So eviction is never an error to a client.
//!
//! Order at a slot is the order of arrival here. The wall clock decides only between replicas, and
//! only for what is older by more than [`crate::request::clock::SKEW`].

pub(crate) mod affinity;
mod client;
pub(crate) mod counter_offer;
pub(crate) mod create;
pub(crate) mod create_request;
pub(crate) mod drain_signal;
pub(crate) mod end_log;
mod eviction;
pub(crate) mod in_flight;
mod list;
pub(crate) mod reaper;
pub(crate) mod slot;
mod slots;
mod socket;
mod state;
mod table;
pub(crate) mod terminate;
pub(crate) mod traffic;
pub mod vanished;
pub(crate) mod view;

pub(crate) use self::state::Standing;
pub use self::{
    list::Count,
    table::SessionTable,
    terminate::Terminator,
    traffic::Sides,
    view::{NotAnId, SessionId, SessionKind, SessionView},
};

#[cfg(test)]
mod tests;
