//! Polls the Stream Manager's list of its nodes, so that a node is known before any lookup names it
//! (Red5 Pro documentation, Stream Manager REST API 4.0, `/admin/nodegroup`).
//!
//! The administration API asks for a token that opens everything there. It is read from its file at each poll, goes to
//! the configured manager and to nobody else, and no error and no line of the log holds it.

mod reply;
mod token;

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, Limited};
use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use whipstitch_signaling::Api;

use crate::{
    AllowedOrigins, Metrics, config,
    connect::{Clients, ManagerAddress},
    stream_manager::MAX_LIST,
};

pub use token::{AccessToken, TokenError};

/// Most node groups that are looked at.
const MAX_GROUPS: usize = 100;
/// Longest piece of the file that is read, in bytes: more than any token.
const MAX_FILE: u64 = 4096;
/// Most nodes taken from all of them.
const MAX_NODES: usize = 10_000;

/// Looks at the list of nodes every now and then.
#[derive(Debug)]
pub struct NodeList {
    clients: Clients<Empty<Bytes>>,
    /// Scheme, authority and path, up to `/nodegroup`.
    base: String,
    token_file: PathBuf,
    timeout: Duration,
    every: Duration,
    allowed: Arc<AllowedOrigins>,
    metrics: Metrics,
}

impl NodeList {
    /// A poll of this manager, if it is one of 1.x and there is a file with a token for it.
    ///
    /// # Errors
    /// See [`Clients::new`].
    pub fn new(
        manager: ManagerAddress,
        config: &config::StreamManager,
        every: Duration,
        allowed: Arc<AllowedOrigins>,
        metrics: Metrics,
    ) -> std::io::Result<Option<Self>> {
        let (Api::V1, Some(token_file)) = (config.api, config.access_token_file.clone()) else {
            return Ok(None);
        };
        let (base, version) = (manager.base(), &config.api_version);
        Ok(Some(Self {
            base: format!("{base}/streammanager/api/{version}/admin/nodegroup"),
            clients: Clients::new(manager, config.timeout, 1)?,
            token_file,
            timeout: config.timeout,
            every,
            allowed,
            metrics,
        }))
    }

    /// Polls until `stop`, and at once whenever `now` is notified. A failure is counted, told once, and harms nobody: what was named before stays named as long
    /// as `nodes.named_for` says.
    pub async fn run(self, stop: CancellationToken, now: Arc<Notify>) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let polls = async {
            let mut before = None;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = now.notified() => {}
                }
                let found = self.poll().await;
                self.metrics.polled(found.is_ok());
                tell(before.replace(found), found);
            }
        };
        tokio::select! {
            () = polls => {}
            () = stop.cancelled() => {}
        }
    }

    /// Looks once; how many nodes were named. Those of the groups that answered are named also if another one failed.
    async fn poll(&self) -> Result<usize, PollError> {
        let file = self.token_file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let text = read.ok().flatten().ok_or(PollError::TokenUnreadable)?;
        let token = AccessToken::parse(&text)?;
        let groups = reply::groups(&self.get("", &token).await?).ok_or(PollError::NotAList)?;
        let (mut running, mut failed) = (BTreeSet::new(), None);
        for group in groups.iter().take(MAX_GROUPS) {
            match self.group(group, &token).await {
                Ok(nodes) => running.extend(nodes),
                // One that is just being deleted, or that cannot be read, is no word against the nodes of the others.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let named = self.hear(&running);
        failed.map_or(Ok(named), Err)
    }

    async fn group(&self, name: &str, token: &AccessToken) -> Result<BTreeSet<String>, PollError> {
        let path = format!("/{}/node", reply::percent_encoded(name));
        let body = self.get(&path, token).await?;
        let running = reply::running(&body).ok_or(PollError::NotAList)?;
        Ok(running.into_iter().collect())
    }

    /// How many of these are nodes.
    fn hear(&self, running: &BTreeSet<String>) -> usize {
        let mut named = 0;
        for address in running.iter().take(MAX_NODES) {
            match self.allowed.hear(address) {
                Ok(()) => named += 1,
                Err(refusal) => {
                    debug!(address = %crate::answer::quote(address), %refusal, "a node of the list is not dialled");
                }
            }
        }
        named
    }

    async fn get(&self, path: &str, token: &AccessToken) -> Result<Bytes, PollError> {
        let url = format!(
            "{}{path}?accessToken={}",
            self.base,
            token.percent_encoded()
        );
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|_| PollError::NotAList)?;
        // Neither hyper's errors nor the URL are kept: the token is in there.
        let exchange = async {
            let client = self.clients.current().await;
            let answer = client.request(request).await;
            let answer = answer.map_err(|_| PollError::Unreachable)?;
            match answer.status() {
                StatusCode::OK => {}
                status => return Err(PollError::Status(status.as_u16())),
            }
            let body = Limited::new(answer.into_body(), MAX_LIST).collect().await;
            body.map(Collected::to_bytes).map_err(|_| PollError::Broken)
        };
        timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(PollError::Timeout))
    }
}

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(file).ok()?;
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Says what is new, and nothing while it stays as it is.
fn tell(before: Option<Result<usize, PollError>>, now: Result<usize, PollError>) {
    match (before, now) {
        (before, Err(error)) if before != Some(Err(error)) => {
            warn!(%error, "the Stream Manager's list of nodes is not known");
        }
        (before, Ok(nodes)) if before != Some(Ok(nodes)) => {
            info!(nodes, "the Stream Manager's list of nodes");
        }
        _ => {}
    }
}

/// Why the list is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum PollError {
    #[error("stream_manager.access_token_file cannot be read")]
    TokenUnreadable,
    #[error("stream_manager.access_token_file {0}")]
    Token(#[from] TokenError),
    #[error("the Stream Manager cannot be reached")]
    Unreachable,
    #[error("the Stream Manager did not answer in time")]
    Timeout,
    #[error(
        "the Stream Manager answered with status {0}; 401 and 403 mean that the access token is not its own"
    )]
    Status(u16),
    #[error("the Stream Manager's answer broke off, or was longer than a mebibyte")]
    Broken,
    #[error("the Stream Manager answered with something that is not a list")]
    NotAList,
}

#[cfg(test)]
mod tests;
