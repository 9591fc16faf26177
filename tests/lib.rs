//! What the tests share: a deployment on loopback, clients that speak the wire, and witnesses that
//! record it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot continue has failed"
)]

#[path = "harness/collector.rs"]
pub mod collector;
#[path = "harness/deployment.rs"]
pub mod deployment;
#[path = "harness/dice.rs"]
pub mod dice;
#[path = "harness/gateway.rs"]
pub mod gateway;
#[path = "harness/http.rs"]
pub mod http;
#[path = "harness/kept.rs"]
pub mod kept;
#[path = "harness/log.rs"]
pub mod log;
#[path = "harness/raw_h2.rs"]
pub mod raw_h2;
#[path = "harness/raw_manager.rs"]
pub mod raw_manager;
#[path = "harness/raw_node.rs"]
pub mod raw_node;
#[path = "harness/round_robin.rs"]
pub mod round_robin;
#[path = "harness/sdk.rs"]
pub mod sdk;
#[path = "harness/stub_node.rs"]
pub mod stub_node;
#[path = "harness/websocket.rs"]
pub mod websocket;

pub use deployment::{Deployment, Proxy};
pub use http::{Client, Reply};
