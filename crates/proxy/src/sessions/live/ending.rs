//! Ends a session that its client did not end.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header::AUTHORIZATION};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use whipstitch_origin::{Directory, Origin};
use whipstitch_signaling::{Role, StreamKey, session::Session as Sealed};

use super::{End, Kind, Live, LiveSession, SessionId, session::WayOut};
use crate::{
    Memory, Settings,
    destinations::forward::{Nodes, turn},
    nodes::{client::Failed, failover::Carrier},
    request::{budget::Budget, exchange::REQUEST_ID, phases::Phases},
    sessions::{creation, newest::Newest, under_way::UnderWay},
    words::body,
};

/// Ends sessions on behalf of the operator. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Ender(Arc<Inner>);

struct Inner {
    live: Live,
    directory: Arc<dyn Directory>,
    newest: Arc<Newest>,
    under_way: UnderWay,
    how: ArcSwap<How>,
    tasks: TaskTracker,
}

/// How nodes are asked, and how long they may take.
struct How {
    nodes: Nodes,
    budget: Duration,
    connect: Duration,
}

impl How {
    fn new(settings: &Settings, directory: &Arc<dyn Directory>) -> Self {
        let timeouts = &settings.timeouts;
        let nodes = Nodes::new(timeouts, directory.clone());
        Self {
            nodes: nodes.with_bearer(settings.proxy.bearer),
            budget: timeouts.answer,
            connect: timeouts.connect,
        }
    }
}

impl Ender {
    /// Ends sessions of `live`, and none that `memory` knows to be another by now. What has to be
    /// asked of a node is asked on `tasks`.
    pub fn new(
        live: Live,
        directory: Arc<dyn Directory>,
        memory: &Memory,
        settings: &Settings,
        tasks: TaskTracker,
    ) -> Self {
        Self(Arc::new(Inner {
            live,
            how: ArcSwap::from_pointee(How::new(settings, &directory)),
            directory,
            newest: memory.newest.clone(),
            under_way: memory.under_way.clone(),
            tasks,
        }))
    }

    /// Goes by these from now on.
    pub fn reconfigure(&self, settings: &Settings) {
        let how = How::new(settings, &self.0.directory);
        self.0.how.store(Arc::new(how));
    }

    /// Begins to end the session of this id, and does not wait for it: a WebSocket gets a Close
    /// between two frames, on both sides; a WHIP or WHEP session a DELETE at its node. What kind it
    /// is, or `None` if there is no such session.
    pub fn end(&self, id: SessionId) -> Option<Kind> {
        let session = self.0.live.get(id)?;
        info!(%id, kind = session.kind().label(), node = %session.node(), "the operator ends a session");
        match session.way_out() {
            WayOut::Socket(close) | WayOut::Manager(close) => close.cancel(),
            WayOut::Http { .. } => {
                let (inner, session) = (self.0.clone(), session.clone());
                self.0
                    .tasks
                    .spawn(async move { inner.delete(&session).await });
            }
        }
        Some(session.kind())
    }
}

impl Inner {
    async fn delete(&self, session: &LiveSession) {
        let WayOut::Http {
            origin,
            role,
            key,
            sealed,
        } = session.way_out()
        else {
            return;
        };
        let id = session.id();
        let how = self.how.load_full();
        let mut budget = Budget::new(how.budget, how.connect);
        let mut held = None;
        if *role == Role::Publish {
            held = turn(&self.under_way, &self.newest, sealed, &mut budget).await;
            if held.is_none() {
                warn!(%id, node = %origin, "the session is not ended: a newer one of its name is there, or begins");
                return;
            }
        }
        match ask(&how, origin, session, sealed, budget).await {
            Ok(status) if creation::is_over(status) => {
                self.over(*role, key, sealed);
            }
            Ok(status) => {
                warn!(%id, node = %origin, status = status.as_u16(), "the node did not end the session");
            }
            Err(failed) => {
                warn!(%id, node = %origin, cause = %failed, "the node did not answer; the session is not ended");
            }
        }
        drop(held);
    }

    fn over(&self, role: Role, key: &StreamKey, sealed: &Sealed) {
        if role == Role::Publish {
            self.directory.ended(key);
        }
        self.live.ended(role, sealed, End::HttpEnded);
    }
}

async fn ask(
    how: &How,
    origin: &Origin,
    session: &LiveSession,
    sealed: &Sealed,
    mut budget: Budget,
) -> Result<StatusCode, Failed> {
    let mut request = Request::new(body::empty());
    *request.method_mut() = Method::DELETE;
    *request.uri_mut() = Uri::from(sealed.resource.clone());
    let headers = request.headers_mut();
    let id = HeaderValue::from_str(session.request_id());
    headers.extend(id.ok().map(|id| (REQUEST_ID, id)));
    // The client's own, which RFC 9725 §4.7 wants on a DELETE, too.
    headers.extend(session.authorization().map(|field| (AUTHORIZATION, field)));
    let phases = Phases::default();
    let answer = how.nodes.carry(origin, request, &mut budget, &phases).await;
    answer.map(|answer| answer.response.status())
}

impl fmt::Debug for Ender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ender").finish_non_exhaustive()
    }
}
