//! The way of a request, outermost layer first. Each line is a file of the same name.
//!
//! The types keep the order: a layer that learns something changes the type of the request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{ServiceBuilder, layer::layer_fn, util::BoxCloneSyncService};
use whipstitch_origin::{AllowedOrigins, Directory, connect::ManagerAddress};
use whipstitch_signaling::{Api, ice::IceServers, session::SessionKeys};

use crate::{
    Body, Live, Metrics, Recent, Room,
    abandoned::{Abandoned, Janitor},
    admission::Admission,
    config::{Limits, Proxy, Timeouts},
    cors::Cors,
    countered::Countered,
    destinations::Destinations,
    forward::{EventStreams, Forward, Nodes},
    forwarders::Forwarders,
    known_sessions::KnownSessions,
    manager::Manager,
    newest::Newest,
    observe::Observe,
    pins::Pins,
    problems::Problems,
    public::Public,
    resolving::{Resolver, Resolving},
    routing::Routing,
    sanitize::Sanitize,
    splice::{Detach, Splice},
    trace::Tracing,
    under_way::UnderWay,
};

/// The whole proxy as one service. Put a [`crate::Peer`] into the request's extensions to say who asks.
pub type Stack = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// What the stack is made of.
pub struct Dependencies {
    /// The generation of the Stream Manager.
    pub api: Api,
    /// `[proxy]`
    pub proxy: Proxy,
    /// `[limits]`
    pub limits: Limits,
    /// The places that these give.
    pub room: Room,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// The Stream Manager.
    pub manager: ManagerAddress,
    /// Tells which node carries a stream.
    pub directory: Arc<dyn Directory>,
    /// Tells which addresses may be dialled.
    pub allowed: Arc<AllowedOrigins>,
    /// Seals and opens session URLs; may change at any time.
    pub session_keys: watch::Receiver<Arc<SessionKeys>>,
    /// How long a session URL is good for.
    pub session_lifetime: Duration,
    /// Whether a session URL without a token means the session of the client that asks.
    pub sessions_by_client: bool,
    /// ICE servers of our own; may change at any time.
    pub ice: watch::Receiver<Arc<IceServers>>,
    /// Takes the socket out of an upgraded connection.
    pub detach: Detach,
    /// Knows the exchanges under way.
    pub exchanges: TaskTracker,
    /// Where WebSocket sessions live.
    pub sockets: TaskTracker,
    /// Where tasks of the proxy itself live.
    pub background: TaskTracker,
    /// Asks every WebSocket session and every stream of events to end.
    pub close_sockets: CancellationToken,
    /// How requests are traced, if anybody is told.
    pub tracing: Option<Tracing>,
    /// Knows the sessions that are open.
    pub live: Live,
    /// Keeps what went wrong lately.
    pub recent: Recent,
    /// Counts.
    pub metrics: Metrics,
}

/// Composes the layers, on the current tokio runtime.
///
/// # Panics
/// Outside a tokio runtime.
///
/// # Errors
/// The system's certificate roots cannot be read; only for a Stream Manager over `https`.
pub fn stack(d: Dependencies) -> std::io::Result<Stack> {
    let manager = Manager::new(d.manager, d.allowed.clone(), &d.timeouts)?;
    let known = Arc::new(KnownSessions::new(d.sessions_by_client, d.session_lifetime));
    let pins = Arc::new(Pins::new());
    let newest = Arc::new(Newest::new(d.session_lifetime));
    let nodes = Nodes::new(&d.timeouts, d.directory.clone());
    let (abandoned, left) =
        Abandoned::new(d.limits.in_flight, d.exchanges.clone(), d.metrics.clone());
    let under_way = UnderWay::default();
    let janitor = Janitor {
        nodes: nodes.clone(),
        under_way: under_way.clone(),
        directory: d.directory.clone(),
        known: known.clone(),
        newest: newest.clone(),
        live: d.live.clone(),
        timeouts: d.timeouts.clone(),
        metrics: d.metrics.clone(),
    };
    d.background.spawn(janitor.run(left, d.background.clone()));
    let forward = Forward {
        nodes,
        abandoned,
        under_way,
        countered: Countered::new(),
        directory: d.directory.clone(),
        keys: d.session_keys.clone(),
        known: known.clone(),
        pins: pins.clone(),
        newest: newest.clone(),
        not_live: d.proxy.not_live_status,
        strict_etags: d.proxy.strict_etags,
        public: Public::new(&d.proxy),
        ice: d.ice,
        streams: EventStreams::new(
            d.room.event_streams.clone(),
            d.close_sockets.clone(),
            d.background.clone(),
            d.metrics.clone(),
        ),
        live: d.live.clone(),
        metrics: d.metrics.clone(),
    };
    let splice = Splice {
        directory: d.directory.clone(),
        detach: d.detach,
        places: d.room.sockets.clone(),
        connect: d.timeouts.connect,
        sessions: d.sockets,
        close: d.close_sockets,
        live: d.live.clone(),
        metrics: d.metrics.clone(),
    };
    let resolver = Arc::new(Resolver {
        api: d.api,
        directory: d.directory,
        allowed: d.allowed,
        keys: d.session_keys,
        known,
        pins,
        newest,
        live: d.live,
        lifetime: d.session_lifetime,
        budget: d.timeouts.answer,
        connect: d.timeouts.connect,
    });
    let in_flight = d.room.in_flight;
    let forwarders = Forwarders::new(&d.proxy.trusted);
    let service = ServiceBuilder::new()
        .layer(layer_fn(|inner| {
            Observe::new(
                inner,
                d.exchanges.clone(),
                (forwarders.clone(), d.tracing.clone()),
                d.metrics.clone(),
                d.recent.clone(),
                d.proxy.server_timing,
            )
        }))
        .layer(layer_fn(Cors::new))
        .layer(layer_fn(|inner| {
            Problems::new(inner, d.proxy.not_live_status, d.metrics.clone())
        }))
        .layer(layer_fn(|inner| Sanitize::new(inner, &d.proxy.hosts)))
        .layer(layer_fn(|inner| Admission::new(inner, in_flight.clone())))
        .layer(layer_fn(|inner| {
            Routing::new(
                inner,
                d.api,
                d.proxy.clone(),
                d.limits.clone(),
                d.timeouts.clone(),
            )
        }))
        .layer(layer_fn(|inner| Resolving::new(inner, resolver.clone())))
        .service(Destinations::new(forward, splice, manager));
    // Erased once, here: the type is a page long.
    Ok(BoxCloneSyncService::new(service))
}
