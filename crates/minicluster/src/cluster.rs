//! The handle of a running cluster.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::fault::{Fault, Lie, Switch};
use crate::listener::{Listener, reserve};
use crate::manager::{ManagerHandler, ManagerState, Provisions, Tokens, Turns};
use crate::media::Relays;
use crate::node::{NodeHandler, NodeState, Shared, Stage};
use crate::registry::Registry;
use crate::seen::{Seen, Server};

/// Free ports tried before giving up on one that is free on every node's address.
const PORT_TRIES: usize = 32;

/// A running Stream Manager and its nodes. Dropping it stops it without waiting;
/// [`shutdown`](Self::shutdown) waits.
pub struct Cluster {
    manager: Manager,
    nodes: Vec<Node>,
    node_port: u16,
    seen: Arc<Seen>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Cluster {
    /// Bind every socket and start to serve.
    ///
    /// # Errors
    /// That of the first socket that could not be bound, with its address; or no node was
    /// configured.
    pub async fn start(config: Config) -> io::Result<Self> {
        if config.nodes.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a cluster wants at least one node",
            ));
        }
        let manager_socket = reserve(config.manager).map_err(|error| at(config.manager, &error))?;
        let (node_port, node_sockets) = reserve_nodes(&config)?;
        let config = Arc::new(config);
        let (registry, seen) = (Arc::new(Registry::new()), Arc::new(Seen::default()));
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        // From here on, an early return must stop the nodes that are already running.
        let guard = stop.clone().drop_guard();
        let shared = Shared {
            relays: Arc::new(Relays::new(config.nodes.len())),
            config: config.clone(),
            registry: registry.clone(),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };

        let mut states = Vec::new();
        for ((index, node), socket) in config.nodes.iter().enumerate().zip(node_sockets) {
            let state = NodeState::start(index, node.clone(), shared.clone()).await?;
            let handler = Arc::new(NodeHandler(state.clone()));
            let (switch, seen) = (state.switch.clone(), seen.clone());
            let (tracker, stop) = (tracker.clone(), stop.clone());
            Listener {
                server: Server::Node(index),
                handler,
                switch,
                seen,
                tracker,
                stop,
            }
            .start(socket)?;
            states.push(state);
        }
        let nodes = states.len();
        let state = Arc::new(ManagerState {
            provisions: Provisions::of(&config.provisions),
            tokens: Tokens::new(&config.credentials, config.token_life),
            config,
            nodes: states.clone(),
            registry,
            seen: seen.clone(),
            switch: Arc::new(Switch::new()),
            lie: Mutex::new(None),
            turns: Mutex::new(Turns::new(nodes)),
        });
        let address = manager_socket.local_addr()?;
        Listener {
            server: Server::Manager,
            handler: Arc::new(ManagerHandler(state.clone())),
            switch: state.switch.clone(),
            seen: seen.clone(),
            tracker: tracker.clone(),
            stop: guard.disarm(),
        }
        .start(manager_socket)?;
        let nodes = states
            .into_iter()
            .map(|state| Node {
                port: node_port,
                state,
            })
            .collect();
        Ok(Self {
            manager: Manager { address, state },
            nodes,
            node_port,
            seen,
            tracker,
            stop,
        })
    }

    /// The base URL of the Stream Manager, without a slash at its end: `http://127.0.0.1:41234`.
    pub fn manager_url(&self) -> String {
        format!("http://{}", self.manager.address)
    }

    /// The Stream Manager.
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The TCP port of every node.
    pub fn node_port(&self) -> u16 {
        self.node_port
    }

    /// The nodes, in the order of the configuration.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of this number.
    pub fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The node at this address.
    pub fn node_at(&self, ip: IpAddr) -> Option<&Node> {
        self.nodes.iter().find(|node| node.ip() == ip)
    }

    /// The requests recorded so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Stop, and wait until every task has ended and every socket is closed.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The Stream Manager of a running cluster.
pub struct Manager {
    address: SocketAddr,
    state: Arc<ManagerState>,
}

impl Manager {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Let it misbehave, from the moment this returns.
    pub async fn fail(&self, fault: Fault) {
        self.state.switch.set_fault(fault).await;
    }

    /// Let it answer lookups falsely, from the next one on.
    pub fn lie(&self, lie: Lie) {
        self.set_lie(Some(lie));
    }

    /// Invalidate every token that a login has given, as a restart with another secret does.
    pub fn forget_tokens(&self) {
        self.state.tokens.forget();
    }

    /// End every fault and lie.
    pub async fn heal(&self) {
        self.set_lie(None);
        self.state.switch.set_fault(Fault::None).await;
    }

    fn set_lie(&self, lie: Option<Lie>) {
        *self
            .state
            .lie
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = lie;
    }
}

/// A media node of a running cluster.
pub struct Node {
    port: u16,
    state: Arc<NodeState>,
}

impl Node {
    /// Its number in the configuration.
    pub fn index(&self) -> usize {
        self.state.index
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.state.ip
    }

    /// Where it listens for HTTP and WebSockets.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.state.ip, self.port)
    }

    /// The region that it reports.
    pub fn region(&self) -> &str {
        &self.state.about.region
    }

    /// Whether it runs: it has not died, or was revived.
    pub fn is_alive(&self) -> bool {
        !self.state.switch.is_dead()
    }

    /// Publishers and players that it carries now.
    pub fn sessions(&self) -> usize {
        self.state.load()
    }

    /// Send an event on all its streams of server-sent events; returns how many there are.
    pub fn send_event(&self, event: &'static str) -> usize {
        self.state.send_event(event.into())
    }

    /// Its streams of server-sent events that are open.
    pub fn event_streams(&self) -> usize {
        self.state.event_streams()
    }

    /// Let the Stream Manager see it at this stage, from the next call on. The node itself keeps
    /// working.
    pub fn set_stage(&self, stage: Stage) {
        self.state.set_stage(stage);
    }

    /// Let it misbehave, from the moment this returns. The Stream Manager still names it.
    pub async fn fail(&self, fault: Fault) {
        self.state.switch.set_fault(fault).await;
    }

    /// End its fault.
    pub async fn heal(&self) {
        self.state.switch.set_fault(Fault::None).await;
    }

    /// Die: connections, sessions and media end abruptly, and the Stream Manager stops naming it.
    pub async fn die(&self) {
        self.state.die().await;
    }

    /// Start again at the same address, without any state. Does nothing to a node that lives.
    ///
    /// # Errors
    /// That of binding a new media socket.
    pub async fn revive(&self) -> io::Result<()> {
        self.state.revive().await
    }
}

/// One port on every node's address.
fn reserve_nodes(config: &Config) -> io::Result<(u16, Vec<TcpSocket>)> {
    let on = |port: u16| -> io::Result<Vec<TcpSocket>> {
        let each = config
            .nodes
            .iter()
            .map(|node| SocketAddr::new(node.ip, port));
        each.map(|address| reserve(address).map_err(|error| at(address, &error)))
            .collect()
    };
    if config.node_port != 0 {
        return Ok((config.node_port, on(config.node_port)?));
    }
    let mut failure = None;
    for _ in 0..PORT_TRIES {
        let Some(first) = config.nodes.first() else {
            break;
        };
        let address = SocketAddr::new(first.ip, 0);
        let port = reserve(address)
            .and_then(|socket| socket.local_addr())
            .map_err(|error| at(address, &error))?
            .port();
        match on(port) {
            Ok(sockets) => return Ok((port, sockets)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn at(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}
