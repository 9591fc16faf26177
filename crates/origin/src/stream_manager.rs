//! Asks the Stream Manager's event API (Red5 Pro documentation, Stream Manager REST API 4.0).

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tracing::{debug, warn};
use whipstitch_signaling::{Role, StreamKey};

use crate::{
    AllowedOrigins, BaseUrl, Candidates, Claim, Lookup, LookupError, ManagerFault, Metrics, Source,
    answer::{Answer, interpret, quote},
    config, connect,
    lookup::Refused,
};

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Longest answer that is read for the nodes in it while it passes to a client, in bytes: a list of all streams.
pub const MAX_LIST: usize = 1024 * 1024;

/// A [`Source`] that asks each time.
pub struct StreamManager {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: BaseUrl,
    api_version: String,
    timeout: Duration,
    publish_endpoints: usize,
    play_endpoints: usize,
    allowed: Arc<AllowedOrigins>,
    metrics: Metrics,
}

impl StreamManager {
    /// Makes a client of the manager at `base`; nothing is asked yet.
    ///
    /// # Errors
    /// See [`connect::connector`].
    pub fn new(
        base: BaseUrl,
        config: &config::StreamManager,
        lookup: &config::Lookup,
        allowed: Arc<AllowedOrigins>,
        metrics: Metrics,
    ) -> std::io::Result<Self> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_max_idle_per_host(16)
            .build(connect::connector(&base, config.timeout)?);
        let api_version = config.api_version.clone();
        Ok(Self {
            client,
            base,
            api_version,
            timeout: config.timeout,
            publish_endpoints: lookup.publish_endpoints,
            play_endpoints: lookup.play_endpoints,
            allowed,
            metrics,
        })
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        let asked = Instant::now();
        let answer = match tokio::time::timeout(self.timeout, self.find(lookup)).await {
            Ok(Ok(answer)) => self.admit(&answer).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LookupError::Manager(ManagerFault::Timeout)),
        };
        self.metrics.asked(asked, &answer);
        debug!(stream = %lookup.key, role = lookup.role.action(), ?answer, elapsed = ?asked.elapsed(), "lookup");
        if let Err(LookupError::Refused(refused)) = &answer {
            // Not the client's fault and not to be told to it, so this is where the operator learns of it.
            warn!(stream = %lookup.key, %refused, "the Stream Manager names no node that may be dialled");
        }
        answer
    }

    /// Asks for the stream, and for the one that it is a variant of if only that is known.
    async fn find(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        let answer = self.fetch(&lookup.key, lookup).await;
        match (&answer, lookup.transcoded_base()) {
            (Err(LookupError::NotFound(_)), Some(base)) => self.fetch(&base, lookup).await,
            _ => answer,
        }
    }

    async fn fetch(&self, key: &StreamKey, lookup: &Lookup) -> Result<Answer, LookupError> {
        let request = Request::get(self.url(key, lookup))
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|_| ManagerFault::NotAnAnswer)?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|_| ManagerFault::Unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ManagerFault::TooLong
                } else {
                    ManagerFault::Unreachable
                }
            })?;
        interpret(status, &body.to_bytes())
    }

    fn url(&self, key: &StreamKey, lookup: &Lookup) -> String {
        let Self {
            base, api_version, ..
        } = self;
        let (action, hints) = (lookup.role.action(), lookup.hints.as_str());
        let mut url = format!("{base}/streammanager/api/{api_version}/event/{key}?action={action}");
        if !hints.is_empty() {
            url.extend(["&", hints]);
        }
        let endpoints = match lookup.role {
            Role::Publish => self.publish_endpoints,
            Role::Play => self.play_endpoints,
        };
        // A client that asks for a number of its own gets that.
        if endpoints > 1 && lookup.hints.get("endpoints").is_none() {
            url.extend(["&endpoints=", &endpoints.to_string()]);
        }
        url
    }

    async fn admit(&self, answer: &Answer) -> Result<Candidates, LookupError> {
        let mut refused = None;
        let mut origins = Vec::new();
        for address in answer.addresses() {
            match self.allowed.admit(Claim::Manager(address)).await {
                Ok(origin) => origins.push(origin),
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
    fn ask<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.look_up(lookup))
    }
}

impl fmt::Debug for StreamManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamManager")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl From<ManagerFault> for LookupError {
    fn from(fault: ManagerFault) -> Self {
        Self::Manager(fault)
    }
}

/// Learns the nodes that the manager names in an answer that passes through us to a client.
///
/// An answer of another shape names nobody, and an address that may not be dialled stays unknown.
pub async fn learn(allowed: &AllowedOrigins, body: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return;
    };
    for address in answer.addresses() {
        if let Err(refusal) = allowed.admit(Claim::Manager(address)).await {
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
        )
        .await;
        learn(&allowed, b"<html>").await;
        learn(
            &allowed,
            br#"{"serverAddress":"10.0.0.2","errorMessage":"no"}"#,
        )
        .await;
        assert!(allowed.admit(Claim::Client("10.0.0.2")).await.is_err());
        assert!(allowed.admit(Claim::Client("10.0.0.1")).await.is_ok());
        assert!(allowed.admit(Claim::Client("127.0.0.1")).await.is_err());
    }
}
