//! The stack: the layers that a request passes, outermost first. Each line of [`stack`] is a file
//! of the same name.
//!
//! The types keep the order: a layer that learns something changes the type of the request.
//!
//! Readiness is decided in one place: [`crate::Current`] serves each request with a clone of the
//! whole stack. A layer that can call the next one at once passes readiness on; one that first
//! waits (for a body, for a lookup), or has to catch what the next one does, is ready itself and
//! calls a clone of the next one through `oneshot`. So no service is called before it is ready, and
//! a layer that queues, such as tower's `ConcurrencyLimit`, may be put anywhere. The layers of
//! today never make a request wait for readiness: one that refuses work does so with an error.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use whipstitch_auth::{Auth, Authority};
use whipstitch_origin::{AllowedOrigins, ByNetwork, Directory, connect::ManagerAddress};
use whipstitch_signaling::{Api, ice::IceServers, session::SessionKeys};

use crate::{
    Body, DrainSignal, Incidents, Metrics, Permits, SessionTable, Terminator,
    destinations::{
        Destinations,
        forward::{AnswerSettings, Deletions, EventStreams, Forward, OwnUrls, SessionEnds},
        manager::Manager,
        public_url::Public,
        splice::{Detach, Splice},
    },
    layers::{
        admission::AdmissionLayer,
        authentication::AuthenticationLayer,
        cors::CorsLayer,
        https_redirect::HttpsRedirectLayer,
        intake::{Held, IntakeLayer},
        observe::ObserveLayer,
        problems::ProblemsLayer,
        resolving::{Resolver, ResolvingLayer},
        routing::{RoutingLayer, Rules},
        sanitize::SanitizeLayer,
    },
    nodes::node_client::NodeClient,
    request::trace::Tracing,
    request::trusted_proxies::TrustedProxies,
    sessions::reaper::{self, Orphans},
    words::config::{Hsts, Limits, Proxy, Timeouts},
};

/// The whole proxy as one service. The acceptor puts a [`crate::Peer`] into the request's
/// extensions.
pub type Stack = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// What a stack is made of, whatever the settings.
#[derive(Clone)]
pub struct Dependencies {
    /// The generation of the Stream Manager.
    pub api: Api,
    /// With whom a client that names no region shares what is remembered.
    pub by_network: ByNetwork,
    /// The Stream Manager.
    pub manager: ManagerAddress,
    /// Finds the node that carries a stream.
    pub directory: Arc<dyn Directory>,
    /// Decides which addresses may be dialled.
    pub allowed: Arc<AllowedOrigins>,
    /// Seals and opens session URLs; may change at any time.
    pub session_keys: watch::Receiver<Arc<SessionKeys>>,
    /// How long a session URL is good for.
    pub session_lifetime: Duration,
    /// ICE servers of our own; may change at any time.
    pub ice: watch::Receiver<Arc<IceServers>>,
    /// Takes the socket out of an upgraded connection.
    pub detach: Detach,
    /// The exchanges in flight.
    pub exchanges: TaskTracker,
    /// The tasks of WebSocket sessions.
    pub sockets: TaskTracker,
    /// The tasks of the proxy itself.
    pub background: TaskTracker,
    /// Asks every WebSocket session and every stream of events to end.
    pub close_sockets: DrainSignal,
    /// What clients are judged with, if there are rules for that.
    pub auth: whipstitch_auth::Sources,
    /// How requests are traced, if a collector is configured.
    pub tracing: Option<Tracing>,
    /// The sessions of this replica.
    pub sessions: SessionTable,
    /// Ends sessions at their nodes.
    pub terminator: Terminator,
    /// Keeps the last errors.
    pub incidents: Incidents,
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
    /// `[auth]`
    pub auth: Auth,
}

/// What is counted among limits, whichever stack serves it. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Memory {
    held: Held,
    permits: Permits,
}

impl Memory {
    /// Nothing yet, and these limits.
    pub fn new(permits: Permits) -> Self {
        Self {
            held: Held::default(),
            permits,
        }
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
    let layers = ServiceBuilder::new()
        // Outermost, so that every answer is measured and logged, whichever layer gives it.
        .layer(observe(d, settings))
        // Above the errors: a page can read an error only if it carries the CORS headers.
        .layer(cors(d, settings))
        // Above all that can fail: below it, errors are values and not answers.
        .layer(problems(d, settings))
        // Before the first decision, so that each goes by one host and by framing that is sound.
        .layer(sanitize(settings))
        // Before routing, which would serve it; after the host is checked, which it leads to.
        .option_layer(HttpsRedirectLayer::new(&settings.proxy))
        // Before any work: what needs no node is answered, and what no node may get is refused.
        .layer(routing(d, settings))
        // Before the body is read and before any lookup; there is no such layer without rules.
        .option_layer(authentication(d, settings))
        // Before admission: a client that sends its body slowly must not hold a permit.
        .layer(intake(d, settings))
        // Before the lookup: the first work that loads the Stream Manager.
        .layer(admission(d))
        // Last: the destinations get a request that names an admitted node.
        .layer(resolving(d, settings));
    // Erased once, here: the type is a page long.
    let service = layers.service(destinations(d, settings)?);
    Ok(BoxCloneSyncService::new(service))
}

fn observe(d: &Dependencies, settings: &Settings) -> ObserveLayer {
    ObserveLayer {
        exchanges: d.exchanges.clone(),
        proxies: TrustedProxies::new(&settings.proxy.trusted),
        tracing: d.tracing.clone(),
        metrics: d.metrics.clone(),
        incidents: d.incidents.clone(),
        server_timing: settings.proxy.server_timing,
        hsts: settings.proxy.hsts.as_ref().map(Hsts::header),
    }
}

fn cors(d: &Dependencies, settings: &Settings) -> CorsLayer {
    let Proxy {
        allowed_origins,
        cors_origins,
        ..
    } = &settings.proxy;
    let origins = [&allowed_origins[..], cors_origins].concat();
    CorsLayer::new(d.api, origins, d.metrics.clone())
}

fn problems(d: &Dependencies, settings: &Settings) -> ProblemsLayer {
    ProblemsLayer {
        not_live: settings.proxy.not_live_status,
        metrics: d.metrics.clone(),
    }
}

fn sanitize(settings: &Settings) -> SanitizeLayer {
    SanitizeLayer::new(&settings.proxy.hosts)
}

fn routing(d: &Dependencies, settings: &Settings) -> RoutingLayer {
    let rules = Rules {
        api: d.api,
        base: d.manager.base().clone(),
        proxy: settings.proxy.clone(),
        limits: settings.limits.clone(),
        timeouts: settings.timeouts.clone(),
    };
    RoutingLayer {
        rules: Arc::new(rules),
    }
}

fn authentication(d: &Dependencies, settings: &Settings) -> Option<AuthenticationLayer> {
    Some(AuthenticationLayer {
        authority: Arc::new(Authority::new(&settings.auth, &d.auth)?),
        pass_token: settings.auth.pass_token,
        metrics: d.metrics.clone(),
    })
}

fn intake(d: &Dependencies, settings: &Settings) -> IntakeLayer {
    IntakeLayer::new(d.memory.held.clone(), &settings.limits, &settings.timeouts)
}

fn admission(d: &Dependencies) -> AdmissionLayer {
    AdmissionLayer::new(d.memory.permits.in_flight.clone())
}

fn resolving(d: &Dependencies, settings: &Settings) -> ResolvingLayer {
    let resolver = Arc::new(resolver(d, &settings.timeouts));
    ResolvingLayer { resolver }
}

fn destinations(d: &Dependencies, settings: &Settings) -> std::io::Result<Destinations> {
    let manager = Manager::new(d.manager.clone(), d.allowed.clone(), &settings.timeouts)?;
    // Nothing can fail from here on: limits must not change for a stack that never serves.
    d.memory.permits.resize(&settings.limits);
    d.sessions.resize(settings.limits.sessions);
    let nodes = NodeClient::new(&settings.timeouts, d.directory.clone());
    let nodes = nodes.with_bearer(settings.proxy.bearer);
    Ok(Destinations::new(
        forward(d, settings, nodes.clone()),
        splice(d, settings, nodes),
        manager,
    ))
}

fn resolver(d: &Dependencies, timeouts: &Timeouts) -> Resolver {
    Resolver {
        api: d.api,
        by_network: d.by_network,
        directory: d.directory.clone(),
        allowed: d.allowed.clone(),
        keys: d.session_keys.clone(),
        sessions: d.sessions.clone(),
        lifetime: d.session_lifetime,
        budget: timeouts.answer,
        connect: timeouts.connect,
    }
}

/// With the reaper task; it ends with the last clone of this.
fn forward(d: &Dependencies, settings: &Settings, nodes: NodeClient) -> Forward {
    let Settings {
        proxy,
        limits,
        timeouts,
        auth: _,
    } = settings;
    d.terminator.configure(nodes.clone(), timeouts);
    let (sessions, metrics) = (d.sessions.clone(), d.metrics.clone());
    let (orphans, queue) = Orphans::new(
        limits.in_flight,
        sessions.clone(),
        d.exchanges.clone(),
        metrics.clone(),
    );
    let reaper = reaper::run(
        queue,
        d.terminator.clone(),
        timeouts.abandoned,
        (d.background.clone(), metrics.clone()),
    );
    d.background.spawn(reaper);
    Forward {
        nodes,
        directory: d.directory.clone(),
        sessions,
        ends: SessionEnds {
            terminator: d.terminator.clone(),
            deletions: Deletions::new(limits.in_flight, d.background.clone(), d.exchanges.clone()),
            orphans,
        },
        urls: OwnUrls {
            keys: d.session_keys.clone(),
            public: Public::new(proxy),
            ice: d.ice.clone(),
        },
        answers: AnswerSettings {
            not_live: proxy.not_live_status,
            strict_etags: proxy.strict_etags,
        },
        streams: EventStreams::new(
            d.memory.permits.event_streams.clone(),
            d.close_sockets.token().clone(),
            d.background.clone(),
            d.metrics.clone(),
        ),
        metrics,
    }
}

fn splice(d: &Dependencies, settings: &Settings, nodes: NodeClient) -> Splice {
    Splice {
        nodes,
        directory: d.directory.clone(),
        detach: d.detach,
        limit: d.memory.permits.sockets.clone(),
        connect: settings.timeouts.connect,
        sessions: d.sockets.clone(),
        close: d.close_sockets.clone(),
        table: d.sessions.clone(),
        metrics: d.metrics.clone(),
    }
}
