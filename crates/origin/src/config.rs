//! What an operator can set about finding nodes: `[stream_manager]`, `[lookup]` and `[nodes]`.

use std::{fmt, path::PathBuf, time::Duration};

use ipnet::IpNet;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use whipstitch_signaling::Api;

use crate::{
    asker::ByNetwork,
    net::{Mapping, NamePattern},
};

/// `[stream_manager]`: the source of truth. Its `Debug` leaves out a user name and password in the
/// URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamManager {
    /// Base URL, e.g. `http://127.0.0.1:5080`; `http` or `https`. Its path is put in front of every
    /// path. Required.
    pub url: Option<String>,
    /// Prefix that is dropped from the paths that begin with it, before the path of `url` is put in
    /// front.
    pub strip_prefix: Option<String>,
    /// `Host` of requests, and over TLS the name that is verified; those of `url` if none.
    pub host: Option<String>,
    /// PEM file with the certificates that the manager's has to lead to; the system's if none.
    pub ca_file: Option<PathBuf>,
    /// Its generation, which decides how it is asked and which URLs clients use.
    pub api: Api,
    /// With [`Api::V1`]: version of its REST API, as it stands in the URL.
    pub api_version: String,
    /// With [`Api::V2`]: the node group that is asked when a client names none.
    pub node_group: String,
    /// Longest wait for the answer to one lookup.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How long no lookup is sent until one is sent to see whether the manager answers; the first
    /// at the start. Zero: never.
    #[serde(with = "duration")]
    pub probe: Duration,
    /// With [`Api::V1`]: file with the `accessToken` of its administration API. With it the list of
    /// its nodes is polled.
    pub access_token_file: Option<PathBuf>,
    /// With [`Api::V2`]: file with the name of the user that logs in. With it and the password the
    /// list of its nodes is polled.
    pub user_file: Option<PathBuf>,
    /// With [`Api::V2`]: file with the password of that user.
    pub password_file: Option<PathBuf>,
}

impl Default for StreamManager {
    fn default() -> Self {
        Self {
            url: None,
            strip_prefix: None,
            host: None,
            ca_file: None,
            api: Api::default(),
            api_version: "4.0".to_owned(),
            node_group: "default".to_owned(),
            timeout: Duration::from_secs(2),
            probe: Duration::from_secs(30),
            access_token_file: None,
            user_file: None,
            password_file: None,
        }
    }
}

impl fmt::Debug for StreamManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A checked configuration has none; one that is printed to see what is wrong with it may.
        let url = self.url.as_deref().map(|url| match url.rsplit_once('@') {
            Some((_, host)) => format!("...@{host}"),
            None => url.to_owned(),
        });
        f.debug_struct("StreamManager")
            .field("url", &url)
            .field("strip_prefix", &self.strip_prefix)
            .field("host", &self.host)
            .field("ca_file", &self.ca_file)
            .field("api", &self.api)
            .field("api_version", &self.api_version)
            .field("node_group", &self.node_group)
            .field("timeout", &self.timeout)
            .field("probe", &self.probe)
            .field("access_token_file", &self.access_token_file)
            .field("user_file", &self.user_file)
            .field("password_file", &self.password_file)
            .finish()
    }
}

/// `[lookup]`: how long the Stream Manager's answers are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lookup {
    /// Life of the answer that names the node to play from; short, since the manager spreads
    /// viewers over edges.
    #[serde(with = "duration")]
    pub play_ttl: Duration,
    /// Most sessions that one answer to play is used for before the manager is asked anew; its
    /// nodes take turns.
    pub play_uses: usize,
    /// How many nodes are asked for to publish, the others being spares (`endpoints` of the event
    /// API); one where the client asks with `strict`, `transcode` or `geozone`.
    pub publish_endpoints: usize,
    /// How many nodes are asked for to play; they take turns. One where the client asks with
    /// `strict`, `transcode` or `geozone`.
    pub play_endpoints: usize,
    /// How long an answer is still used past its life while the manager does not give a newer
    /// one.
    #[serde(with = "duration")]
    pub stale_for: Duration,
    /// Life of "there is no such stream" for players. A publish of the stream through this proxy
    /// ends it.
    #[serde(with = "duration")]
    pub negative_ttl: Duration,
    /// With whom a client that names no region shares what is remembered.
    pub by_network: ByNetwork,
    /// Most answers remembered at once, of each kind: to play, to play with hints of the client's
    /// own, to publish.
    pub capacity: u64,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            play_ttl: Duration::from_secs(1),
            play_uses: 32,
            publish_endpoints: 1,
            play_endpoints: 1,
            stale_for: Duration::from_hours(1),
            negative_ttl: Duration::from_secs(1),
            by_network: ByNetwork::default(),
            capacity: 10_000,
        }
    }
}

/// `[nodes]`: which addresses may be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nodes {
    /// Port of every node's HTTP and WebSocket server.
    pub port: u16,
    /// Networks whose addresses are nodes even if the Stream Manager has not named them. The only
    /// way to reach loopback, link-local and other special addresses, and then only by a network
    /// inside the special one.
    pub allow: Vec<IpNet>,
    /// Names, and with a dot in front ends of names, that nodes may have instead of an
    /// address.
    pub allow_names: Vec<NamePattern>,
    /// Private addresses of nodes whose public address cannot be reached from here.
    pub map: Vec<Mapping>,
    /// Whether the private address is always the one that is dialled, or only for a WebSocket that
    /// asks for it.
    pub dial_private: bool,
    /// How long an address counts as a node after the Stream Manager has named it.
    #[serde(with = "duration")]
    pub named_for: Duration,
    /// Requests in a row that a node has to fail (502, 503, or no answer in time) until it is
    /// ejected; one that cannot be reached is ejected at once.
    pub eject_after: u32,
    /// How long a node is ejected for the first time; each time in a row it is twice as long, up to
    /// five minutes.
    #[serde(with = "duration")]
    pub eject_for: Duration,
    /// Time between two looks at the Stream Manager's list of nodes, if it is polled.
    #[serde(with = "duration")]
    pub poll: Duration,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            port: 5080,
            allow: Vec::new(),
            allow_names: Vec::new(),
            map: Vec::new(),
            dial_private: true,
            named_for: Duration::from_mins(10),
            eject_after: 3,
            eject_for: Duration::from_secs(5),
            poll: Duration::from_secs(30),
        }
    }
}
