//! Configuration of a cluster.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::role::Role;
use crate::stream::StreamKey;

/// A cluster: one Stream Manager and its nodes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the Stream Manager listens; port 0 takes a free one.
    pub manager: SocketAddr,
    /// The media nodes, in the order [`Cluster::node`](crate::Cluster::node) numbers them.
    pub nodes: Vec<NodeConfig>,
    /// The TCP port of every node, one for all as in a real cluster; 0 takes one that is free on
    /// every node's address.
    pub node_port: u16,
    /// The address written into ICE candidates when players and publishers are on other machines.
    /// The UDP sockets then listen on it, or on every interface if it is not this machine's;
    /// otherwise on the node's own address.
    pub media_address: Option<IpAddr>,
    /// Whether a client's DTLS certificate has to be the one whose fingerprint its SDP names (RFC
    /// 8827 §5.1), as by default. GStreamer 1.22 with a certificate given to it names another: it
    /// hashes the private key along.
    pub check_fingerprints: bool,
    /// Files that the Stream Manager serves beside its API.
    pub pages: Vec<Page>,
    /// The applications that nodes know; any other scope is answered 404.
    pub apps: Vec<String>,
    /// The value of the one `Link` header of OPTIONS answers, for example
    /// `<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c";
    /// credential-type="password"`. None by default: nothing on the internet is asked for.
    pub ice_server: Option<String>,
    /// Whether nodes offer protocol extensions in `Link`: server-sent events and layers with a
    /// session, and statistics on OPTIONS.
    pub extensions: bool,
    /// Whether WHEP answers a client's offer with an SDP answer, as draft-ietf-wish-whep says. By
    /// default it behaves as Red5 Pro: it replies with an offer of its own, and the client's PATCH
    /// carries the answer.
    pub whep_answers: bool,
    /// Provisions that exist from the start: for each base name one of three variants, `base_1` to
    /// `base_3`. More are created over the API of either generation.
    ///
    /// With `transcode=true`, 1.x names a transcoder for the base name, 2.0 for the base or a
    /// variant.
    pub provisions: Vec<StreamKey>,
    /// Networks of clients and the region that is best for them, for lookups that name no place.
    /// The first network that holds the client's address counts; the address is that of
    /// `X-Forwarded-For` if it is one address, and the peer's without that header.
    pub networks: Vec<(IpNet, String)>,
    /// The credentials for a login to the manager of 2.0.
    pub credentials: Credentials,
    /// How long a token of a login is valid: 400 minutes by default, as with Red5.
    pub token_life: Duration,
    /// The `accessToken` that the `/admin/` API of 1.x asks for. That of 2.0 asks for the token of
    /// a login.
    pub access_token: String,
}

impl Default for Config {
    fn default() -> Self {
        let node = |last| NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
        Self {
            manager: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            nodes: vec![node(2), node(3)],
            node_port: 0,
            media_address: None,
            check_fingerprints: true,
            pages: Vec::new(),
            apps: vec!["live".to_owned()],
            ice_server: None,
            extensions: false,
            whep_answers: false,
            provisions: Vec::new(),
            networks: Vec::new(),
            credentials: Credentials::default(),
            token_life: Duration::from_mins(400),
            access_token: "minicluster".to_owned(),
        }
    }
}

/// A user of the manager of 2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Default for Credentials {
    /// `admin`, `minicluster`.
    fn default() -> Self {
        Self {
            user: "admin".to_owned(),
            password: "minicluster".to_owned(),
        }
    }
}

/// One media node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its address: where it listens, and what the Stream Manager names as `serverAddress` if it
    /// has no name.
    pub ip: IpAddr,
    /// A host name that the Stream Manager names instead of the address.
    pub name: Option<String>,
    /// The region that it reports.
    pub region: String,
    /// The group of regions, if it is in one.
    pub geozone: Option<String>,
    /// The zone within its region (AWS Wavelength), if it is in one.
    pub zone: Option<String>,
    /// Its role.
    pub role: Role,
    /// The node group it belongs to. With more than one group, `default` is the name of none.
    pub group: String,
    /// Its share of the players, beside the weights of the others; with 0 it is named after all
    /// others only.
    pub weight: u32,
}

impl NodeConfig {
    /// A node at this address in region `us-east-1`, without a name, all in one, of weight 1.
    pub fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            name: None,
            region: "us-east-1".to_owned(),
            geozone: None,
            zone: None,
            role: Role::default(),
            group: "minicluster".to_owned(),
            weight: 1,
        }
    }
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
