//! A media node: WHIP, WHEP and Red5's WebSocket signalling on one port, media on a UDP socket of
//! its own.

mod cors;
mod dialogue;
mod extensions;
mod socket;
mod whep;
mod whip;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, NodeConfig};
use crate::fault::{Fault, Switch};
use crate::listener::Handler;
use crate::media::{MediaHandle, MediaTask, Relays};
use crate::registry::{Refusal, Registry};
use crate::reply::{self, Reply, ReplyBody};
use crate::stream::{Dialect, SignalingPath, StreamKey, raw_param};

/// One node's part of the cluster.
pub(crate) struct NodeState {
    pub(crate) index: usize,
    pub(crate) ip: IpAddr,
    /// What the Stream Manager knows of it.
    pub(crate) about: NodeConfig,
    pub(crate) switch: Arc<Switch>,
    stage: Mutex<Stage>,
    config: Arc<Config>,
    registry: Arc<Registry>,
    relays: Arc<Relays>,
    tracker: TaskTracker,
    stop: CancellationToken,
    life: Mutex<Life>,
    /// Events for all streams of server-sent events.
    events: broadcast::Sender<Bytes>,
}

/// A node's life-cycle state, as the Stream Manager's list of nodes shows it. Lookups name only
/// nodes in service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Its machine is being started.
    Pending,
    /// Its machine runs, its server does not report yet.
    Running,
    /// It takes sessions: the default.
    #[default]
    InService,
    /// It is being taken down.
    Terminating,
}

impl Stage {
    /// As Stream Manager 2.0 writes it.
    pub(crate) fn as_str_2_0(self) -> &'static str {
        match self {
            Self::Pending | Self::Running => "REQUESTED",
            Self::InService => "INSERVICE",
            Self::Terminating => "HARD_SUNSET",
        }
    }

    /// As the REST API 4.0 writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::InService => "inservice",
            Self::Terminating => "terminating",
        }
    }
}

/// What exists only while the node runs.
#[derive(Clone)]
struct Life {
    media: MediaHandle,
    until: CancellationToken,
}

/// The parts that all nodes of a cluster share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) relays: Arc<Relays>,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl NodeState {
    /// Start the node's media; the caller starts its listener.
    ///
    /// # Errors
    /// That of binding the media socket.
    pub(crate) async fn start(
        index: usize,
        about: NodeConfig,
        shared: Shared,
    ) -> io::Result<Arc<Self>> {
        let ip = about.ip;
        let Shared {
            config,
            registry,
            relays,
            tracker,
            stop,
        } = shared;
        let life = Life::begin(index, ip, &config, &registry, &relays, &tracker, &stop).await?;
        let switch = Arc::new(Switch::new());
        Ok(Arc::new(Self {
            index,
            ip,
            about,
            switch,
            stage: Mutex::default(),
            config,
            registry,
            relays,
            tracker,
            stop,
            life: Mutex::new(life),
            events: broadcast::channel(extensions::EVENTS).0,
        }))
    }

    /// Stop everything at once: connections, sessions, media. The port refuses from then on.
    pub(crate) async fn die(&self) {
        self.life().until.cancel();
        self.registry.end_node(self.index);
        self.switch.set_dead(true).await;
    }

    /// Start again, without any state.
    ///
    /// # Errors
    /// That of binding a new media socket.
    pub(crate) async fn revive(&self) -> io::Result<()> {
        if !self.switch.is_dead() {
            return Ok(());
        }
        let life = Life::begin(
            self.index,
            self.ip,
            &self.config,
            &self.registry,
            &self.relays,
            &self.tracker,
            &self.stop,
        )
        .await?;
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
        self.switch.set_dead(false).await;
        Ok(())
    }

    /// Its life-cycle state; a node that died is terminating.
    pub(crate) fn stage(&self) -> Stage {
        if self.switch.is_dead() {
            return Stage::Terminating;
        }
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// The address or name under which the Stream Manager lists it.
    pub(crate) fn server_address(&self) -> String {
        self.about
            .name
            .clone()
            .unwrap_or_else(|| self.ip.to_string())
    }

    pub(crate) fn load(&self) -> usize {
        self.registry.load(self.index)
    }

    /// Sends an event on all streams of server-sent events; returns how many there are.
    pub(crate) fn send_event(&self, event: Bytes) -> usize {
        self.events.send(event).unwrap_or_default()
    }

    /// How many streams of server-sent events are open.
    pub(crate) fn event_streams(&self) -> usize {
        self.events.receiver_count()
    }

    fn life(&self) -> Life {
        self.life
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn knows(&self, key: &StreamKey) -> bool {
        self.config.apps.iter().any(|app| app == key.app())
    }
}

impl Life {
    async fn begin(
        index: usize,
        ip: IpAddr,
        config: &Config,
        registry: &Arc<Registry>,
        relays: &Arc<Relays>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let (task, inbox, media) =
            MediaTask::open(index, ip, config, registry.clone(), relays.clone()).await?;
        let until = stop.child_token();
        tracker.spawn(task.run(inbox, until.clone()));
        Ok(Self { media, until })
    }
}

/// The node as its listener sees it.
pub(crate) struct NodeHandler(pub(crate) Arc<NodeState>);

impl Handler for NodeHandler {
    async fn handle(&self, request: Request<Incoming>) -> Response<ReplyBody> {
        let node = &self.0;
        if node.config.extensions && extensions::is_one(request.uri().path()) {
            return extensions::answer(node, request).await;
        }
        if let Some(path) = SignalingPath::parse(request.uri().path()) {
            return reply::whole(cors::wrap(signal(node, path, request)).await);
        }
        if request.headers().contains_key(http::header::UPGRADE) {
            let wrong = node.switch.fault() == Fault::WrongAccept;
            return reply::whole(socket::upgrade(node, request, wrong));
        }
        reply::whole(reply::tomcat_not_found())
    }
}

/// A WHIP or WHEP request, its body still unread.
struct Exchange<'n> {
    node: &'n NodeState,
    key: StreamKey,
    /// The scope and stream as the client wrote them, for the Location.
    raw_path: String,
    query: String,
    headers: HeaderMap,
}

impl Exchange<'_> {
    fn request_id(&self) -> Option<&str> {
        raw_param(&self.query, "requestId").filter(|id| !id.is_empty())
    }

    /// The `Content-Type` without its parameters.
    fn content_type(&self) -> &str {
        let value = self
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        value
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .unwrap_or_default()
    }
}

async fn signal(node: &NodeState, path: SignalingPath, request: Request<Incoming>) -> Reply {
    let (head, incoming) = request.into_parts();
    if head.method == Method::OPTIONS {
        return options(node, &path);
    }
    if !node.knows(&path.key) {
        return reply::text(
            404,
            format!("Scope resolver failed for {}.", path.key.scope),
        );
    }
    let exchange = Exchange {
        node,
        key: path.key,
        raw_path: head.uri.path().replacen("/endpoint/", "/resource/", 1),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
    };
    let body = match reply::read(incoming).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let mut answer = match (path.dialect, path.resource, head.method.as_str()) {
        (Dialect::Whip, false, "POST") => whip::publish(&exchange, &body).await,
        (Dialect::Whip, true, "PATCH") => whip::trickle(&exchange, &body).await,
        (Dialect::Whip, true, "DELETE") => whip::end(&exchange),
        (Dialect::Whep, false, "POST") => whep::play(&exchange, &body).await,
        (Dialect::Whep, true, "PATCH") => whep::patch(&exchange, &body).await,
        (Dialect::Whep, true, "DELETE") => whep::end(&exchange),
        _ => reply::text(405, "Method not allowed."),
    };
    if node.config.extensions && answer.status() == http::StatusCode::CREATED {
        extensions::offer(&mut answer, path.dialect, &exchange);
    }
    answer
}

/// The SDK's explicit OPTIONS wants the ICE servers; a browser's preflight is served by the same
/// answer.
fn options(node: &NodeState, path: &SignalingPath) -> Reply {
    let mut answer = reply::empty(200);
    let link = node
        .config
        .ice_server
        .as_deref()
        .and_then(|link| http::HeaderValue::from_str(link).ok());
    if let Some(link) = link {
        answer.headers_mut().insert(http::header::LINK, link);
    }
    if node.config.extensions {
        extensions::offer_statistics(&mut answer, path);
    }
    answer
}

fn created(location: &str, sdp: String) -> Reply {
    let mut answer = reply::body(201, "application/sdp", sdp);
    if let Ok(location) = http::HeaderValue::from_str(location) {
        answer
            .headers_mut()
            .insert(http::header::LOCATION, location);
    }
    answer
}

fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Taken => reply::text(409, "Stream is not available to publish."),
        Refusal::NotLive => reply::text(409, "Stream is not available to playback."),
        Refusal::Duplicate => reply::text(400, "Offer already sent, double POST assumed."),
        Refusal::Full => reply::text(406, "The node carries as many sessions as it can."),
    }
}

/// Hand the candidates of a trickle fragment (RFC 8840 §9) to the session.
async fn trickle(node: &NodeState, id: crate::registry::SessionId, fragment: &str) {
    let media = node.life().media;
    let candidates = fragment
        .lines()
        .filter_map(|line| line.trim().strip_prefix("a="));
    // A browser gathers a handful of candidates; further ones are ignored.
    for candidate in candidates
        .filter(|line| line.starts_with("candidate:"))
        .take(64)
    {
        media.candidate(id, candidate.to_owned()).await;
    }
}
