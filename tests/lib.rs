//! What the tests share: a deployment on loopback, clients that speak the wire, and witnesses that record it.

#[path = "harness/deployment.rs"]
pub mod deployment;
#[path = "harness/http.rs"]
pub mod http;
#[path = "harness/raw_node.rs"]
pub mod raw_node;
#[path = "harness/round_robin.rs"]
pub mod round_robin;
#[path = "harness/websocket.rs"]
pub mod websocket;

pub use deployment::{Deployment, Proxy};
pub use http::{Client, Reply};
