//! The running demo: the cluster, the proxy in front of it, and their shutdown.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use whipstitch::{app, config::Config};
use whipstitch_minicluster::{Cluster, Config as ClusterConfig};
use whipstitch_signaling::Api;

use crate::{Error, Options, certificate::Certificate, page, ports};

/// How long a stop waits for requests in flight.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// A running demo. Dropping it without [`Demo::stop`] ends it at once.
pub struct Demo {
    api: Api,
    address: Option<IpAddr>,
    nodes: Vec<SocketAddr>,
    cluster: Cluster,
    proxy: app::Running,
    // Kept for its files, which the proxy may read again.
    _certificate: Certificate,
}

impl Demo {
    /// Starts the Stream Manager, its nodes and the proxy; returns when all of them listen.
    ///
    /// # Errors
    ///
    /// When a port is taken or an address is not this machine's; the text names the flag.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let plan = ClusterConfig {
            manager: options.manager_listener(),
            node_port: options.node_port,
            media_address: options.address,
            pages: page::files(options.api),
            nodes: options.nodes()?,
            provisions: options.provisioned(),
            ..ClusterConfig::default()
        };
        let nodes: Vec<IpAddr> = plan.nodes.iter().map(|node| node.ip).collect();
        ports::check(&options, &nodes)?;
        let certificate = Certificate::make(options.address)?;
        let cluster = Cluster::start(plan)
            .await
            .map_err(|error| Error::Cluster(error.into()))?;
        let config = proxy_config(&options, &cluster, &nodes, &certificate);
        let proxy = app::start(config).map_err(|error| Error::Proxy(error.into()))?;
        let nodes = nodes
            .into_iter()
            .map(|ip| SocketAddr::new(ip, cluster.node_port()))
            .collect();
        Ok(Self {
            api: options.api,
            address: options.address,
            nodes,
            cluster,
            proxy,
            _certificate: certificate,
        })
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
    pub fn manager_url(&self) -> String {
        self.cluster.manager_url()
    }

    /// Where the nodes listen for HTTP and WebSocket.
    pub fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// Ends the proxy, then the nodes and the Stream Manager; a few seconds at most.
    pub async fn stop(self) {
        self.proxy.drain().await;
        self.cluster.shutdown().await;
    }
}

fn proxy_config(
    options: &Options,
    cluster: &Cluster,
    nodes: &[IpAddr],
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
    config.nodes.allow = nodes.iter().copied().map(Into::into).collect();
    config.shutdown.deadline = STOP_WITHIN;
    config
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn get(authority: &str, path: &str) -> String {
        let mut connection = TcpStream::connect(authority).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn with_two_the_page_and_the_proxy_speak_its_urls() {
        let options = Options {
            api: Api::V2,
            ..Options::free_ports()
        };
        let demo = Demo::start(options).await.unwrap();
        let authority = demo.http_url().replace("http://localhost", "127.0.0.1");
        let urls = get(&authority, "/js/urls.js").await;
        assert!(urls.contains("/as/v1/proxy"), "{urls}");
        let lookup = "/as/v1/streams/stream/default/publish/live/demo";
        let lookup = get(&authority, lookup).await;
        assert!(lookup.contains("\"serverAddress\":\"127.0.0."), "{lookup}");
        demo.stop().await;
    }

    #[tokio::test]
    async fn serves_the_page_through_the_proxy_until_it_is_stopped() {
        let demo = Demo::start(Options::free_ports()).await.unwrap();
        let authority = demo.http_url().replace("http://localhost", "127.0.0.1");
        let page = get(&authority, "/").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains("<title>Whipstitch"), "{page}");
        let lookup = get(
            &authority,
            "/streammanager/api/4.0/event/live/demo?action=broadcast",
        )
        .await;
        assert!(
            demo.nodes()
                .iter()
                .any(|node| lookup.contains(&node.ip().to_string())),
            "{lookup}"
        );

        demo.stop().await;
        assert!(
            TcpStream::connect(&authority).await.is_err(),
            "the port is free again"
        );
    }
}
