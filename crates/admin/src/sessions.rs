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

    fn matches(&self, row: &Row) -> bool {
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
        let matching = rows.len();
        let before = (self.page - 1).saturating_mul(self.per_page);
        let rows = rows.into_iter().skip(before).take(self.per_page);
        List {
            total,
            matching,
            page: self.page,
            pages: matching.div_ceil(self.per_page).max(1),
            not_ended_by_client,
            vanished: Vanished::default(),
            sessions: rows.collect(),
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
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn row(number: u64) -> Row {
        Row {
            id: format!("{number:012x}"),
            kind: if number.is_multiple_of(2) {
                "socket"
            } else {
                "whep"
            },
            state: "open",
            scope: format!("live/room{}", number % 100),
            stream: Some(format!("stream{number}")),
            node: SocketAddr::from(([10, 0, 0, 1], 5080)),
            client: Some([192, 0, 2, 7].into()),
            agent: Some("Mozilla/5.0".to_owned()),
            tls: true,
            began_at: 1_000 + number,
            from_client_bytes: number.is_multiple_of(2).then_some(number),
            from_node_bytes: number.is_multiple_of(2).then_some(2 * number),
            rate_bps: number.is_multiple_of(2).then_some(number % 1_000),
            last_activity_at: 5_000 - number % 3_000,
        }
    }

    fn ask(query: &str, rows: Vec<Row>) -> List {
        Question::parse(query).unwrap().page(rows)
    }

    fn numbers(list: &List) -> Vec<u64> {
        let number = |row: &Row| row.began_at - 1_000;
        list.sessions.iter().map(number).collect()
    }

    #[test]
    fn each_order_and_its_opposite() {
        let rows = || (0..6).map(row).collect::<Vec<_>>();
        for (query, expected) in [
            ("", [0, 1, 2, 3, 4, 5]),
            ("sort=age&order=asc", [5, 4, 3, 2, 1, 0]),
            ("sort=bytes", [4, 2, 0, 1, 3, 5]),
            ("sort=rate&order=asc", [5, 3, 1, 0, 2, 4]),
            ("sort=activity", [0, 1, 2, 3, 4, 5]),
            ("sort=stream", [0, 1, 2, 3, 4, 5]),
            ("sort=stream&order=desc", [5, 4, 3, 2, 1, 0]),
        ] {
            assert_eq!(numbers(&ask(query, rows())), expected, "{query}");
        }
    }

    #[test]
    fn everything_that_is_shown_can_be_searched() {
        let rows = || (0..200).map(row).collect::<Vec<_>>();
        for (search, matching) in [
            ("ROOM7%2Fstream7", 1),
            ("stream19", 11),
            ("whep", 100),
            ("192.0.2.7", 200),
            ("10.0.0.1:5080", 200),
            ("mozilla%2F5", 200),
            ("0000000000c7", 1),
            ("+", 0),
            ("nobody", 0),
        ] {
            let list = ask(&format!("search={search}"), rows());
            assert_eq!((list.matching, list.total), (matching, 200), "{search}");
        }
    }

    #[test]
    fn sessions_that_no_client_ended_are_counted_and_a_refused_list_is_named() {
        let list = ask("search=stream1", (0..5).map(row).collect());
        assert_eq!((list.matching, list.not_ended_by_client), (1, 2));
        let refused = Vanished::of(Some(Err(NotAskable::Refused(401))));
        assert_eq!(refused.state, Findable::Failing);
        assert_eq!(
            refused.error.as_deref(),
            Some("the Stream Manager does not list its streams: it answers with status 401")
        );
        assert_eq!(Vanished::of(Some(Ok(()))).state, Findable::Known);
        assert_eq!(Vanished::of(None), Vanished::default());
    }

    #[test]
    fn nine_thousand_nine_hundred_are_paged_at_once() {
        let rows: Vec<_> = (0..9_900).map(row).collect();
        let mut seen = Vec::new();
        let mut took = Duration::MAX;
        for page in 1..=20 {
            let rows = rows.clone();
            let began = Instant::now();
            let list = ask(
                &format!("sort=activity&search=stream&per_page=500&page={page}"),
                rows,
            );
            took = took.min(began.elapsed());
            assert_eq!((list.matching, list.pages), (9_900, 20));
            seen.extend(numbers(&list));
        }
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..9_900), "each once");
        // Without optimisation; 10 ms with it.
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}
