//! The real Stream Manager: what it is asked, and what is passed on to it.

use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Either, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use whipstitch_config::manager_address;
use whipstitch_origin::{BaseUrl, Cause, Resolver, config::StreamManager, connect::Clients};
use whipstitch_signaling::{Api, headers::strip_hop_by_hop};

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// For an answer that is read here.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest answer that is read here, in bytes.
const LONGEST: usize = 1 << 20;
const POOL_SIZE: usize = 16;

type Body = Either<Incoming, Empty<Bytes>>;

/// The Stream Manager that `[stream_manager]` names.
pub(crate) struct Upstream {
    api: Api,
    base: BaseUrl,
    clients: Clients<Body>,
    /// What the paths of lists and statistics begin with.
    calls: String,
}

/// Why a Stream Manager is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Silent {
    /// It cannot be reached, or does not answer.
    #[error("it does not answer: {0}")]
    Unreachable(Cause),
    /// Something answers that does not know the calls of this generation.
    #[error(
        "it answers {0} to {1}: is it a Stream Manager of this generation? --api chooses the other one"
    )]
    Stranger(StatusCode, String),
}

impl Upstream {
    /// The manager of these settings, not asked yet. The error says what is wrong with them.
    pub(crate) fn new(settings: &StreamManager, tasks: &TaskTracker) -> Result<Self, String> {
        let address = manager_address(settings, Resolver::system(tasks.clone()))
            .map_err(|error| error.to_string())?;
        let calls = match settings.api {
            Api::V1 => format!("/streammanager/api/{}/event/", settings.api_version),
            Api::V2 => format!("/as/v1/streams/stream/{}", settings.node_group),
        };
        Ok(Self {
            api: settings.api,
            base: address.base().clone(),
            clients: Clients::new(address, CONNECT_WITHIN, POOL_SIZE)
                .map_err(|error| error.to_string())?,
            calls,
        })
    }

    pub(super) fn api(&self) -> Api {
        self.api
    }

    /// Whether a manager of this generation answers. One that wants a login first does.
    pub(crate) async fn check(&self) -> Result<(), Silent> {
        let list = match self.api {
            Api::V1 => "list",
            Api::V2 => "",
        };
        let answer = self.get(list).await.map_err(Silent::Unreachable)?;
        let status = answer.status();
        let knows = status.is_success()
            || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if knows {
            Ok(())
        } else {
            Err(Silent::Stranger(status, format!("{}{list}", self.calls)))
        }
    }

    /// The answer to a call of the API; `None` if it is no JSON of status 200.
    pub(super) async fn json(&self, call: &str) -> Option<Value> {
        let answer = self.get(call).await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(answer.into_body(), LONGEST).collect();
        let body = timeout(ANSWER_WITHIN, body).await.ok()?.ok()?;
        serde_json::from_slice(&body.to_bytes()).ok()
    }

    async fn get(&self, call: &str) -> Result<Response<Incoming>, Cause> {
        let request = self.base.get(&format!("{}{call}", self.calls));
        let request = request
            .body(Either::Right(Empty::new()))
            .map_err(|error| Cause::of(&error, ANSWER_WITHIN))?;
        self.send(request, ANSWER_WITHIN).await
    }

    /// Passes a request on. How long to wait for the answer is the proxy's affair.
    pub(super) async fn pass(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Cause> {
        let (mut head, body) = request.into_parts();
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        head.uri = self
            .base
            .uri(target)
            .map_err(|error| Cause::of(&error, Duration::ZERO))?;
        head.version = Version::HTTP_11;
        strip_hop_by_hop(&mut head.headers);
        head.headers.insert(header::HOST, self.base.host().clone());
        let request = Request::from_parts(head, Either::Left(body));
        let mut answer = self.send(request, Duration::MAX).await?;
        strip_hop_by_hop(answer.headers_mut());
        self.relocate(&mut answer);
        Ok(answer)
    }

    /// A redirect to the manager's own address would lead past the proxy: only its path is kept.
    fn relocate(&self, answer: &mut Response<Incoming>) {
        let location = answer.headers().get(header::LOCATION);
        let path = location
            .and_then(|location| self.base.at_clients(location.to_str().ok()?))
            .and_then(|path| HeaderValue::from_str(&path).ok());
        if let Some(path) = path {
            answer.headers_mut().insert(header::LOCATION, path);
        }
    }

    async fn send(
        &self,
        request: Request<Body>,
        within: Duration,
    ) -> Result<Response<Incoming>, Cause> {
        let (client, begun) = (self.clients.current().await, Instant::now());
        match timeout(within, client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Cause::of(&error, begun.elapsed())),
            Err(_) => Err(Cause::Timeout(within)),
        }
    }
}
