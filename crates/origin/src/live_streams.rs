//! Which streams the Stream Manager lists as published: how a session is found whose client
//! vanished without a DELETE.
//!
//! | generation | list | question about one stream |
//! |---|---|---|
//! | 1.x | `event/list` (Stream Manager REST API 4.0, List Streams): every stream of the manager | `event/{scope}/{stream}?action=subscribe` (Read Stream) |
//! | 2.0 | `streams/stream/{nodeGroup}` (Streams API, List All Streams), for each node group that a lookup of this process named | `…/stream/{guid}` (Get Stream Stats), in each of these groups |
//!
//! A list that does not name a stream proves little, so a stream counts as absent only if
//! - it was listed before: a manager may list the base of a variant alone, or write a scope
//!   differently, and a group that no lookup named has a list that is not asked for;
//! - the manager says "no such stream" to the question about this stream alone: the list of 2.0
//!   leaves out nodes in `SOFT_SUNSET`, which still carry sessions;
//! - the list has not shrunk to less than half within five minutes: a manager that restarts
//!   answers with an empty list until its nodes have reported.
//!
//! Neither question needs credentials. A manager that answers one with 401, 403, 404 or 405 is not
//! asked again for [`REFUSED_FOR`]. An open circuit breaker prevents the questions, and their
//! faults do not count towards it: a manager may serve lookups and no list.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    net::IpAddr,
    ops::Bound,
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
    api::ListedStream,
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
/// Fewest streams of a list that can shrink suspiciously.
const MIN_SHRINKING: usize = 3;
/// How long a list that has shrunk to less than half is not believed.
const SHRUNK_FOR: Duration = Duration::from_mins(5);

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
    /// The length of the last list that was believed, and when that was.
    believed: Option<(usize, Instant)>,
    /// The last stream that was asked about singly: the next look starts after it.
    last_single: Option<StreamKey>,
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Looked {
    /// The wanted streams that are listed, with their nodes; `None` if an entry names no address.
    listed: HashMap<StreamKey, Option<HashSet<IpAddr>>>,
    absent: HashSet<StreamKey>,
}

/// What one look found of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is listed, at these nodes if the list names them by address.
    Listed(Option<&'a HashSet<IpAddr>>),
    /// It has no publisher.
    Absent,
    /// It may have a publisher, or was not asked about.
    Unknown,
}

impl Looked {
    /// What was found of this stream.
    pub fn found(&self, key: &StreamKey) -> Found<'_> {
        match self.listed.get(key) {
            Some(nodes) => Found::Listed(nodes.as_ref()),
            None if self.absent.contains(key) => Found::Absent,
            None => Found::Unknown,
        }
    }

    fn add(&mut self, stream: ListedStream) {
        let nodes = self
            .listed
            .entry(stream.key)
            .or_insert_with(|| Some(HashSet::new()));
        match (nodes.as_mut(), stream.node) {
            (Some(nodes), Some(node)) => {
                nodes.insert(node);
            }
            _ => *nodes = None,
        }
    }
}

/// Why the manager's streams are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAskable {
    /// The circuit breaker is open.
    #[error("the Stream Manager is down")]
    Down,
    /// The manager refused the question with this status, now or less than ten minutes ago.
    #[error("the Stream Manager does not list its streams: it answers with status {0}")]
    Refused(u16),
    /// The question got no usable answer.
    #[error("the Stream Manager gave no list of its streams: {0}")]
    Fault(Cause),
    /// The list has shrunk to less than half within five minutes.
    #[error(
        "the Stream Manager's list of streams went from {from} to {to}: it may have restarted, and is not believed for now"
    )]
    Shrunk {
        /// Length of the last list that was believed.
        from: usize,
        /// Length of this one.
        to: usize,
    },
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

    /// Looks once. `judged` are the streams of sessions that may have vanished, `vanished` those of
    /// sessions that may be listed again: no single question is asked about these.
    ///
    /// # Errors
    /// Why the streams are not known.
    pub async fn look(
        &self,
        judged: &BTreeSet<StreamKey>,
        vanished: &BTreeSet<StreamKey>,
    ) -> Result<Looked, NotAskable> {
        let mut state = self.state.lock().await;
        if let Some((status, at)) = state.refused
            && at.elapsed() < REFUSED_FOR
        {
            return Err(NotAskable::Refused(status));
        }
        if self.breaker.is_open() {
            return Err(NotAskable::Down);
        }
        let looked = timeout(LOOK, self.ask(judged, vanished, &mut state)).await;
        let looked = looked.unwrap_or(Err(NotAskable::Fault(Cause::Timeout(LOOK))));
        state.refused = match &looked {
            Err(NotAskable::Refused(status)) => Some((*status, Instant::now())),
            _ => None,
        };
        looked
    }

    async fn ask(
        &self,
        judged: &BTreeSet<StreamKey>,
        vanished: &BTreeSet<StreamKey>,
        state: &mut State,
    ) -> Result<Looked, NotAskable> {
        let streams = self.lists().await?;
        let length = streams.len();
        let is_wanted = |key: &StreamKey| judged.contains(key) || vanished.contains(key);
        let mut looked = Looked::default();
        for stream in streams {
            if is_wanted(&stream.key) {
                looked.add(stream);
            }
        }
        state.listed.retain(is_wanted);
        state.listed.extend(looked.listed.keys().cloned());
        state.believe(length)?;
        let is_unlisted =
            |key: &&StreamKey| state.listed.contains(*key) && !looked.listed.contains_key(*key);
        let unlisted: BTreeSet<_> = judged.iter().filter(is_unlisted).cloned().collect();
        self.ask_singly(&unlisted, &mut looked.absent, &mut state.last_single)
            .await;
        Ok(looked)
    }

    /// The streams of all lists. A node group whose list is refused has none, as long as another
    /// group's list is answered: a group may have been deleted.
    async fn lists(&self) -> Result<Vec<ListedStream>, NotAskable> {
        let mut streams = Vec::new();
        let (mut answered, mut refused) = (false, None);
        for path in self.manager.stream_lists() {
            let (status, body) = self.get(&path, MAX_LIST).await?;
            match status {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED => {
                    refused = Some(NotAskable::Refused(status.as_u16()));
                    continue;
                }
                status => return Err(NotAskable::Fault(Cause::Status(status.as_u16()))),
            }
            // A long list would hold up this thread's other tasks.
            let manager = self.manager.clone();
            let read = tokio::task::spawn_blocking(move || manager.published(&body)).await;
            let listed = read.ok().flatten();
            streams.extend(listed.ok_or(NotAskable::Fault(Cause::NotJson))?);
            answered = true;
        }
        match refused {
            Some(refused) if !answered => Err(refused),
            _ => Ok(streams),
        }
    }

    /// Finds those of the unlisted streams that are absent. The questions of one look are bounded,
    /// so each look starts where the last one stopped.
    async fn ask_singly(
        &self,
        unlisted: &BTreeSet<StreamKey>,
        absent: &mut HashSet<StreamKey>,
        last: &mut Option<StreamKey>,
    ) {
        let start = last.take();
        let after = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let until = start
            .as_ref()
            .map(|last| (Bound::Unbounded, Bound::Included(last)));
        let first = unlisted.range::<StreamKey, _>((after, Bound::Unbounded));
        let then = until.map(|until| unlisted.range::<StreamKey, _>(until));
        let mut questions = MAX_SINGLE;
        for key in first.chain(then.into_iter().flatten()) {
            let paths = self.manager.single_streams(key);
            let Some(remaining) = questions.checked_sub(paths.len()) else {
                return;
            };
            questions = remaining;
            *last = Some(key.clone());
            if self.is_absent(&paths).await {
                absent.insert(key.clone());
            }
        }
    }

    /// Whether the manager says "no such stream" to all of these.
    async fn is_absent(&self, paths: &[String]) -> bool {
        for path in paths {
            let answer = self.get(path, MAX_ANSWER).await;
            if !answer.is_ok_and(|(status, body)| self.manager.is_absent(status, &body)) {
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

impl State {
    /// Whether a list of this length is believed.
    fn believe(&mut self, length: usize) -> Result<(), NotAskable> {
        if let Some((from, at)) = self.believed
            && from >= MIN_SHRINKING
            && length < from.div_ceil(2)
            && at.elapsed() < SHRUNK_FOR
        {
            return Err(NotAskable::Shrunk { from, to: length });
        }
        self.believed = Some((length, Instant::now()));
        Ok(())
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
