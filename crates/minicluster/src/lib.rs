//! A Stream Manager and its media nodes in one process, for demonstrations and tests.
//!
//! It is a witness, not a part of the product: it depends on no other crate of the workspace and
//! speaks only the wire. Real sockets, plain HTTP, real WebRTC media:
//!
//! - the **Stream Manager** answers the event calls of its REST API 4.0, the lookups, provisions,
//!   login and administration of Stream Manager 2.0 beside them, and serves pages. It is as strict
//!   as Red5's documents: what they call an error is one here too, and no setting makes it milder;
//! - each **node** speaks WHIP, WHEP and Red5's WebSocket signalling on one TCP port, and forwards
//!   a publisher's audio and video to every player, those of the other nodes too;
//! - **faults** ([`Fault`], [`Lie`], [`Node::die`]) are off until a test switches them on;
//! - [`Cluster::seen`] remembers what was asked, and [`peer`] is a WebRTC client for tests without
//!   a browser.
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! use whipstitch_minicluster::{Cluster, Config};
//!
//! let cluster = Cluster::start(Config::default()).await?;
//! println!("Stream Manager at {}, nodes on port {}", cluster.manager_url(), cluster.node_port());
//! cluster.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod cluster;
mod config;
mod fault;
mod frames;
mod listener;
mod manager;
mod media;
mod node;
pub mod peer;
mod registry;
mod reply;
mod role;
mod seen;
mod stream;

pub use cluster::{Cluster, Manager, Node};
pub use config::{Config, Credentials, NodeConfig, Page};
pub use fault::{Fault, Lie};
pub use node::Stage;
pub use role::Role;
pub use seen::{
    Action, Distributed, REMEMBERED_LOOKUPS, REMEMBERED_REQUESTS, Seen, SeenRequest, Server,
};
pub use stream::StreamKey;
