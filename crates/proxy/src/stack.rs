//! The way of a request, outermost layer first. Each line is a file of the same name.
//!
//! The types keep the order: a layer that learns something changes the type of the request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tower::{ServiceBuilder, layer::layer_fn, util::BoxCloneSyncService};
use whipstitch_origin::{AllowedOrigins, ByNetwork, Directory, connect::ManagerAddress};
use whipstitch_signaling::{Api, ice::IceServers, session::SessionKeys};

use crate::{
    Body, CloseSignal, Live, Metrics, Recent, Room,
    destinations::{
        Destinations,
        forward::{EventStreams, Forward, Nodes},
        manager::Manager,
        public_url::Public,
        splice::{Detach, Splice},
    },
    layers::{
        admission::Admission,
        cors::Cors,
        intake::{Held, Intake},
        observe::Observe,
        problems::Problems,
        resolving::{Resolver, Resolving},
        routing::Routing,
        sanitize::Sanitize,
    },
    report::trace::Tracing,
    request::{clock::WallClock, trusted_proxies::Forwarders},
    sessions::{
        abandoned::{Abandoned, Janitor},
        countered::Countered,
        known_sessions::KnownSessions,
        newest::Newest,
        pins::Pins,
        under_way::UnderWay,
    },
    words::config::{Limits, Proxy, Timeouts},
};

/// The whole proxy as one service. Put a [`crate::Peer`] into the request's extensions to say who
/// asks.
pub type Stack = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// What a stack is made of, whatever is set.
#[derive(Clone)]
pub struct Dependencies {
    /// The generation of the Stream Manager.
    pub api: Api,
    /// With whom a client that names no region shares what is remembered.
    pub by_network: ByNetwork,
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
    pub close_sockets: CloseSignal,
    /// How requests are traced, if anybody is told.
    pub tracing: Option<Tracing>,
    /// Knows the sessions that are open.
    pub live: Live,
    /// Keeps what went wrong lately.
    pub recent: Recent,
    /// Counts.
    pub metrics: Metrics,
    /// What one stack hands on to the next.
    pub memory: Memory,
}

/// What can be changed while it runs, by composing another stack.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `[proxy]`
    pub proxy: Proxy,
    /// `[limits]`
    pub limits: Limits,
    /// `[timeouts]`
    pub timeouts: Timeouts,
}

/// What is remembered of clients and counted among limits, whichever stack serves them. Cheap to
/// clone: all clones are one.
#[derive(Clone)]
pub struct Memory {
    known: Arc<KnownSessions>,
    pins: Arc<Pins>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) under_way: UnderWay,
    countered: Countered,
    held: Held,
    room: Room,
    clock: WallClock,
}

impl Memory {
    /// Nothing yet, and these places. `sessions_by_client` says whether a session URL without a
    /// token means the session of the client that asks; `lifetime`, how long a session URL is good
    /// for.
    pub fn new(room: Room, sessions_by_client: bool, lifetime: Duration, clock: WallClock) -> Self {
        Self {
            known: Arc::new(KnownSessions::new(sessions_by_client, lifetime)),
            pins: Arc::new(Pins::new()),
            newest: Arc::new(Newest::new(lifetime, clock.clone())),
            under_way: UnderWay::default(),
            countered: Countered::new(),
            held: Held::default(),
            room,
            clock,
        }
    }

    /// Every `POST` asks anew where it should go.
    pub fn forget_pins(&self) {
        self.pins.clear();
    }
}

/// Composes the layers, on the current tokio runtime.
///
/// # Panics
/// Outside a tokio runtime.
///
/// # Errors
/// The system's certificate roots cannot be read; only for a Stream Manager over `https`.
pub fn stack(d: &Dependencies, settings: &Settings) -> std::io::Result<Stack> {
    let Settings {
        proxy,
        limits,
        timeouts,
    } = settings;
    let manager = Manager::new(d.manager.clone(), d.allowed.clone(), timeouts)?;
    d.memory.room.resize(limits);
    let resolver = Arc::new(resolver(d, timeouts));
    let forwarders = Forwarders::new(&proxy.trusted);
    let service = ServiceBuilder::new()
        .layer(layer_fn(|inner| {
            Observe::new(
                inner,
                d.exchanges.clone(),
                (forwarders.clone(), d.tracing.clone()),
                d.metrics.clone(),
                d.recent.clone(),
                proxy.server_timing,
            )
        }))
        .layer(layer_fn(|inner| {
            Cors::new(inner, d.api, &proxy.cors_origins, d.metrics.clone())
        }))
        .layer(layer_fn(|inner| {
            Problems::new(inner, proxy.not_live_status, d.metrics.clone())
        }))
        .layer(layer_fn(|inner| Sanitize::new(inner, &proxy.hosts)))
        .layer(layer_fn(|inner| {
            Routing::new(
                inner,
                (d.api, d.manager.base().clone()),
                proxy.clone(),
                limits.clone(),
                timeouts.clone(),
            )
        }))
        .layer(layer_fn(|inner| {
            Intake::new(inner, d.memory.held.clone(), limits)
        }))
        .layer(layer_fn(|inner| {
            Admission::new(inner, d.memory.room.in_flight.clone())
        }))
        .layer(layer_fn(|inner| Resolving::new(inner, resolver.clone())))
        .service(Destinations::new(
            forward(d, settings),
            splice(d, settings),
            manager,
        ));
    // Erased once, here: the type is a page long.
    Ok(BoxCloneSyncService::new(service))
}

fn resolver(d: &Dependencies, timeouts: &Timeouts) -> Resolver {
    Resolver {
        api: d.api,
        by_network: d.by_network,
        directory: d.directory.clone(),
        allowed: d.allowed.clone(),
        keys: d.session_keys.clone(),
        known: d.memory.known.clone(),
        pins: d.memory.pins.clone(),
        newest: d.memory.newest.clone(),
        live: d.live.clone(),
        clock: d.memory.clock.clone(),
        lifetime: d.session_lifetime,
        budget: timeouts.answer,
        connect: timeouts.connect,
    }
}

/// With the task that sees to what clients leave behind; it ends with the last clone of this.
fn forward(d: &Dependencies, settings: &Settings) -> Forward {
    let Settings {
        proxy,
        limits,
        timeouts,
    } = settings;
    let memory = &d.memory;
    let nodes = Nodes::new(timeouts, d.directory.clone()).with_bearer(proxy.bearer);
    let (abandoned, left) =
        Abandoned::new(limits.in_flight, d.exchanges.clone(), d.metrics.clone());
    let janitor = Janitor {
        nodes: nodes.clone(),
        under_way: memory.under_way.clone(),
        directory: d.directory.clone(),
        known: memory.known.clone(),
        newest: memory.newest.clone(),
        live: d.live.clone(),
        timeouts: timeouts.clone(),
        metrics: d.metrics.clone(),
    };
    d.background.spawn(janitor.run(left, d.background.clone()));
    Forward {
        nodes,
        abandoned,
        under_way: memory.under_way.clone(),
        countered: memory.countered.clone(),
        directory: d.directory.clone(),
        keys: d.session_keys.clone(),
        known: memory.known.clone(),
        pins: memory.pins.clone(),
        newest: memory.newest.clone(),
        clock: memory.clock.clone(),
        not_live: proxy.not_live_status,
        strict_etags: proxy.strict_etags,
        public: Public::new(proxy),
        ice: d.ice.clone(),
        streams: EventStreams::new(
            memory.room.event_streams.clone(),
            d.close_sockets.token().clone(),
            d.background.clone(),
            d.metrics.clone(),
        ),
        live: d.live.clone(),
        metrics: d.metrics.clone(),
    }
}

fn splice(d: &Dependencies, settings: &Settings) -> Splice {
    Splice {
        bearer: settings.proxy.bearer,
        directory: d.directory.clone(),
        detach: d.detach,
        places: d.memory.room.sockets.clone(),
        connect: settings.timeouts.connect,
        sessions: d.sockets.clone(),
        close: d.close_sockets.clone(),
        live: d.live.clone(),
        metrics: d.metrics.clone(),
    }
}
