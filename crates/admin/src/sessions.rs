//! `GET /sessions`: who is here, searched, sorted and paged.

use std::{
    cmp::Ordering,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use http::{Response, StatusCode};
use serde::Serialize;
use whipstitch_origin::NotAskable;
use whipstitch_proxy::{SessionId, SessionTable, SessionView};
use whipstitch_signaling::{StreamKey, query};

use super::{
    answer::{self, Body, unix_ms},
    paging::{Extent, Paging},
};

/// Longest text that is searched for, in bytes.
const MAX_SEARCH: usize = 256;

/// `GET /sessions`
#[derive(Debug, Serialize)]
struct List {
    total: usize,
    #[serde(flatten)]
    extent: Extent,
    /// WHIP and WHEP sessions of the whole table.
    not_ended_by_client: usize,
    vanished: Vanished,
    sessions: Vec<Row>,
}

/// Whether the sessions whose client vanished can be found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Vanished {
    state: Findable,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Findable {
    /// The Stream Manager was not asked yet.
    #[default]
    Unknown,
    Known,
    Failing,
}

impl Vanished {
    fn of(last_look: Option<Result<(), NotAskable>>) -> Self {
        let state = match &last_look {
            None => Findable::Unknown,
            Some(Ok(())) => Findable::Known,
            Some(Err(_)) => Findable::Failing,
        };
        let error = last_look.and_then(Result::err);
        let error = error.map(|error| error.to_string());
        Self { state, error }
    }
}

/// One session.
#[derive(Clone, Debug, Serialize)]
struct Row {
    id: String,
    kind: &'static str,
    state: &'static str,
    scope: String,
    stream: Option<String>,
    node: SocketAddr,
    client: Option<IpAddr>,
    agent: Option<String>,
    tls: bool,
    began_at: u64,
    /// Null for WHIP and WHEP, whose bytes are few and not counted by session.
    from_client_bytes: Option<u64>,
    from_node_bytes: Option<u64>,
    /// Bits a second, both ways, in the last five seconds.
    rate_bps: Option<u64>,
    last_activity_at: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Age,
    Rate,
    Bytes,
    Activity,
    Stream,
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "age" => Self::Age,
            "rate" => Self::Rate,
            "bytes" => Self::Bytes,
            "activity" => Self::Activity,
            "stream" => Self::Stream,
            _ => return Err("sort is age, rate, bytes, activity or stream".to_owned()),
        })
    }
}

/// What is asked for.
#[derive(Debug)]
struct Question {
    search: String,
    /// Only of this kind.
    kind: Option<String>,
    /// Only of this stream, as `scope/name`.
    of: Option<String>,
    sort: Sort,
    descending: bool,
    paging: Paging,
}

impl Question {
    fn parse(raw: &str) -> Result<Self, String> {
        let search = search(query::get(raw, "search").unwrap_or_default())?;
        let kind = match query::get(raw, "kind") {
            None | Some("") => None,
            Some(kind @ ("whip" | "whep" | "socket" | "manager")) => Some(kind.to_owned()),
            Some(_) => return Err("kind is whip, whep, socket or manager".to_owned()),
        };
        let of = match query::get(raw, "of") {
            None | Some("") => None,
            Some(of) => Some(decoded(of).ok_or_else(|| {
                format!("of is a stream, as scope/name, of at most {MAX_SEARCH} bytes")
            })?),
        };
        let sort = match query::get(raw, "sort") {
            None | Some("") => Sort::default(),
            Some(text) => text.parse()?,
        };
        let descending = match query::get(raw, "order") {
            // The oldest, the busiest and the latest first; names from A to Z.
            None | Some("") => sort != Sort::Stream,
            Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err("order is asc or desc".to_owned()),
        };
        Ok(Self {
            search,
            kind,
            of,
            sort,
            descending,
            paging: Paging::parse(raw)?,
        })
    }

    fn matches(&self, row: &Row) -> bool {
        if self.kind.as_ref().is_some_and(|kind| kind != row.kind) {
            return false;
        }
        let full = || match &row.stream {
            Some(stream) => format!("{}/{stream}", row.scope),
            None => row.scope.clone(),
        };
        if self.of.as_ref().is_some_and(|of| *of != full()) {
            return false;
        }
        if self.search.is_empty() {
            return true;
        }
        let holds = |text: &str| text.to_lowercase().contains(&self.search);
        let name = |stream: &String| holds(&format!("{}/{stream}", row.scope));
        holds(&row.id)
            || holds(row.kind)
            || holds(row.state)
            || holds(&row.scope)
            || row.stream.as_ref().is_some_and(name)
            || holds(&row.node.to_string())
            || row.client.is_some_and(|client| holds(&client.to_string()))
            || row.agent.as_deref().is_some_and(holds)
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let bytes = |row: &Row| row.from_client_bytes.zip(row.from_node_bytes);
        let bytes = |row: &Row| bytes(row).map(|(up, down)| up.saturating_add(down));
        let order = match self.sort {
            // The older, the greater.
            Sort::Age => b.began_at.cmp(&a.began_at),
            Sort::Rate => a.rate_bps.cmp(&b.rate_bps),
            Sort::Bytes => bytes(a).cmp(&bytes(b)),
            Sort::Activity => a.last_activity_at.cmp(&b.last_activity_at),
            Sort::Stream => (&a.scope, &a.stream).cmp(&(&b.scope, &b.stream)),
        };
        // Ids count upwards, so that equals keep their places from page to page.
        let order = order.then_with(|| b.id.cmp(&a.id));
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }

    /// The rows are a picture of one moment: counts that change while they are sorted would make no
    /// order.
    fn page(&self, mut rows: Vec<Row>) -> List {
        let total = rows.len();
        let is_http = |row: &&Row| matches!(row.kind, "whip" | "whep");
        let not_ended_by_client = rows.iter().filter(is_http).count();
        rows.retain(|row| self.matches(row));
        rows.sort_by(|a, b| self.compare(a, b));
        let (extent, sessions) = self.paging.cut(rows);
        List {
            total,
            extent,
            not_ended_by_client,
            vanished: Vanished::default(),
            sessions,
        }
    }
}

impl Row {
    fn of(session: &SessionView, table: &SessionTable) -> Self {
        let (up, down) = session.bytes().unzip();
        Self {
            id: session.id().to_string(),
            kind: session.kind().label(),
            state: table.state(session),
            scope: session.scope().to_owned(),
            stream: session.stream().map(StreamKey::name).map(str::to_owned),
            node: session.node(),
            client: session.client(),
            agent: session.agent().map(str::to_owned),
            tls: session.is_secure(),
            began_at: unix_ms(session.began()),
            from_client_bytes: up,
            from_node_bytes: down,
            rate_bps: session.rate().map(|bytes| bytes.saturating_mul(8)),
            last_activity_at: unix_ms(session.last_activity()),
        }
    }
}

/// Text that is searched for, in lower case.
pub(super) fn search(raw: &str) -> Result<String, String> {
    let search = decoded(raw);
    let search = search.ok_or_else(|| format!("search is text of at most {MAX_SEARCH} bytes"))?;
    Ok(search.to_lowercase())
}

/// A form writes a blank as `+`.
fn decoded(raw: &str) -> Option<String> {
    query::percent_decode(&raw.replace('+', " ")).filter(|text| text.len() <= MAX_SEARCH)
}

/// A page of all.
pub(super) fn list(table: &SessionTable, query: &str) -> Response<Body> {
    match Question::parse(query) {
        Ok(question) => {
            let sessions = table.all();
            let rows = sessions.iter().map(|session| Row::of(session, table));
            let mut list = question.page(rows.collect());
            list.vanished = Vanished::of(table.finds_vanished());
            answer::json(&list)
        }
        Err(words) => answer::error(StatusCode::BAD_REQUEST, &words),
    }
}

/// One of them.
pub(super) fn one(table: &SessionTable, id: &str) -> Response<Body> {
    match find(table, id) {
        Some(session) => answer::json(&Row::of(&session, table)),
        None => unknown(),
    }
}

/// The session of this id, as a client wrote it.
pub(super) fn find(table: &SessionTable, id: &str) -> Option<Arc<SessionView>> {
    table.get(id.parse::<SessionId>().ok()?)
}

pub(super) fn unknown() -> Response<Body> {
    answer::error(
        StatusCode::NOT_FOUND,
        "there is no such session, or it is over",
    )
}

#[cfg(test)]
mod tests;
