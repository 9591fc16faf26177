//! Serves the proxy and the admin interface on the bound sockets.

use std::sync::Arc;

use prometheus::Registry;
use tower_http::add_extension::AddExtension;
use whipstitch_admin as admin;
use whipstitch_config::Config;
use whipstitch_ingress::{
    self as ingress, ConnectionInfo, Listener, ProxyProtocol, Refusal, Server, config::Connections,
};
use whipstitch_proxy::{self as proxy, Current, Peer, problem::Kind};

use super::{StartError, tls::Tls};
use crate::shutdown::Shutdown;

/// Most connections of the admin interface: for Prometheus, probes and a few people. Its own limit,
/// so that they are served while the data listeners are full.
const ADMIN_CONNECTIONS: usize = 64;
/// Those among them that are accepted when there are no descriptors: probes open one each time.
const ADMIN_RESERVE: usize = 4;

/// Serves clients.
pub(super) fn serve_clients(
    config: &Config,
    (https, http): (Vec<Listener>, Vec<Listener>),
    tls: Tls,
    (current, metrics): (&Current, &proxy::Metrics),
    shutdown: &Shutdown,
) {
    let server = Server::new(
        config.connections.clone(),
        shutdown.connections.clone(),
        shutdown.stop_accepting.clone(),
        shutdown.drain_connections.clone(),
        tls.metrics,
    )
    .refusing_with(refusing(metrics))
    .behind(ProxyProtocol::new(&config.listen));
    for (listeners, acceptor) in [(https, tls.acceptor), (http, None)] {
        for listener in listeners {
            let current = current.clone();
            let service = move |info| AddExtension::new(current.clone(), peer(&info));
            shutdown
                .background
                .spawn(server.clone().run(listener, acceptor.clone(), service));
        }
    }
}

/// Serves the admin interface on its address and its Unix socket, if they are configured. Clients
/// have this many connections.
pub(super) fn serve_admin(
    admin: &admin::Admin,
    (listener, socket): (Option<Listener>, Option<admin::AdminSocket>),
    connections: usize,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    if listener.is_none() && socket.is_none() {
        return Ok(());
    }
    let (tasks, stop) = (&shutdown.background, shutdown.stop_admin.clone());
    tasks.spawn(admin.clone().record_history());
    if let Some(socket) = socket {
        tasks.spawn(socket.run(admin.clone(), tasks.clone(), stop.clone()));
    }
    if let Some(listener) = listener {
        let limits = Connections {
            // Where there is room for few clients there is for few of these.
            max: ADMIN_CONNECTIONS.min(connections.saturating_add(ADMIN_RESERVE)),
            ..Connections::default()
        };
        // A registry of its own: connections of Prometheus are not traffic.
        let metrics = ingress::Metrics::register(&Registry::new())?;
        let server = Server::new(limits, tasks.clone(), stop.clone(), stop, metrics)
            .with_reserve(ADMIN_RESERVE);
        let (admin, local) = (admin.clone(), listener.addr());
        tasks.spawn(server.run(listener, None, move |info| {
            admin.service(admin::Listener::Tcp {
                local,
                peer: info.client.addr,
            })
        }));
    }
    Ok(())
}

/// The client of a connection, as the proxy describes it.
fn peer(info: &ConnectionInfo) -> Peer {
    let client = info.client;
    let mut peer = Peer::new(client.addr, info.tls.is_some());
    if !client.is_one {
        peer = peer.with_many_clients();
    }
    match &info.tls {
        Some(tls) => peer.after_handshake(tls.began, tls.took),
        None => peer,
    }
}

/// Renders the refusals of the sockets as problems, as the proxy does.
fn refusing(metrics: &proxy::Metrics) -> ingress::Render {
    let metrics = metrics.clone();
    Arc::new(move |refusal| {
        let kind = match refusal {
            Refusal::HeaderTooLarge => Kind::HeaderTooLarge,
            Refusal::TargetTooLong => Kind::TargetTooLong,
            Refusal::HeaderTooSlow => Kind::HeaderTooSlow,
            Refusal::Malformed
            | Refusal::AmbiguousLength
            | Refusal::TlsToPlain
            | Refusal::PlainToTls
            | Refusal::Http2ToPlain
            | Refusal::ProxyProtocol
            | Refusal::Http2Broken => Kind::BadMessage,
        };
        proxy::refusal(kind, refusal.what(), &metrics)
    })
}
