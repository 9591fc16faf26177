//! What the command can be told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use whipstitch_signaling::Api;

/// Where the demo listens. Port 0 takes a free port.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// This machine's address as browsers on other machines reach it. The page is then served over TLS on every
    /// interface, and the nodes' media is offered at this address. Without it all stays on loopback.
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// Generation of the Stream Manager whose URLs the page and the proxy use: 1 for 1.x, 2 for Stream Manager 2.0.
    #[arg(long, value_name = "1|2", default_value = "1", value_parser = api)]
    pub api: Api,
    /// Port of the page and the proxy over TLS.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub https: u16,
    /// Port of the page and the proxy over plain HTTP, on localhost only.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http: u16,
    /// Port of the proxy's /metrics, /livez and /readyz, on localhost only.
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub admin: u16,
    /// Port of the Stream Manager, on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 5080)]
    pub manager: u16,
    /// Port of the two nodes, on 127.0.0.2 and 127.0.0.3.
    #[arg(long, value_name = "PORT", default_value_t = 5080)]
    pub node_port: u16,
}

fn api(text: &str) -> Result<Api, &'static str> {
    match text {
        "1" => Ok(Api::V1),
        "2" => Ok(Api::V2),
        _ => Err("it is 1 or 2"),
    }
}

impl Options {
    /// Free ports everywhere, on loopback: for tests, of which any number may run at once.
    pub fn free_ports() -> Self {
        Self {
            address: None,
            api: Api::default(),
            https: 0,
            http: 0,
            admin: 0,
            manager: 0,
            node_port: 0,
        }
    }

    pub(crate) fn https_listener(&self) -> SocketAddr {
        let ip = match self.address {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SocketAddr::new(ip, self.https)
    }

    pub(crate) fn http_listener(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http))
    }

    pub(crate) fn admin_listener(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.admin))
    }

    pub(crate) fn manager_listener(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.manager))
    }
}
