//! The promises of the whole system: one file each, over real sockets.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

mod admin;
mod auth;
mod bad_answers;
mod bearer;
mod bodies;
mod causes;
mod commands;
mod conference;
mod cors;
mod counter_offers;
mod directory;
mod doctor;
mod documented;
mod drain;
mod etags;
mod extensions;
mod failover;
mod floods;
mod forged;
mod gate;
mod hostile;
mod https_redirect;
mod ice;
mod late_deletes;
mod log;
mod log_reasons;
mod log_sessions;
mod login;
mod lookups;
mod manager;
mod manager_address;
mod manager_paths;
mod many_sessions;
mod media;
mod metric_values;
mod metrics;
mod networks;
mod nodes_and_lookups;
mod not_live;
mod orphan_answers;
mod orphans;
mod outage;
#[cfg(debug_assertions)]
mod panics;
mod proxy_protocol;
mod publishes;
mod red5_forms;
mod reload;
mod renegotiation;
mod replicas;
mod reported;
mod request_ids;
mod sdk;
mod session_owners;
mod sessions;
mod short_endpoints;
mod sm2;
mod smuggling;
mod spreading;
mod storm;
mod tls;
mod traces;
mod trusted_proxies;
mod vanished;
mod verdict;
mod websocket;
mod websocket_queries;
mod whep_player;
