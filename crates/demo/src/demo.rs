//! The running demo: the cluster, the proxy in front of it, and their shutdown.

use std::{
    env,
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whipstitch::app;
use whipstitch_config::Config;
use whipstitch_minicluster::{Cluster, Config as ClusterConfig};
use whipstitch_origin::config::StreamManager;
use whipstitch_signaling::Api;

use crate::{
    Error, Options,
    certificate::Certificate,
    front::{Facts, Front, Nodes, State, Upstream},
    page, ports, settings,
};

/// A running demo. Dropping it without [`Demo::stop`] ends it at once.
pub struct Demo {
    api: Api,
    address: Option<IpAddr>,
    manager_url: String,
    /// None in front of a Stream Manager of one's own.
    cluster: Option<Arc<Cluster>>,
    nodes: Nodes,
    proxy: app::Running,
    tasks: TaskTracker,
    stop: CancellationToken,
    // Kept for its files, which the proxy may read again.
    _certificate: Certificate,
}

impl Demo {
    /// Starts the Stream Manager, its nodes and the proxy; returns when all of them listen. With
    /// `options.stream_manager` only the proxy is started, once that manager answers.
    ///
    /// # Errors
    /// When a port is taken or an address is not this machine's; the text names the flag. When the
    /// Stream Manager does not answer, or its settings have mistakes.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::start_in(options, env::vars_os().collect()).await
    }

    /// The same with another environment, where the settings of one's own Stream Manager stand.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_in(
        options: Options,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, Error> {
        let certificate = Certificate::make(options.address)?;
        let (cluster, mut config) = if let Some(url) = &options.stream_manager {
            ports::check(&options, &[])?;
            let config = settings::of_own(&options, url, environment, &certificate)?;
            (None, config)
        } else {
            let cluster = start_cluster(&options).await?;
            let config = settings::of_cluster(&options, &cluster, &certificate);
            (Some(Arc::new(cluster)), config)
        };
        let manager_url = config.stream_manager.url.clone().unwrap_or_default();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let upstream = Upstream::new(&config.stream_manager, &tasks);
        let upstream = Arc::new(upstream.map_err(Error::Configuration)?);
        if cluster.is_none() {
            let silent = |error| Error::Silent(manager_url.clone(), error);
            upstream.check().await.map_err(silent)?;
        }
        let nodes = Nodes::of(cluster.clone());
        let front = Arc::new(Front {
            files: page::files(options.api),
            state: State::of(nodes.clone()),
            upstream,
        });
        let listens = front.clone().start(&tasks, stop.clone()).await;
        behind(listens.map_err(Error::Front)?, &mut config);
        let proxy = app::start(config).map_err(|error| Error::Proxy(error.into()))?;
        let demo = Self {
            api: options.api,
            address: options.address,
            manager_url,
            cluster,
            nodes,
            proxy,
            tasks,
            stop,
            _certificate: certificate,
        };
        front.state.tell(Facts {
            status_page: format!("{}/", demo.admin_url()),
            shared: demo.address.map(|_| demo.https_url()),
        });
        Ok(demo)
    }

    /// The generation of the Stream Manager.
    pub fn api(&self) -> Api {
        self.api
    }

    /// The page and the proxy over TLS, without a final slash.
    pub fn https_url(&self) -> String {
        let port = self.proxy.https().first().map_or(0, SocketAddr::port);
        match self.address {
            Some(ip) => format!("https://{}", SocketAddr::new(ip, port)),
            None => format!("https://localhost:{port}"),
        }
    }

    /// The page and the proxy over plain HTTP, without a final slash.
    pub fn http_url(&self) -> String {
        format!(
            "http://localhost:{}",
            self.proxy.http().first().map_or(0, SocketAddr::port)
        )
    }

    /// The proxy's admin listener, without a final slash.
    pub fn admin_url(&self) -> String {
        format!(
            "http://localhost:{}",
            self.proxy.admin().map_or(0, |address| address.port())
        )
    }

    /// The Stream Manager itself, without the proxy.
    pub fn manager_url(&self) -> &str {
        &self.manager_url
    }

    /// Where the built-in nodes listen for HTTP and WebSocket.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        let nodes = self.cluster.iter().flat_map(|cluster| cluster.nodes());
        nodes.map(whipstitch_minicluster::Node::address).collect()
    }

    /// Kills the built-in node of this number, counted from 1, or revives it if it is dead; says in
    /// words what has happened.
    pub async fn toggle(&self, number: usize) -> String {
        self.nodes.toggle(number).await
    }

    /// Ends the proxy, then the nodes and the Stream Manager; a few seconds at most.
    pub async fn stop(self) {
        self.proxy.drain().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(cluster) = self.cluster {
            cluster.shutdown().await;
        }
    }
}

async fn start_cluster(options: &Options) -> Result<Cluster, Error> {
    let plan = ClusterConfig {
        manager: options.manager_listener(),
        node_port: options.node_port,
        media_address: options.address,
        nodes: options.nodes()?,
        provisions: options.provisioned(),
        ..ClusterConfig::default()
    };
    let nodes: Vec<IpAddr> = plan.nodes.iter().map(|node| node.ip).collect();
    ports::check(options, &nodes)?;
    Cluster::start(plan)
        .await
        .map_err(|error| Error::Cluster(error.into()))
}

/// Puts the proxy behind the demo's front: how the manager itself is reached concerns the front
/// alone.
fn behind(front: SocketAddr, config: &mut Config) {
    config.stream_manager = StreamManager {
        url: Some(format!("http://{front}")),
        host: None,
        ca_file: None,
        strip_prefix: None,
        ..config.stream_manager.clone()
    };
}

#[cfg(test)]
mod tests;
