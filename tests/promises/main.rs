//! What the whole promises: one file a promise, over real sockets.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod abandoned;
mod admin;
mod bad_answers;
mod bearer;
mod bodies;
mod causes;
mod commands;
mod conference;
mod cors;
mod countered;
mod crowd;
mod directory;
mod doctor;
mod documented;
mod drain;
mod etags;
mod extensions;
mod failover;
mod floods;
mod forged;
mod forwarders;
mod gate;
mod hostile;
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
mod media;
mod metrics;
mod networks;
mod not_live;
mod oddities;
mod outage;
mod publishes;
mod readings;
mod red5_forms;
mod renegotiation;
mod replicas;
mod reported;
mod request_ids;
mod sdk;
mod sessions;
mod settings;
mod short;
mod sm2;
mod smuggling;
mod spreading;
mod tls;
mod traces;
mod view;
mod websocket;
mod whep_player;
