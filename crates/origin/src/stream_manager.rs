//! Asks the Stream Manager's event API (Red5 Pro documentation, Stream Manager REST API 4.0).

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, Uri, header, uri::Authority, uri::Scheme};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    AllowedOrigins, Candidates, Claim, Lookup, LookupError, ManagerFault, Metrics, Source, config,
    connect, lookup::Refused,
};

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Longest answer that is read for the nodes in it while it passes to a client, in bytes: a list of all streams.
pub const MAX_LIST: usize = 1024 * 1024;
/// Most different addresses taken from one answer.
const MAX_ADDRESSES: usize = 1024;
/// Longest piece of a foreign text that is quoted, in characters.
const MAX_QUOTE: usize = 120;

/// The Stream Manager's scheme and authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
}

impl BaseUrl {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::NotAUrl)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(BaseUrlError::NotAUrl);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(BaseUrlError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        if parts
            .path_and_query
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(BaseUrlError::Path);
        }
        Ok(Self { scheme, authority })
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// What is wrong with a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// No scheme, no host, or characters that a URL cannot have.
    #[error("is not a URL such as http://127.0.0.1:5080")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// Has a user or password.
    #[error("must not hold a user or password")]
    UserInfo,
    /// Has a path or a query.
    #[error("must end after host and port")]
    Path,
}

/// A [`Source`] that asks each time.
pub struct StreamManager {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: BaseUrl,
    api_version: String,
    timeout: Duration,
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
            allowed,
            metrics,
        })
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        let asked = Instant::now();
        let answer = match tokio::time::timeout(self.timeout, self.fetch(lookup)).await {
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

    async fn fetch(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        let request = Request::get(self.url(lookup))
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

    fn url(&self, lookup: &Lookup) -> String {
        let Self {
            base, api_version, ..
        } = self;
        let (key, action, hints) = (&lookup.key, lookup.role.action(), lookup.hints.as_str());
        let and = if hints.is_empty() { "" } else { "&" };
        format!("{base}/streammanager/api/{api_version}/event/{key}?action={action}{and}{hints}")
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

/// The event API answers one node, or several if `endpoints` asks for more than one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Many(Vec<Event>),
    One(Event),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    server_address: Option<String>,
    error_message: Option<String>,
}

impl Answer {
    fn events(&self) -> &[Event] {
        match self {
            Self::Many(events) => events,
            Self::One(event) => std::slice::from_ref(event),
        }
    }

    /// The nodes that it names, each once. An event that is an error names nobody.
    fn addresses(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        self.events()
            .iter()
            .filter(|event| event.error_message.is_none())
            .filter_map(|event| event.server_address.as_deref())
            .filter(move |address| seen.insert(*address))
            .take(MAX_ADDRESSES)
    }

    fn error(&self) -> Option<&str> {
        self.events()
            .iter()
            .find_map(|event| event.error_message.as_deref())
    }
}

/// The manager says "no" in three ways: with 400, with 404, and with 200 and an `errorMessage`.
fn interpret(status: StatusCode, body: &[u8]) -> Result<Answer, LookupError> {
    let answer = serde_json::from_slice::<Answer>(body);
    let said = answer.as_ref().ok().and_then(Answer::error).map(quote);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(LookupError::NotFound(said)),
        StatusCode::OK if said.is_some() => Err(LookupError::NotFound(said)),
        StatusCode::OK => answer.map_err(|_| ManagerFault::NotAnAnswer.into()),
        status => Err(ManagerFault::Status(status.as_u16()).into()),
    }
}

/// A foreign text, cut and without control characters, so that it can stand in a log line.
fn quote(text: &str) -> Arc<str> {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_QUOTE)
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Vec<String>, LookupError> {
        interpret(StatusCode::from_u16(status).unwrap(), body.as_bytes())
            .map(|answer| answer.addresses().map(str::to_owned).collect())
    }

    #[test]
    fn an_object_and_an_array_name_nodes() {
        let one = r#"{"name":"demo","scope":"/live","serverAddress":"104.197.131.87","region":"us-east-1"}"#;
        assert_eq!(read(200, one), Ok(vec!["104.197.131.87".into()]));
        let two = r#"[{"serverAddress":"10.0.0.1"},{"serverAddress":"10.0.0.2","hostname":"x"}]"#;
        assert_eq!(
            read(200, two),
            Ok(vec!["10.0.0.1".into(), "10.0.0.2".into()])
        );
    }

    #[test]
    fn a_no_is_told_from_a_fault() {
        let no = r#"{"errorMessage":"No stream\nthere","timestamp":1}"#;
        let not_found = Err(LookupError::NotFound(Some("No streamthere".into())));
        for status in [200, 400, 404] {
            assert_eq!(read(status, no), not_found, "{status}");
        }
        assert_eq!(read(404, "<html>"), Err(LookupError::NotFound(None)));
        assert_eq!(
            read(500, no),
            Err(LookupError::Manager(ManagerFault::Status(500)))
        );
        assert_eq!(
            read(302, ""),
            Err(LookupError::Manager(ManagerFault::Status(302)))
        );
        for garbage in [
            "",
            "<html></html>",
            "null",
            "42",
            r#"{"serverAddress":7}"#,
            "[1]",
        ] {
            assert_eq!(
                read(200, garbage),
                Err(LookupError::Manager(ManagerFault::NotAnAnswer)),
                "{garbage}"
            );
        }
        assert_eq!(read(200, "[]"), Ok(vec![]));
    }

    #[test]
    fn the_base_url_is_scheme_host_and_port() {
        assert_eq!(
            BaseUrl::parse("http://sm:5080/").unwrap().to_string(),
            "http://sm:5080"
        );
        for (text, error) in [
            ("", BaseUrlError::NotAUrl),
            ("sm:5080", BaseUrlError::NotAUrl),
            ("ftp://sm", BaseUrlError::Scheme),
            ("http://a:b@sm", BaseUrlError::UserInfo),
            ("http://sm/streammanager", BaseUrlError::Path),
            ("http://sm/?x", BaseUrlError::Path),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
        }
    }

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
