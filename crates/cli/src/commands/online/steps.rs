//! The steps, in their order.

use std::{net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Empty;
use hyper::body::Bytes;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tower::BoxError;
use whipstitch_origin::{
    AllowedOrigins, Asker, Candidates, Cause, Claim, Hints, Lookup, LookupError, ManagerFault,
    Metrics, NodeList, Origin, Resolver, Source as _, StreamManager, config,
    connect::{Clients, ManagerAddress},
};
use whipstitch_signaling::{Api, Role, StreamKey};

use super::{MAX_ADDRESSES, MAX_NODES, PATIENCE, report::Report};
use crate::commands::show::clean;
use tokio_util::task::TaskTracker;
use whipstitch_config::{Config, manager_address};

/// Goes as far as it leads.
pub(super) async fn go(config: &Config, stream: Option<&StreamKey>, report: &mut Report) {
    let resolver = Resolver::system(TaskTracker::new());
    let manager = match manager_address(&config.stream_manager, resolver.clone()) {
        Ok(manager) => manager,
        Err(error) => {
            let cure = "correct [stream_manager] of the configuration";
            return report.failed("address", error, cure);
        }
    };
    let Some(addresses) = name(&manager, &resolver, report).await else {
        return;
    };
    if !tcp(&manager, &addresses, report).await {
        return;
    }
    if manager.base().is_https() && !tls(&manager, report).await {
        return;
    }
    let allowed = AllowedOrigins::new(&config.nodes, Metrics::default())
        .resolving_with(resolver)
        .apart_from(manager.clone());
    let way = Way {
        config,
        manager,
        allowed: Arc::new(allowed),
    };
    let mut nodes = way.look_up(stream, report).await;
    way.poll(report).await;
    way.add_named(&mut nodes).await;
    way.dial(nodes, report).await;
}

/// The addresses of the manager.
async fn name(
    manager: &ManagerAddress,
    resolver: &Resolver,
    report: &mut Report,
) -> Option<Vec<IpAddr>> {
    let host = manager.base().authority().host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse() {
        report.skipped("name", format_args!("{bare} is an address"));
        return Some(vec![ip]);
    }
    match resolver.resolve(host).await {
        Ok(addresses) => {
            let text: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            report.ok("name", format_args!("{host}: {}", text.join(", ")));
            Some(addresses.to_vec())
        }
        Err(error) => {
            let what = format!("{host}: {}", Cause::Name(error));
            let cure = "correct the name in stream_manager.url, or the resolver of this host (/etc/resolv.conf)";
            report.failed("name", what, cure);
            None
        }
    }
}

/// Whether one of them takes a connection.
async fn tcp(manager: &ManagerAddress, addresses: &[IpAddr], report: &mut Report) -> bool {
    let port = manager.base().port();
    let mut failed = Vec::new();
    for ip in addresses.iter().take(MAX_ADDRESSES) {
        let addr = SocketAddr::new(*ip, port);
        match connect(addr, PATIENCE).await {
            Ok(took) if failed.is_empty() => {
                report.ok("TCP", format_args!("{addr} in {} ms", took.as_millis()));
                return true;
            }
            Ok(_) => {
                let what = format!("{addr}, but not {}", failed.join(", "));
                report.odd(
                    "TCP",
                    what,
                    "the proxy tries them one after the other: take the dead ones out of the name",
                );
                return true;
            }
            Err(cause) => failed.push(format!("{addr}: {cause}")),
        }
    }
    let cure = "is the Stream Manager running, is the port of stream_manager.url right, and does a firewall between let it pass?";
    report.failed("TCP", failed.join(", "), cure);
    false
}

/// Whether a TLS handshake comes to its end.
async fn tls(manager: &ManagerAddress, report: &mut Report) -> bool {
    let began = Instant::now();
    let cause = match timeout(PATIENCE, handshake(manager)).await {
        Ok(Ok(())) => {
            report.ok("TLS", "the certificate is accepted");
            return true;
        }
        Ok(Err(error)) => Cause::of(error.as_ref(), began.elapsed()),
        Err(_) => Cause::Timeout(PATIENCE),
    };
    match cause {
        cause if cause.is_without_tls() => {
            let cure = "write http:// in stream_manager.url, or the port that speaks TLS";
            report.failed("TLS", cause, cure);
        }
        cause @ Cause::Tls(_) => {
            let cure = "for a private authority set stream_manager.ca_file; for another name in the certificate, stream_manager.host";
            report.failed("TLS", cause, cure);
        }
        cause => {
            let what = format_args!("the handshake did not come to its end: {cause}");
            let cure = "does the port of stream_manager.url speak TLS? If not, write http://; if so, look at the log of the server that ends TLS there";
            report.failed("TLS", what, cure);
        }
    }
    false
}

async fn handshake(manager: &ManagerAddress) -> Result<(), BoxError> {
    let clients = Clients::<Empty<Bytes>>::new(manager.clone(), PATIENCE, 1)?;
    clients.dial().await.map(drop)
}

async fn connect(addr: SocketAddr, patience: Duration) -> Result<Duration, Cause> {
    let began = Instant::now();
    match timeout(patience, TcpStream::connect(addr)).await {
        Ok(Ok(_)) => Ok(began.elapsed()),
        Ok(Err(error)) => Err(Cause::of(&error, began.elapsed())),
        Err(_) => Err(Cause::Timeout(patience)),
    }
}

struct Way<'a> {
    config: &'a Config,
    manager: ManagerAddress,
    allowed: Arc<AllowedOrigins>,
}

impl Way<'_> {
    /// The steps API and lookup, which are one question; the nodes that it names.
    async fn look_up(&self, stream: Option<&StreamKey>, report: &mut Report) -> Vec<Origin> {
        let manager = &self.config.stream_manager;
        let answer = self.ask(manager, stream).await;
        let generation = generation(manager);
        match answer {
            Ok(nodes) => {
                report.ok("API", format_args!("answers as {generation}"));
                let nodes: Vec<Origin> = nodes.iter().cloned().collect();
                let names: Vec<String> =
                    nodes.iter().map(|node| node.named().to_string()).collect();
                report.ok("lookup", format_args!("names {}", names.join(", ")));
                return nodes;
            }
            Err(LookupError::NotFound(None)) => self.unknown(stream, report).await,
            Err(LookupError::NotFound(Some(said))) => {
                report.ok("API", format_args!("answers as {generation}"));
                not_found(stream, &format!("it says \"{}\"", clean(&said)), report);
            }
            Err(LookupError::Refused(refused)) => {
                report.ok("API", format_args!("answers as {generation}"));
                let cure = "correct the node's registration, or allow its network in nodes.allow (names: nodes.allow_names)";
                report.failed("lookup", format_args!("names {refused}"), cure);
            }
            Err(LookupError::Manager(fault)) => self.fault(&fault, stream, report).await,
            Err(error @ LookupError::Busy) => report.failed("lookup", error, "try again"),
        }
        Vec::new()
    }

    /// "No" without a word of the API.
    async fn unknown(&self, stream: Option<&StreamKey>, report: &mut Report) {
        if self.is_other_generation(stream, report).await {
            return;
        }
        let generation = generation(&self.config.stream_manager);
        let what = format!("400 or 404 without a word of {generation}");
        // A web server before it says so too, for a host or a path that it has no rule for.
        let look = match self.config.stream_manager.api {
            Api::V1 => {
                "is it a Stream Manager, is stream_manager.api_version the one that its URLs have, are stream_manager.api and host right, and does the port speak TLS (https://)?"
            }
            Api::V2 => {
                "is it a Stream Manager, are stream_manager.api, host and strip_prefix right, and does the port speak TLS (https://)?"
            }
        };
        report.odd("API", what, look);
    }

    async fn fault(&self, fault: &ManagerFault, stream: Option<&StreamKey>, report: &mut Report) {
        let answered = matches!(fault, ManagerFault::Status(_) | ManagerFault::NotAnAnswer);
        if answered && self.is_other_generation(stream, report).await {
            return;
        }
        let cure = match fault {
            ManagerFault::Status(401 | 403) => {
                "the Stream Manager wants credentials for lookups, or what stands before it does"
            }
            ManagerFault::Status(300..=399) => {
                "write the address that it redirects to in stream_manager.url"
            }
            ManagerFault::Status(_) => "look at the Stream Manager's log",
            ManagerFault::NotAnAnswer => {
                "stream_manager.url does not lead to a Stream Manager, or stream_manager.api, api_version or strip_prefix is wrong"
            }
            ManagerFault::Timeout(_) => {
                "look at the Stream Manager's load, or raise stream_manager.timeout"
            }
            ManagerFault::Unreachable(Cause::NotHttp) => "write https:// in stream_manager.url",
            _ => "look at the Stream Manager's log, and at what stands before it",
        };
        match fault.cause() {
            Some(cause) => report.failed("API", cause, cure),
            None => report.failed("API", fault, cure),
        }
    }

    /// Whether the manager answers in the words of the generation that is not configured.
    async fn is_other_generation(&self, stream: Option<&StreamKey>, report: &mut Report) -> bool {
        let mut other = self.config.stream_manager.clone();
        let number = match other.api {
            Api::V1 => "2",
            Api::V2 => "1",
        };
        other.api = if other.api == Api::V1 {
            Api::V2
        } else {
            Api::V1
        };
        let answer = self.ask(&other, stream).await;
        let speaks = matches!(
            answer,
            Ok(_) | Err(LookupError::NotFound(Some(_)) | LookupError::Refused(_))
        );
        if speaks {
            let cure = format!(
                "set stream_manager.api = \"{number}\", if this is a Stream Manager at all"
            );
            let what = format!(
                "answers as {}, not as {}",
                generation(&other),
                generation(&self.config.stream_manager)
            );
            report.failed("API", what, cure);
        }
        speaks
    }

    async fn ask(
        &self,
        manager: &config::StreamManager,
        stream: Option<&StreamKey>,
    ) -> Result<Candidates, LookupError> {
        let key = stream
            .cloned()
            .map_or_else(|| StreamKey::new("live", "whipstitch-probe"), Ok);
        let Ok(key) = key else {
            return Err(LookupError::NotFound(None));
        };
        let client = StreamManager::new(
            self.manager.clone(),
            manager,
            &self.config.lookup,
            self.allowed.clone(),
            Metrics::default(),
        );
        let client =
            client.map_err(|error| ManagerFault::Unreachable(Cause::of(&error, PATIENCE)))?;
        let lookup = Lookup::new(Role::Play, key, Hints::default());
        client.ask(&lookup, Asker::UNKNOWN).await
    }

    /// One poll of the list of nodes.
    async fn poll(&self, report: &mut Report) {
        let list = NodeList::new(
            self.manager.clone(),
            &self.config.stream_manager,
            self.config.nodes.poll,
            self.allowed.clone(),
            Metrics::default(),
        );
        match list {
            Ok(Some(list)) => match list.poll_once().await {
                Ok(nodes) => report.ok("node list", format_args!("{nodes} in service")),
                Err(error) => {
                    let cure = "nodes that lookups name are served all the same; correct the credentials in [stream_manager]";
                    report.failed("node list", error, cure);
                }
            },
            Ok(None) => report.skipped("node list", "no credentials for it are configured"),
            Err(error) => report.failed("node list", error, "correct stream_manager.ca_file"),
        }
    }

    /// Adds nodes that the list named.
    async fn add_named(&self, nodes: &mut Vec<Origin>) {
        for (ip, _) in self.allowed.named().into_iter().take(MAX_NODES) {
            if let Ok(node) = self.allowed.admit(Claim::Session(ip)).await
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
    }

    async fn dial(&self, nodes: Vec<Origin>, report: &mut Report) {
        if nodes.is_empty() {
            let why = "none was named; name a live stream with --stream SCOPE/NAME";
            return report.skipped("nodes", why);
        }
        for node in nodes.iter().take(MAX_NODES) {
            match connect(node.addr(), self.config.timeouts.connect).await {
                Ok(took) => report.ok("node", format_args!("{node} in {} ms", took.as_millis())),
                Err(cause) => {
                    let cure = "is nodes.port right, is it open from here, and is nodes.map needed for private addresses?";
                    report.failed("node", format_args!("{node}: {cause}"), cure);
                }
            }
        }
    }
}

/// A lookup that found nothing is what is expected of a stream that does not exist.
fn not_found(stream: Option<&StreamKey>, said: &str, report: &mut Report) {
    match stream {
        None => report.ok(
            "lookup",
            format_args!("no such stream, as expected ({said})"),
        ),
        Some(stream) => report.odd(
            "lookup",
            format_args!("{stream} is not live ({said})"),
            "name a stream that is published now",
        ),
    }
}

fn generation(manager: &config::StreamManager) -> String {
    match manager.api {
        Api::V1 => format!("API {}", manager.api_version),
        Api::V2 => "Stream Manager 2.0".to_owned(),
    }
}
