//! What a cluster is made of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A cluster: one Stream Manager and its nodes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the Stream Manager listens; port 0 takes a free one.
    pub manager: SocketAddr,
    /// The media nodes, in the order [`Cluster::node`](crate::Cluster::node) numbers them.
    pub nodes: Vec<NodeConfig>,
    /// The TCP port of every node, one for all as in a real cluster; 0 takes one that is free on every node's address.
    pub node_port: u16,
    /// The address written into ICE candidates when players and publishers are on other machines. The UDP sockets
    /// then listen on it, or on every interface if it is not this machine's; otherwise on the node's own address.
    pub media_address: Option<IpAddr>,
    /// Files that the Stream Manager serves beside its API.
    pub pages: Vec<Page>,
    /// The applications that nodes know; any other scope is answered 404.
    pub apps: Vec<String>,
    /// The value of the one `Link` header of OPTIONS answers, for example
    /// `<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c"; credential-type="password"`.
    /// None by default: nothing on the internet is asked for.
    pub ice_server: Option<String>,
    /// Whether WHEP answers a client's offer with an SDP answer, as draft-ietf-wish-whep says. By default it behaves
    /// as Red5 Pro: it replies with an offer of its own, and the client's PATCH carries the answer.
    pub whep_answers: bool,
    /// The `accessToken` that the Stream Manager's `/admin/` API asks for.
    pub access_token: String,
}

impl Default for Config {
    fn default() -> Self {
        let node = |last, region: &str| NodeConfig {
            ip: IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)),
            region: region.to_owned(),
        };
        Self {
            manager: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            nodes: vec![node(2, "us-east-1"), node(3, "us-east-1")],
            node_port: 0,
            media_address: None,
            pages: Vec::new(),
            apps: vec!["live".to_owned()],
            ice_server: None,
            whep_answers: false,
            access_token: "minicluster".to_owned(),
        }
    }
}

/// One media node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its address: what the Stream Manager names as `serverAddress`, and where it listens.
    pub ip: IpAddr,
    /// The region it says it is in.
    pub region: String,
}

/// One file that the Stream Manager serves.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The path, with its leading slash; compared as a whole.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}
