//! The proxy's configuration: in front of the built-in cluster, or of a Stream Manager of one's
//! own.

use std::{ffi::OsString, net::IpAddr, time::Duration};

use whipstitch_config::{Config, Sources};
use whipstitch_minicluster::Cluster;
use whipstitch_signaling::Api;

use crate::{Error, Options, certificate::Certificate, options::NODE_PORT};

/// How long a stop waits for requests in flight.
const STOP_WITHIN: Duration = Duration::from_secs(3);
const API: &str = "WHIPSTITCH_STREAM_MANAGER_API";

/// In front of the cluster.
pub(crate) fn of_cluster(
    options: &Options,
    cluster: &Cluster,
    certificate: &Certificate,
) -> Config {
    let mut config = Config::default();
    config.stream_manager.url = Some(cluster.manager_url());
    config.stream_manager.api = options.api;
    config.listen.https = vec![options.https_listener()];
    config.listen.http = vec![options.http_listener()];
    config.listen.admin = Some(options.admin_listener());
    config.tls.cert = Some(certificate.cert());
    config.tls.key = Some(certificate.key());
    config.nodes.port = cluster.node_port();
    // Loopback is refused unless it is named, and only the nodes are.
    config.nodes.allow = cluster
        .nodes()
        .iter()
        .map(|node| node.ip().into())
        .collect();
    // A name of another site that leads here (DNS rebinding) must not kill nodes.
    config.proxy.hosts = hosts(options.address);
    config.shutdown.deadline = STOP_WITHIN;
    config
}

/// In front of the manager at `url`. All else is set by the keys of the proxy: in `environment` and
/// in the file that `WHIPSTITCH_CONFIG` names.
pub(crate) fn of_own(
    options: &Options,
    url: &str,
    mut environment: Vec<(OsString, OsString)>,
    certificate: &Certificate,
) -> Result<Config, Error> {
    let api = match options.api {
        Api::V1 => "1",
        Api::V2 => "2",
    };
    environment.retain(|(name, _)| name != API);
    environment.push((API.into(), api.into()));
    let mut flags = vec![
        ("--stream-manager", url.to_owned()),
        ("--https", options.https_listener().to_string()),
        ("--http", options.http_listener().to_string()),
        ("--admin", options.admin_listener().to_string()),
        ("--cert", certificate.cert().display().to_string()),
        ("--key", certificate.key().display().to_string()),
    ];
    // Left at its default, or at 0 (a free port), it says nothing about the nodes of others.
    if ![0, NODE_PORT].contains(&options.node_port) {
        flags.push(("--node-port", options.node_port.to_string()));
    }
    let sources = Sources {
        environment,
        flags,
        ..Sources::default()
    };
    let loaded = whipstitch_config::load(&sources)
        .map_err(|mistakes| Error::Configuration(mistakes.to_string()))?;
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut config = loaded.config;
    config.shutdown.deadline = STOP_WITHIN;
    Ok(config)
}

/// The hosts under which the demo is reached.
fn hosts(address: Option<IpAddr>) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    hosts.extend(address.map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }));
    hosts
}
