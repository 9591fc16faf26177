//! `GET /sessions`: who is here, searched, sorted and paged.

use std::{cmp::Reverse, net::{IpAddr, SocketAddr}, str::FromStr, sync::Arc};

use http::{Response, StatusCode};
use serde::Serialize;
use whipstitch_proxy::{
    Live,
    live::{LiveSession, SessionId},
};
use whipstitch_signaling::{StreamKey, query};

use super::answer::{self, Body, unix_ms};

/// Rows of a page unless said otherwise, and the most.
const PER_PAGE: usize = 100;
const MOST_PER_PAGE: usize = 500;
/// Longest text that is searched for, in bytes.
const MAX_SEARCH: usize = 256;

/// `GET /sessions`
#[derive(Debug, Serialize)]
struct List {
    total: usize,
    matching: usize,
    page: usize,
    pages: usize,
    sessions: Vec<Row>,
}

/// One session.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    kind: &'static str,
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
    sort: Sort,
    descending: bool,
    page: usize,
    per_page: usize,
}

impl Question {
    fn parse(raw: &str) -> Result<Self, String> {
        let number = |key, default| match query::get(raw, key) {
            None | Some("") => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{key} is a number from 1 on")),
            },
        };
        let search = query::get(raw, "search").unwrap_or_default();
        // A form writes a blank as `+`.
        let search = query::percent_decode(&search.replace('+', " "))
            .filter(|search| search.len() <= MAX_SEARCH)
            .ok_or_else(|| format!("search is text of at most {MAX_SEARCH} bytes"))?;
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
            search: search.to_lowercase(),
            sort,
            descending,
            page: number("page", 1)?,
            per_page: number("per_page", PER_PAGE)?.min(MOST_PER_PAGE),
        })
    }

    fn matches(&self, session: &LiveSession) -> bool {
        if self.search.is_empty() {
            return true;
        }
        let holds = |text: &str| text.to_lowercase().contains(&self.search);
        holds(session.scope())
            || session
                .stream()
                .is_some_and(|stream| holds(stream.as_str()))
            || holds(&session.node().to_string())
            || session
                .client()
                .is_some_and(|client| holds(&client.to_string()))
            || session.agent().is_some_and(holds)
            || holds(session.kind().label())
            || holds(&session.id().to_string())
    }

    fn order(&self, sessions: &mut [Arc<LiveSession>]) {
        // Each key is taken once: counts change while they are looked at, and an order that changes is none.
        match self.sort {
            Sort::Age => sessions.sort_by_cached_key(|session| Reverse(session.id())),
            Sort::Rate => sessions.sort_by_cached_key(|session| (session.rate(), session.id())),
            Sort::Bytes => sessions.sort_by_cached_key(|session| {
                let bytes = session.bytes().map(|(up, down)| up.saturating_add(down));
                (bytes, session.id())
            }),
            Sort::Activity => {
                sessions.sort_by_cached_key(|session| (session.last_activity(), session.id()));
            }
            Sort::Stream => sessions.sort_by_cached_key(|session| {
                let stream = session.stream().map(|stream| stream.as_str().to_owned());
                (session.scope().to_owned(), stream, session.id())
            }),
        }
        if self.descending {
            sessions.reverse();
        }
    }

    fn page(&self, mut sessions: Vec<Arc<LiveSession>>) -> List {
        let total = sessions.len();
        sessions.retain(|session| self.matches(session));
        self.order(&mut sessions);
        let before = (self.page - 1).saturating_mul(self.per_page);
        let rows = sessions.iter().skip(before).take(self.per_page);
        List {
            total,
            matching: sessions.len(),
            page: self.page,
            pages: sessions.len().div_ceil(self.per_page).max(1),
            sessions: rows.map(|session| Row::of(session)).collect(),
        }
    }
}

impl Row {
    fn of(session: &LiveSession) -> Self {
        let (up, down) = session.bytes().unzip();
        Self {
            id: session.id().to_string(),
            kind: session.kind().label(),
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

/// A page of all.
pub(super) fn list(live: &Live, query: &str) -> Response<Body> {
    match Question::parse(query) {
        Ok(question) => answer::json(&question.page(live.all())),
        Err(words) => answer::error(StatusCode::BAD_REQUEST, &words),
    }
}

/// One of them.
pub(super) fn one(live: &Live, id: &str) -> Response<Body> {
    match find(live, id) {
        Some(session) => answer::json(&Row::of(&session)),
        None => unknown(),
    }
}

/// The session of this id, as a client wrote it.
pub(super) fn find(live: &Live, id: &str) -> Option<Arc<LiveSession>> {
    live.get(id.parse::<SessionId>().ok()?)
}

pub(super) fn unknown() -> Response<Body> {
    answer::error(
        StatusCode::NOT_FOUND,
        "there is no such session, or it is over",
    )
}
