//! The administration API of either generation: where it lists groups and nodes, and how a call
//! says who asks.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, LengthLimitError, Limited};
use thiserror::Error;
use tokio::time::{Instant, timeout};
use whipstitch_signaling::{
    Api,
    coding::{self, Coding},
};

use super::{AccessToken, PollError, login::Login, reply};
use crate::{
    BaseUrl, Cause, Metrics,
    answer::MAX_LIST,
    config,
    connect::{Clients, ManagerAddress},
};

/// Longest piece of a secret's file that is read, in bytes: more than any secret.
const MAX_FILE: u64 = 4096;

/// The administration API of one manager.
#[derive(Debug)]
pub(super) struct AdminApi {
    calls: Calls,
    generation: Generation,
}

/// What the generations do in different ways.
#[derive(Debug)]
enum Generation {
    V1 { list: String, token_file: PathBuf },
    V2 { list: String, login: Box<Login> },
}

/// What a call shows to the manager.
pub(super) enum Pass {
    /// In the query.
    AccessToken(AccessToken),
    /// In `Authorization`.
    Bearer(HeaderValue),
}

impl AdminApi {
    /// The API of this manager, if the configuration names the secrets for it.
    ///
    /// # Errors
    /// See [`Clients::new`].
    pub(super) fn new(
        manager: ManagerAddress,
        config: &config::StreamManager,
        metrics: &Metrics,
    ) -> std::io::Result<Option<Self>> {
        let generation = match config.api {
            Api::V1 => config
                .access_token_file
                .clone()
                .map(|token_file| Generation::V1 {
                    list: format!("/streammanager/api/{}/admin/nodegroup", config.api_version),
                    token_file,
                }),
            Api::V2 => {
                let files = config.user_file.clone().zip(config.password_file.clone());
                files.map(|(user, password)| Generation::V2 {
                    list: "/as/v1/admin/nodegroup".to_owned(),
                    login: Box::new(Login::new(
                        "/as/v1/auth/login".to_owned(),
                        user,
                        password,
                        metrics.clone(),
                    )),
                })
            }
        };
        let Some(generation) = generation else {
            return Ok(None);
        };
        Ok(Some(Self {
            calls: Calls {
                base: manager.base().clone(),
                clients: Clients::new(manager, config.timeout, 1)?,
                timeout: config.timeout,
            },
            generation,
        }))
    }

    /// The operator asks for a poll: a login that was refused is tried again now.
    pub(super) fn retry_now(&mut self) {
        if let Generation::V2 { login, .. } = &mut self.generation {
            login.retry_now();
        }
    }

    /// The names of the groups, and what the manager accepted for them. A token of a login that the
    /// manager does not accept any more is replaced, once.
    pub(super) async fn groups(&mut self) -> Result<(Vec<String>, Pass), PollError> {
        let pass = self.pass().await?;
        let listed = self.list_groups(&pass).await;
        let Generation::V2 { login, .. } = &mut self.generation else {
            return listed.map(|groups| (groups, pass));
        };
        if is_accepted(&listed) {
            login.accepted();
        }
        if !is_unauthorized(&listed) {
            return listed.map(|groups| (groups, pass));
        }
        login.rejected()?;
        let pass = self.pass().await?;
        let listed = self.list_groups(&pass).await;
        if let Generation::V2 { login, .. } = &mut self.generation {
            if is_unauthorized(&listed) {
                login.rejected()?;
            } else if is_accepted(&listed) {
                login.accepted();
            }
        }
        listed.map(|groups| (groups, pass))
    }

    /// The addresses of the nodes of this group that serve.
    pub(super) async fn nodes(&self, group: &str, pass: &Pass) -> Result<Vec<String>, PollError> {
        let group = reply::percent_encoded(group);
        let nodes = match &self.generation {
            Generation::V1 { list, .. } => {
                reply::running(&self.get(&format!("{list}/{group}/node"), pass).await?)
            }
            Generation::V2 { list, .. } => {
                reply::in_service(&self.get(&format!("{list}/status/{group}"), pass).await?)
            }
        };
        nodes.ok_or(PollError::NotAList)
    }

    async fn list_groups(&self, pass: &Pass) -> Result<Vec<String>, PollError> {
        let (Generation::V1 { list, .. } | Generation::V2 { list, .. }) = &self.generation;
        reply::groups(&self.get(list, pass).await?).ok_or(PollError::NotAList)
    }

    async fn pass(&mut self) -> Result<Pass, PollError> {
        match &mut self.generation {
            Generation::V1 { token_file, .. } => {
                let text = read(token_file.clone()).await;
                let text = text.map_err(PollError::TokenUnreadable)?;
                Ok(Pass::AccessToken(AccessToken::parse(&text)?))
            }
            Generation::V2 { login, .. } => Ok(Pass::Bearer(login.token(&self.calls).await?)),
        }
    }

    async fn get(&self, path: &str, pass: &Pass) -> Result<Bytes, PollError> {
        let (mut path, mut headers) = (path.to_owned(), HeaderMap::new());
        match pass {
            Pass::AccessToken(token) => {
                path = format!("{path}?accessToken={}", token.percent_encoded());
            }
            Pass::Bearer(token) => {
                headers.insert(header::AUTHORIZATION, token.clone());
            }
        }
        let answer = self.calls.send(Method::GET, &path, headers, MAX_LIST).await;
        answer.map_err(|error| match error {
            CallError::Status(status @ (401 | 403)) => PollError::NotAllowed(status),
            error => error.into(),
        })
    }
}

/// Whether the manager has looked at the token and knows it: 403 says that its user may not see the
/// list. A timeout, or the status of a gateway, says nothing of the token.
fn is_accepted<T>(answer: &Result<T, PollError>) -> bool {
    matches!(answer, Ok(_) | Err(PollError::NotAllowed(403)))
}

fn is_unauthorized<T>(answer: &Result<T, PollError>) -> bool {
    matches!(answer, Err(PollError::NotAllowed(401)))
}

/// Sends calls to the manager.
#[derive(Debug)]
pub(super) struct Calls {
    base: BaseUrl,
    clients: Clients<Empty<Bytes>>,
    timeout: Duration,
}

impl Calls {
    /// The body of a 200 to a call of this path, at most `most` bytes of it. Redirects are not
    /// followed.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        most: usize,
    ) -> Result<Bytes, CallError> {
        let request = self.base.get(path).method(method).body(Empty::new());
        let mut request = request.map_err(|_| CallError::NotAUrl)?;
        request.headers_mut().extend(headers);
        request
            .headers_mut()
            .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        // Neither hyper's errors nor the URL are kept: a secret may be in there. A `Cause` holds
        // neither.
        let began = Instant::now();
        let unreachable = |error: &(dyn std::error::Error + 'static)| {
            CallError::Unreachable(Cause::of(error, began.elapsed()))
        };
        let exchange = async {
            let client = self.clients.current().await;
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| unreachable(&error))?;
            match answer.status() {
                StatusCode::OK => {}
                status => return Err(CallError::Status(status.as_u16())),
            }
            let coding = coding::of(answer.headers());
            let body = Limited::new(answer.into_body(), most).collect().await;
            let body = body.map(Collected::to_bytes).map_err(|error| {
                if error.is::<LengthLimitError>() {
                    CallError::TooLong
                } else {
                    unreachable(error.as_ref())
                }
            })?;
            plain(coding, body, most)
        };
        timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(CallError::Unreachable(Cause::Timeout(self.timeout))))
    }
}

/// The body as it is meant, without the mark that some writers of UTF-8 begin with (RFC 8259 §8.1).
fn plain(coding: Coding, body: Bytes, most: usize) -> Result<Bytes, CallError> {
    let body = match coding {
        Coding::None => body,
        coding => coding
            .decoded(&body, most)
            .ok_or(CallError::TooLong)?
            .into(),
    };
    Ok(match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => body.slice_ref(text),
        None => body,
    })
}

/// Why a call got no answer that can be read; said of the manager.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// No connection, one that broke before the end of the answer, or no answer in
    /// `stream_manager.timeout`.
    #[error("gave no answer: {0}")]
    Unreachable(Cause),
    /// Another status than 200.
    #[error("answered with status {0}")]
    Status(u16),
    /// The body is longer than any honest one.
    #[error("sent an answer that is too long")]
    TooLong,
    /// A name of a group that makes no URL.
    #[error("named a group that cannot be asked for")]
    NotAUrl,
}

/// The beginning of a file with a secret, or why it cannot be read.
pub(super) async fn read(file: PathBuf) -> Result<String, ErrorKind> {
    let read = tokio::task::spawn_blocking(move || read_now(&file)).await;
    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| error.kind())
}

fn read_now(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    // The byte order mark that some editors write.
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}
