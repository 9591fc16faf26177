//! Which streams the Stream Manager lists as published: how a session is found whose client
//! vanished without a DELETE.
//!
//! | generation | question | covers |
//! |---|---|---|
//! | 1.x | `event/list` (Stream Manager REST API 4.0, List Streams) | every stream of the manager |
//! | 2.0 | `streams/stream/{nodeGroup}` (Streams API, List All Streams) for each node group that a lookup of this process named, then `…/stream/{guid}` (Get Stream Stats) for each wanted stream that no list holds | these groups |
//!
//! The list of 2.0 leaves out nodes in `SOFT_SUNSET`, which still carry sessions; the second
//! question has no such limit in the documents, so only a "no" to both counts as absent.
//!
//! Neither question needs credentials. A manager that answers one with 401, 403, 404 or 405 is not
//! asked again for [`REFUSED_FOR`]. An open circuit breaker prevents the questions, and their
//! faults do not count towards it: a manager may serve lookups and no list.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use whipstitch_signaling::StreamKey;

use crate::{
    breaker::Breaker,
    cause::Cause,
    error::ManagerFault,
    stream_manager::{MAX_ANSWER, StreamManager},
};

/// Longest list that is read, in bytes: some 20,000 streams.
const MAX_LIST: usize = 4 * 1024 * 1024;
/// Most streams that one look asks about singly.
const MAX_SINGLE: usize = 64;
/// Longest time of one look, all of its questions together.
const LOOK: Duration = Duration::from_secs(10);
/// How long a manager is not asked after it refused the question.
const REFUSED_FOR: Duration = Duration::from_mins(10);

/// Asks the manager for its published streams; one question at a time. Clones share the state.
#[derive(Clone)]
pub struct LiveStreams {
    manager: Arc<StreamManager>,
    breaker: Breaker,
    state: Arc<Mutex<State>>,
}

/// Held during a look.
#[derive(Default)]
struct State {
    /// The manager refused the question with this status at this time.
    refused: Option<(u16, Instant)>,
    /// Wanted streams that were published in an earlier look.
    listed: HashSet<StreamKey>,
}

/// Why the manager's streams are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAskable {
    /// The circuit breaker is open.
    #[error("the Stream Manager is down")]
    Down,
    /// The manager refused the question with this status, now or less than [`REFUSED_FOR`] ago.
    #[error("the Stream Manager does not list its streams: it answers with status {0}")]
    Refused(u16),
    /// The question got no usable answer.
    #[error("the Stream Manager gave no list of its streams: {0}")]
    Fault(Cause),
}

impl LiveStreams {
    /// Asks `manager` as long as `breaker` is closed.
    pub fn new(manager: Arc<StreamManager>, breaker: Breaker) -> Self {
        Self {
            manager,
            breaker,
            state: Arc::default(),
        }
    }

    /// Looks once. `wanted` are the streams that the caller has sessions of. Returns those that
    /// have a publisher, or may have one: where the lists do not cover the whole manager, a stream
    /// that was never listed may belong to a node group that was not asked for.
    ///
    /// # Errors
    /// Why the streams are not known.
    pub async fn look(
        &self,
        wanted: &BTreeSet<StreamKey>,
    ) -> Result<HashSet<StreamKey>, NotAskable> {
        let mut state = self.state.lock().await;
        if let Some((status, at)) = state.refused
            && at.elapsed() < REFUSED_FOR
        {
            return Err(NotAskable::Refused(status));
        }
        if self.breaker.is_open() {
            return Err(NotAskable::Down);
        }
        let looked = timeout(LOOK, self.ask(wanted, &mut state.listed)).await;
        let looked = looked.unwrap_or(Err(NotAskable::Fault(Cause::Timeout(LOOK))));
        state.refused = match &looked {
            Err(NotAskable::Refused(status)) => Some((*status, Instant::now())),
            _ => None,
        };
        looked
    }

    async fn ask(
        &self,
        wanted: &BTreeSet<StreamKey>,
        before: &mut HashSet<StreamKey>,
    ) -> Result<HashSet<StreamKey>, NotAskable> {
        let lists = self.manager.stream_lists();
        let mut streams = HashSet::new();
        for path in &lists.paths {
            let (status, body) = self.get(path, MAX_LIST).await?;
            match status {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED => {
                    return Err(NotAskable::Refused(status.as_u16()));
                }
                status => return Err(NotAskable::Fault(Cause::Status(status.as_u16()))),
            }
            // A long list would hold up this thread's other tasks.
            let manager = self.manager.clone();
            let read = tokio::task::spawn_blocking(move || manager.published(&body)).await;
            let listed = read.ok().flatten();
            streams.extend(listed.ok_or(NotAskable::Fault(Cause::NotJson))?);
        }
        streams.retain(|key| wanted.contains(key));
        before.retain(|key| wanted.contains(key));
        before.extend(streams.iter().cloned());
        if !lists.complete {
            let unknown = wanted.iter().filter(|key| !before.contains(*key));
            streams.extend(unknown.cloned());
            self.ask_singly(wanted, &mut streams).await;
        }
        Ok(streams)
    }

    /// Adds the wanted streams that are published though no list holds them, and those for which
    /// the manager gives no answer.
    async fn ask_singly(&self, wanted: &BTreeSet<StreamKey>, streams: &mut HashSet<StreamKey>) {
        let mut questions = MAX_SINGLE;
        let unlisted: Vec<_> = wanted
            .iter()
            .filter(|key| !streams.contains(*key))
            .cloned()
            .collect();
        for key in unlisted {
            let paths = self.manager.single_streams(&key);
            let absent = match questions.checked_sub(paths.len()) {
                Some(left) => {
                    questions = left;
                    self.is_absent(&paths).await
                }
                None => false,
            };
            if !absent {
                streams.insert(key);
            }
        }
    }

    /// Whether the manager says "no such stream" to all of these.
    async fn is_absent(&self, paths: &[String]) -> bool {
        if paths.is_empty() {
            return false;
        }
        for path in paths {
            let absent = match self.get(path, MAX_ANSWER).await {
                Ok((StatusCode::NOT_FOUND, _)) => true,
                Ok((StatusCode::OK, body)) => {
                    let published = self.manager.published(&body);
                    published.is_some_and(|published| published.is_empty())
                }
                Ok(_) | Err(_) => false,
            };
            if !absent {
                return false;
            }
        }
        true
    }

    async fn get(&self, path: &str, most: usize) -> Result<(StatusCode, Vec<u8>), NotAskable> {
        let answer = self.manager.get(path, most).await;
        answer.map_err(|fault: ManagerFault| {
            NotAskable::Fault(fault.cause().unwrap_or(Cause::Stopping))
        })
    }
}

impl fmt::Debug for LiveStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStreams")
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
