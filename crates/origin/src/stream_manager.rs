//! Asks the Stream Manager, in the words of the generation that is configured.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};
use whipstitch_signaling::{
    Role, StreamKey,
    coding::{self, Coding},
};

pub use crate::answer::{MAX_ANSWER, MAX_LIST};
use crate::{
    AllowedOrigins, Asker, BaseUrl, Candidates, Cause, Claim, Lookup, LookupError, ManagerFault,
    Metrics, Refusal, Source,
    answer::{Answer, quote},
    api::{self, ListedStream, ManagerApi},
    config,
    connect::{Clients, ManagerAddress},
    error::Refused,
};

/// Says for which client a lookup is made. Stream Manager 16.0 chooses the region by it; the name
/// of the header is inferred.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most node groups whose streams can be listed.
const MAX_GROUPS: usize = 8;

/// Idle connections kept.
const POOL_SIZE: usize = 16;

/// A [`Source`] that asks each time.
pub struct StreamManager {
    clients: Clients<Empty<Bytes>>,
    base: BaseUrl,
    api: Box<dyn ManagerApi>,
    timeout: Duration,
    publish_endpoints: usize,
    play_endpoints: usize,
    allowed: Arc<AllowedOrigins>,
    /// Node groups in which lookups found nodes; none with an API without groups.
    groups: Mutex<BTreeSet<String>>,
    metrics: Metrics,
}

impl StreamManager {
    /// Makes a client of the manager; nothing is asked yet.
    ///
    /// # Errors
    /// See [`Clients::new`].
    pub fn new(
        manager: ManagerAddress,
        config: &config::StreamManager,
        lookup: &config::Lookup,
        allowed: Arc<AllowedOrigins>,
        metrics: Metrics,
    ) -> std::io::Result<Self> {
        let base = manager.base().clone();
        Ok(Self {
            clients: Clients::new(manager, config.timeout, POOL_SIZE)?,
            base,
            api: api::configured(config),
            timeout: config.timeout,
            publish_endpoints: lookup.publish_endpoints,
            play_endpoints: lookup.play_endpoints,
            allowed,
            groups: Mutex::default(),
            metrics,
        })
    }

    async fn look_up(&self, lookup: &Lookup, asker: Asker) -> Result<Candidates, LookupError> {
        let began = Instant::now();
        let answer = match self.find(lookup, asker).await {
            Ok(answer) => {
                self.learn_group(lookup);
                let most = lookup.candidates(self.endpoints(lookup));
                let deadline = Instant::now() + self.timeout;
                self.admit(&answer, most, deadline).await
            }
            Err(error) => Err(error),
        };
        self.metrics.asked(began, &answer, asker);
        debug!(stream = %lookup.key, role = lookup.role.action(), ?answer, elapsed = ?began.elapsed(), "lookup");
        if let Err(LookupError::Refused(refused)) = &answer {
            // Not the client's fault and not to be told to it, so this is where the operator learns
            // of it.
            warn!(stream = %lookup.key, %refused, "the Stream Manager names no node that may be dialled");
        }
        answer
    }

    /// Asks for the stream, and for the one that it is a variant of if only that is known.
    async fn find(&self, lookup: &Lookup, asker: Asker) -> Result<Answer, LookupError> {
        let answer = self.fetch_in_time(&lookup.key, lookup, asker).await;
        match (&answer, lookup.transcoded_base()) {
            (Err(LookupError::NotFound(_)), Some(base)) => {
                self.fetch_in_time(&base, lookup, asker).await
            }
            _ => answer,
        }
    }

    async fn fetch_in_time(
        &self,
        key: &StreamKey,
        lookup: &Lookup,
        asker: Asker,
    ) -> Result<Answer, LookupError> {
        timeout(self.timeout, self.fetch(key, lookup, asker))
            .await
            .unwrap_or(Err(ManagerFault::Timeout(self.timeout).into()))
    }

    async fn fetch(
        &self,
        key: &StreamKey,
        lookup: &Lookup,
        asker: Asker,
    ) -> Result<Answer, LookupError> {
        let path = self.question(key, lookup);
        let (status, body) = self.send(&path, asker, MAX_ANSWER).await?;
        self.api.interpret(status, &body)
    }

    /// Sends one GET of the proxy's own, within the time limit of a lookup.
    pub(crate) async fn get(
        &self,
        path: &str,
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), ManagerFault> {
        timeout(self.timeout, self.send(path, Asker::UNKNOWN, most))
            .await
            .unwrap_or(Err(ManagerFault::Timeout(self.timeout)))
    }

    /// Status and decoded body of a GET; a body of at most `most` bytes.
    async fn send(
        &self,
        path: &str,
        asker: Asker,
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), ManagerFault> {
        let mut request = self
            .base
            .get(path)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| {
                warn!(path, %error, "the Stream Manager is not asked: a question makes no valid URL");
                ManagerFault::NotAnAnswer
            })?;
        if let Some(client) = asker.forwarded_for() {
            request.headers_mut().insert(FORWARDED_FOR, client);
        }
        let began = Instant::now();
        let response = self
            .clients
            .current()
            .await
            .request(request)
            .await
            .map_err(|error| ManagerFault::Unreachable(Cause::of(&error, began.elapsed())))?;
        let status = response.status();
        let coding = coding::of(response.headers());
        let body = Limited::new(response.into_body(), most)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ManagerFault::TooLong
                } else {
                    ManagerFault::Unreachable(Cause::of(error.as_ref(), began.elapsed()))
                }
            })?;
        let body = body.to_bytes();
        if coding == Coding::None {
            return Ok((status, body.to_vec()));
        }
        // A body that cannot be decoded counts as one that is no JSON.
        Ok((status, coding.decoded(&body, most).unwrap_or_default()))
    }

    /// Paths of the lists of all published streams that this process may know.
    pub(crate) fn stream_lists(&self) -> Vec<String> {
        self.in_each_group(|group| self.api.list(group))
    }

    /// Paths that ask about this stream alone, one for each known node group.
    pub(crate) fn single_streams(&self, key: &StreamKey) -> Vec<String> {
        self.in_each_group(|group| self.api.single(group, key))
    }

    fn in_each_group(&self, path: impl Fn(Option<&str>) -> String) -> Vec<String> {
        let groups = self.groups();
        if groups.is_empty() {
            return vec![path(None)];
        }
        groups.iter().map(|group| path(Some(group))).collect()
    }

    /// The published streams of a list; `None` if the body is no list of streams.
    pub(crate) fn published(&self, body: &[u8]) -> Option<Vec<ListedStream>> {
        self.api.published(body)
    }

    /// Whether this answer to a question of [`Self::single_streams`] says that there is no
    /// publisher.
    pub(crate) fn is_absent(&self, status: StatusCode, body: &[u8]) -> bool {
        self.api.is_absent(status, body)
    }

    fn learn_group(&self, lookup: &Lookup) {
        if let Some(group) = self.api.group(lookup) {
            let mut groups = self.groups();
            if groups.len() < MAX_GROUPS && !groups.contains(group) {
                groups.insert(group.to_owned());
            }
        }
    }

    fn groups(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn question(&self, key: &StreamKey, lookup: &Lookup) -> String {
        self.api.question(key, lookup, self.endpoints(lookup))
    }

    /// How many nodes the manager is asked for, where the client leaves that to the proxy.
    fn endpoints(&self, lookup: &Lookup) -> usize {
        match lookup.role {
            Role::Publish => self.publish_endpoints,
            Role::Play => self.play_endpoints,
        }
    }

    /// The first `most` addresses are candidates; the gate learns the others, and nothing is sent
    /// there. Where the nodes are, and whether they meet what the client asked for, is the
    /// manager's decision. Names are resolved as long as there is time; an address takes none.
    async fn admit(
        &self,
        answer: &Answer,
        most: usize,
        deadline: Instant,
    ) -> Result<Candidates, LookupError> {
        let mut refused = None;
        let mut origins = Vec::new();
        for (place, address) in answer.addresses().enumerate() {
            let admitted = timeout_at(deadline, self.allowed.admit(Claim::Manager(address))).await;
            match admitted.unwrap_or(Err(Refusal::Unresolved)) {
                // One node may be named in two ways.
                Ok(origin) if place < most && !origins.contains(&origin) => origins.push(origin),
                Ok(_) => {}
                Err(refusal) => {
                    refused.get_or_insert_with(|| Refused {
                        address: quote(address),
                        refusal,
                    });
                }
            }
        }
        Candidates::new(origins).ok_or_else(|| match refused {
            Some(refused) => LookupError::Refused(refused),
            None => ManagerFault::NotAnAnswer.into(),
        })
    }
}

impl Source for StreamManager {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.look_up(lookup, asker))
    }
}

impl fmt::Debug for StreamManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamManager")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// Learns the nodes that the manager names in an answer that passes through us to a client.
///
/// An answer of another shape names no node, and an address that may not be dialled stays unknown.
pub fn learn(allowed: &AllowedOrigins, body: &[u8]) {
    let Some(answer) = Answer::parse(body) else {
        return;
    };
    for address in answer.addresses() {
        if let Err(refusal) = allowed.hear(address) {
            debug!(address = %quote(address), %refusal, "the Stream Manager names an address that is not dialled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_passes_by_is_learned() {
        let allowed = AllowedOrigins::new(&config::Nodes::default(), Metrics::default());
        learn(
            &allowed,
            br#"[{"serverAddress":"10.0.0.1"},{"serverAddress":"127.0.0.1"}]"#,
        );
        learn(&allowed, b"<html>");
        learn(
            &allowed,
            br#"{"serverAddress":"10.0.0.2","errorMessage":"no"}"#,
        );
        learn(
            &allowed,
            br#"[{"serverAddress":"10.0.0.3","error":"no"},{"streamGuid":"live/s","serverAddress":"10.0.0.4"}]"#,
        );
        assert!(allowed.admit(Claim::client("10.0.0.3")).await.is_err());
        assert!(allowed.admit(Claim::client("10.0.0.4")).await.is_ok());
        assert!(allowed.admit(Claim::client("10.0.0.2")).await.is_err());
        assert!(allowed.admit(Claim::client("10.0.0.1")).await.is_ok());
        assert!(allowed.admit(Claim::client("127.0.0.1")).await.is_err());
    }
}
