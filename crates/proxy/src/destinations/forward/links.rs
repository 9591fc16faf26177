//! The `Link`s of an answer: ICE servers, the node's and our own, and extensions, written as the
//! client can read them.
//!
//! What a node sends and is not well-formed goes no further: clients throw on it, or read half of
//! it.

use http::{HeaderMap, header::LINK};
use tracing::{debug, warn};
use whipstitch_signaling::{
    dialect::{Dialect, Links},
    extension,
    ice::{self, IceServer, IceServers},
    link::{self, Link},
};

use super::{Forward, link_context::LinkContext};
use crate::{Exchange, request::request_id::new_id};

/// Most ICE servers in one answer; browsers warn from five on.
const MOST_SERVERS: usize = 16;

/// Most extensions in one answer.
const MOST_EXTENSIONS: usize = 8;

impl Forward {
    /// Puts in place of the node's `Link`s those that this client can read.
    pub(super) fn rewrite_links(
        &self,
        headers: &mut HeaderMap,
        dialect: Dialect,
        context: LinkContext<'_>,
    ) {
        let exchange = context.exchange;
        let (configured, nodes) = (self.urls.ice.borrow().clone(), taken(headers, exchange));
        let (offered, others): (Vec<_>, Vec<_>) = nodes
            .iter()
            .partition(|link| link.relations().any(|name| extension::is_relation(&name)));
        let mut servers = ours(
            &configured,
            dialect,
            exchange,
            self.sessions.clock().seconds(),
        );
        if !configured.replace {
            servers.extend(others.iter().filter_map(|link| server(link, exchange)));
        }
        // A TURN server without credentials makes a browser's `RTCPeerConnection` throw, and
        // GStreamer's `whipsink` give up.
        servers.retain(|server| !server.url.relays() || server.credentials.is_some());
        let offered = || offered.iter().take(MOST_EXTENSIONS);
        let mut links = Vec::new();
        match dialect.links() {
            Links::One => {
                links.extend(ice::only_one(&servers).map(IceServer::to_link));
                // Of links to both it reads the first only, and calls it an ICE server
                // (red5pro-webrtc-sdk 15.2.0, getOptions).
                let statistics = || offered().find(|link| leads_to(link, extension::STATISTICS));
                if links.is_empty()
                    && let Some(link) = statistics()
                {
                    links.extend(self.sealed_link(context, link).map(bare));
                }
            }
            Links::Plain => {
                servers.retain(|server| !server.url.is_secure());
                links.extend(distinct(&servers).map(IceServer::to_link));
            }
            Links::All => {
                links.extend(distinct(&servers).map(IceServer::to_link));
                // Not on an answer to `OPTIONS`, where MediaMTX
                // (internal/protocols/whip/link_header.go, 2026-08) takes every link for an ICE
                // server, and gives up at another.
                if context.begins() {
                    links.extend(offered().filter_map(|link| self.sealed_link(context, link)));
                }
            }
        }
        write(headers, &links, exchange);
    }
}

fn leads_to(link: &Link, relation: &str) -> bool {
    link.relations().any(|name| name == relation)
}

/// With its relation and nothing else: Red5's SDK divides at every `;` and `=`.
fn bare(link: Link) -> Link {
    Link {
        params: vec![("rel".to_owned(), extension::STATISTICS.to_owned())],
        ..link
    }
}

/// The servers that are configured, with credentials that this client can read: for each session
/// its own, but for who cannot read those.
///
/// `now` is in seconds since 1970, as the TURN server compares it with its own clock.
fn ours(
    configured: &IceServers,
    dialect: Dialect,
    exchange: &Exchange,
    now: u64,
) -> Vec<IceServer> {
    match dialect.links() {
        Links::One => configured.for_everybody(),
        Links::Plain | Links::All => {
            // Not the id of the request, which the client chooses: it must not choose who the TURN
            // server takes it for.
            let user = new_id();
            let user = user.to_str().unwrap_or_default();
            debug!(id = exchange.id(), user, "a user of the TURN servers");
            configured.for_session(user, now)
        }
    }
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
    if !leads_to(link, ice::RELATION) {
        debug!(
            id = exchange.id(),
            "a Link of the node to neither an ICE server nor an extension is left out"
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
