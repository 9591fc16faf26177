//! The `Link`s of an answer: ICE servers, the node's and our own, written as the client can read them.
//!
//! What a node sends and is not well-formed goes no further: clients throw on it, or read half of it.

use http::{HeaderMap, header::LINK};
use tracing::{debug, warn};
use whipstitch_signaling::{
    dialect::{Dialect, Links},
    ice::{self, IceServer, IceServers},
    link::{self, Link},
};

use crate::{Exchange, resolving::now};

/// Most ICE servers that a client is told of; browsers warn from five on.
const MOST_SERVERS: usize = 16;

/// Puts in place of the node's `Link`s those that this client can read.
pub(super) fn rewrite(
    headers: &mut HeaderMap,
    configured: &IceServers,
    dialect: Dialect,
    exchange: &Exchange,
) {
    let nodes = taken(headers, exchange);
    let mut servers = configured.for_session(exchange.id(), now() / 1000);
    if !configured.replace {
        servers.extend(nodes.iter().filter_map(|link| server(link, exchange)));
    }
    // A TURN server without credentials makes a browser's `RTCPeerConnection` throw, and GStreamer's `whipsink` give up.
    servers.retain(|server| !server.url.relays() || server.credentials.is_some());
    let mut links = Vec::new();
    match dialect.links() {
        Links::One => links.extend(ice::only_one(&servers).map(IceServer::to_link)),
        Links::Plain => {
            servers.retain(|server| !server.url.is_secure());
            links.extend(distinct(&servers).map(IceServer::to_link));
        }
        Links::All => links.extend(distinct(&servers).map(IceServer::to_link)),
    }
    write(headers, &links, exchange);
}

/// The node's well-formed links, which are in the header no longer.
pub(super) fn taken(headers: &mut HeaderMap, exchange: &Exchange) -> Vec<Link> {
    let mut links = Vec::new();
    for value in headers.get_all(LINK).iter().take(link::MAX_LINKS) {
        let read = value.to_str().map(link::parse).unwrap_or_default();
        if read.is_empty() {
            warn!(id = exchange.id(), "a Link of the node is not text");
        }
        for link in read {
            match link {
                Ok(link) if links.len() < link::MAX_LINKS => links.push(link),
                Ok(_) => break,
                Err(error) => {
                    warn!(id = exchange.id(), %error, "a Link of the node is left out");
                }
            }
        }
    }
    headers.remove(LINK);
    links
}

fn server(link: &Link, exchange: &Exchange) -> Option<IceServer> {
    if !link.relations().any(|relation| relation == ice::RELATION) {
        debug!(
            id = exchange.id(),
            "a Link of the node to something else than an ICE server is left out"
        );
        return None;
    }
    IceServer::from_link(link)
        .inspect_err(|error| {
            warn!(id = exchange.id(), %error, "an ICE server of the node is left out");
        })
        .ok()
}

/// Each server once, as many as a client can use.
fn distinct(servers: &[IceServer]) -> impl Iterator<Item = &IceServer> {
    let first = |(at, server): &(usize, &IceServer)| {
        servers.iter().position(|other| other == *server) == Some(*at)
    };
    let each = servers.iter().enumerate().filter(first);
    each.map(|(_, server)| server).take(MOST_SERVERS)
}

fn write(headers: &mut HeaderMap, links: &[Link], exchange: &Exchange) {
    for link in links {
        if let Some(value) = link.to_value() {
            headers.append(LINK, value);
        } else {
            let id = exchange.id();
            warn!(id, "a Link cannot be written well, and is left out");
        }
    }
}
