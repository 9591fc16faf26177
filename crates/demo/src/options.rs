//! The command's options.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use whipstitch_minicluster::{NodeConfig, StreamKey};
use whipstitch_signaling::Api;

use crate::Error;

/// Where the demo listens. Port 0 takes a free port.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// This machine's address as browsers on other machines reach it. The page is then served over
    /// TLS on every interface, and the nodes' media is offered at this address. Without it all
    /// stays on loopback.
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// Base URL of a Stream Manager of your own, to publish and play through it: no other manager
    /// and no nodes are started then. Its other settings (CA, credentials, port of its nodes) are
    /// those of the proxy, from its environment variables and the file that `WHIPSTITCH_CONFIG`
    /// names.
    #[arg(long, value_name = "URL", conflicts_with_all = ["manager", "regions", "provisions"])]
    pub stream_manager: Option<String>,
    /// Generation of the Stream Manager whose URLs the page and the proxy use: 1 for 1.x, 2 for
    /// Stream Manager 2.0.
    #[arg(long, value_name = "1|2", default_value = "1", value_parser = api)]
    pub api: Api,
    /// Port of the page and the proxy over TLS.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub https: u16,
    /// Port of the page and the proxy over plain HTTP, on localhost only.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http: u16,
    /// Port of the proxy's status page, /metrics, /livez and /readyz, on localhost only.
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub admin: u16,
    /// Port of the Stream Manager, on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 5080)]
    pub manager: u16,
    /// Port of the nodes, on 127.0.0.2, 127.0.0.3 and so on.
    #[arg(long, value_name = "PORT", default_value_t = NODE_PORT)]
    pub node_port: u16,
    /// Region of a node; may be repeated, up to 16 times. There are as many nodes as regions, two
    /// at least, and with fewer regions than nodes the last region has the rest.
    #[arg(long = "region", value_name = "NAME", value_parser = region, default_value = DEFAULT_REGION)]
    pub regions: Vec<String>,
    /// Stream of the scope `live` for which a transcoder is provisioned; may be repeated.
    #[arg(long = "provision", value_name = "NAME", default_value = DEFAULT_STREAM)]
    pub provisions: Vec<String>,
}

pub(crate) const NODE_PORT: u16 = 5080;
const DEFAULT_REGION: &str = "us-east-1";
/// The stream of the page, unless its user types another.
const DEFAULT_STREAM: &str = "demo";
const LEAST_NODES: usize = 2;
const MOST_REGIONS: usize = 16;
/// The last part of the first node's address.
const FIRST_NODE: u8 = 2;

fn region(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("it has 1 to 64 letters, digits, `-`, `_` and `.`")
    }
}

fn api(text: &str) -> Result<Api, &'static str> {
    match text {
        "1" => Ok(Api::V1),
        "2" => Ok(Api::V2),
        _ => Err("it is 1 or 2"),
    }
}

impl Options {
    /// Free ports everywhere, on loopback: for tests, which may run in any number at once.
    pub fn free_ports() -> Self {
        Self {
            address: None,
            stream_manager: None,
            api: Api::default(),
            https: 0,
            http: 0,
            admin: 0,
            manager: 0,
            node_port: 0,
            regions: vec![DEFAULT_REGION.to_owned()],
            provisions: vec![DEFAULT_STREAM.to_owned()],
        }
    }

    /// The nodes, each in its region.
    ///
    /// # Errors
    /// There are too many regions.
    pub(crate) fn nodes(&self) -> Result<Vec<NodeConfig>, Error> {
        let (given, most) = (self.regions.len(), MOST_REGIONS);
        if given > most {
            return Err(Error::Regions { given, most });
        }
        let last = self.regions.last().map_or(DEFAULT_REGION, String::as_str);
        let number = LEAST_NODES.max(given);
        let regions = self.regions.iter().map(String::as_str);
        let regions = regions.chain(std::iter::repeat(last)).take(number);
        let node = |(byte, region): (u8, &str)| NodeConfig {
            region: region.to_owned(),
            ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, byte)))
        };
        Ok((FIRST_NODE..).zip(regions).map(node).collect())
    }

    /// The streams for which a transcoder is provisioned.
    pub(crate) fn provisioned(&self) -> Vec<StreamKey> {
        let names = self.provisions.iter();
        names.map(|name| StreamKey::new("live", name)).collect()
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &str) -> Result<Options, clap::Error> {
        let words = std::iter::once("demo").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.options)
    }

    fn regions(line: &str) -> Vec<String> {
        let nodes = parse(line).unwrap().nodes().unwrap();
        nodes.into_iter().map(|node| node.region).collect()
    }

    #[test]
    fn each_region_has_a_node_and_there_are_two_at_least() {
        assert_eq!(regions(""), ["us-east-1", "us-east-1"]);
        assert_eq!(regions("--region eu"), ["eu", "eu"]);
        assert_eq!(
            regions("--region us --region eu --region asia"),
            ["us", "eu", "asia"]
        );
        assert_eq!(regions(&"--region x ".repeat(16)).len(), 16);
        let many = parse(&"--region x ".repeat(17)).unwrap().nodes();
        assert!(matches!(many, Err(Error::Regions { given: 17, .. })));
        for wrong in ["--region=", "--region=a/b", "--region=a,b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
