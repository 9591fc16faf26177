//! The administration API of either generation: where it lists groups and nodes, and how a call
//! says who asks.

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use whipstitch_signaling::Api;

use super::{
    AccessToken, PollError,
    calls::{CallError, Calls, read},
    login::Login,
    reply,
};
use crate::{Metrics, answer::MAX_LIST, config, connect::ManagerAddress};

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
    /// See [`Calls::new`].
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
            calls: Calls::new(manager, config.timeout)?,
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
