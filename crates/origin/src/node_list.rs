//! Polls the Stream Manager's list of its nodes, so that a node is known before any lookup names
//! it: `host=` and WebSockets of clients that another replica led there are admitted here.
//!
//! | generation | list | who asks |
//! |---|---|---|
//! | 1.x | `/admin/nodegroup`, `/admin/nodegroup/{group}/node` (Stream Manager REST API 4.0) | `accessToken` in the query |
//! | 2.0 | `/as/v1/admin/nodegroup`, `/as/v1/admin/nodegroup/status/{group}` (Stream Manager 2.0 Admin API) | a token of [`login`] in `Authorization` |
//!
//! Only nodes that serve are named: of 1.x `running` and `inservice`, of 2.0 `INSERVICE`. A node in
//! `SOFT_SUNSET` takes no new sessions, so it is not named any more; the sessions that it still
//! carries are not cut off, since a sealed session URL needs no naming, and a node stays named for
//! `nodes.named_for` after the last list that held it.
//!
//! The administration API opens everything at the manager. Its secrets are read from their files at
//! each poll, go to the configured manager only, and neither an error nor a line of the log holds
//! one.

mod admin;
mod calls;
pub mod login;
mod reply;
mod token;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::{admin::AdminApi, calls::CallError};
use crate::{AllowedOrigins, Metrics, config, connect::ManagerAddress};

pub use login::{LoginError, Password, SecretError, User};
pub use token::{AccessToken, TokenError};

/// Most node groups that are looked at.
const MAX_GROUPS: usize = 100;
/// Most nodes taken from all of them.
const MAX_NODES: usize = 10_000;

/// Polls the list of nodes.
#[derive(Debug)]
pub struct NodeList {
    admin: AdminApi,
    every: Duration,
    allowed: Arc<AllowedOrigins>,
    metrics: Metrics,
}

impl NodeList {
    /// A poll of this manager, if the configuration names the secrets that its generation asks for.
    ///
    /// # Errors
    /// See [`crate::connect::Clients::new`].
    pub fn new(
        manager: ManagerAddress,
        config: &config::StreamManager,
        every: Duration,
        allowed: Arc<AllowedOrigins>,
        metrics: Metrics,
    ) -> std::io::Result<Option<Self>> {
        let Some(admin) = AdminApi::new(manager, config, &metrics)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            admin,
            every,
            allowed,
            metrics,
        }))
    }

    /// Polls until `stop`, and at once whenever `now` is notified. A failed poll is counted and
    /// logged at the change of state only; nodes that were named before stay named for
    /// `nodes.named_for`.
    pub async fn run(mut self, stop: CancellationToken, now: Arc<Notify>) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let polls = async {
            let mut before = None;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = now.notified() => self.admin.retry_now(),
                }
                let found = self.poll().await;
                self.metrics
                    .polled(found.as_ref().copied().map_err(ToString::to_string));
                log(before.as_ref(), &found);
                before = Some(found);
            }
        };
        tokio::select! {
            () = polls => {}
            () = stop.cancelled() => {}
        }
    }

    /// Polls once, outside of [`NodeList::run`]; how many nodes were named.
    ///
    /// # Errors
    /// Why the list is not known, in words without a secret.
    pub async fn poll_once(mut self) -> Result<usize, String> {
        self.poll().await.map_err(|error| error.to_string())
    }

    /// Polls once; how many nodes were named. The nodes of the groups that answered are named also
    /// if another group failed.
    async fn poll(&mut self) -> Result<usize, PollError> {
        let (groups, pass) = self.admin.groups().await?;
        let (mut serving, mut failed) = (BTreeSet::new(), None);
        for group in groups.iter().take(MAX_GROUPS) {
            match self.admin.nodes(group, &pass).await {
                Ok(nodes) => serving.extend(nodes),
                // A group that is just being deleted, or that cannot be read, says nothing about
                // the nodes of the others.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let named = self.name(&serving);
        failed.map_or(Ok(named), Err)
    }

    /// How many of these pass the gate.
    fn name(&self, serving: &BTreeSet<String>) -> usize {
        let mut named = 0;
        for address in serving.iter().take(MAX_NODES) {
            match self.allowed.hear(address) {
                Ok(()) => named += 1,
                Err(refusal) => {
                    debug!(address = %crate::answer::quote(address), %refusal, "a node of the list is not dialled");
                }
            }
        }
        named
    }
}

/// Logs what is new, and nothing while it stays as it is. A failed login has its own line.
fn log(before: Option<&Result<usize, PollError>>, now: &Result<usize, PollError>) {
    match now {
        Err(PollError::Login(_)) => {}
        _ if before == Some(now) => {}
        Err(error) => warn!(%error, "the Stream Manager's list of nodes is not known"),
        Ok(nodes) => info!(nodes, "the Stream Manager's list of nodes"),
    }
}

/// Why the list is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PollError {
    #[error("stream_manager.access_token_file cannot be read: {0}")]
    TokenUnreadable(std::io::ErrorKind),
    #[error("stream_manager.access_token_file {0}")]
    Token(#[from] TokenError),
    #[error("{0}")]
    Login(#[from] LoginError),
    #[error("the Stream Manager {0}")]
    Call(#[from] CallError),
    #[error("the Stream Manager answered with status {0}: it does not accept the credentials")]
    NotAllowed(u16),
    #[error("the Stream Manager answered with something that is not a list")]
    NotAList,
}

#[cfg(test)]
mod tests;
