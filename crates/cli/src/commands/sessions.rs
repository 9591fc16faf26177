//! `whipstitch sessions`: the active sessions, and ending one of them.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    ask::{Answer, Asker, Failure, Question, Reach, encoded},
    show::{Column, Look, Style, age, bytes, clean, count, or_dash, rate, table},
};

/// Most sessions that one answer holds.
const PAGE: u32 = 500;

/// List the active sessions, or end one.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    list: List,
}

#[derive(Clone, Debug, Subcommand)]
enum Order {
    /// End a session: a socket gets a Close, a WHIP or WHEP session a DELETE at its node
    End(End),
}

#[derive(Clone, Debug, Args)]
struct End {
    /// The id of the session, as the list shows it
    id: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Args)]
struct List {
    /// Only sessions whose stream, node, client or id holds this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Age)]
    sort: Sort,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// Most sessions to show
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// The youngest
    Age,
    /// The busiest
    Rate,
    /// Those that have sent and received most
    Bytes,
    /// Those that were active last
    Activity,
    /// By the name of the stream
    Stream,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        match &self.order {
            Some(Order::End(end)) => &end.reach,
            None => &self.list.reach,
        }
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        match &self.order {
            Some(Order::End(end)) => end.ask(asker).await,
            None => self.list.ask(asker).await,
        }
    }
}

impl End {
    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if self.id.is_empty() || self.id.len() > 128 || !self.id.bytes().all(allowed) {
            let what = format_args!(
                "{:?} is no id of a session; `whipstitch sessions` shows them",
                self.id
            );
            return Err(Failure::usage(what));
        }
        let json = asker
            .post(&format!("/sessions/{}/end", self.id), &json!({}))
            .await?;
        Ok(Answer::good(
            json,
            format!("session {} is being ended\n", self.id),
        ))
    }
}

impl List {
    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let mut json = asker.get(&self.target(1)).await?;
        let mut page = 1;
        while self.wants_more(&json, page) {
            page += 1;
            let next = asker.get(&self.target(page)).await?;
            let more: Vec<Value> = Look(&next)
                .items("/sessions")
                .map(|one| one.0.clone())
                .collect();
            match json.get_mut("sessions").and_then(Value::as_array_mut) {
                Some(sessions) if !more.is_empty() => sessions.extend(more),
                _ => break,
            }
        }
        if let Some(sessions) = json.get_mut("sessions").and_then(Value::as_array_mut) {
            sessions.truncate(self.limit as usize);
        }
        let now = jiff::Timestamp::now().as_millisecond();
        let text = text(&json, self.search.as_deref(), now, asker.style);
        Ok(Answer::good(json, text))
    }

    fn wants_more(&self, json: &Value, page: u32) -> bool {
        let pages = Look(json).size("/pages").unwrap_or(1);
        u64::from(page) < pages && page * PAGE < self.limit
    }

    fn target(&self, page: u32) -> String {
        let sort = match self.sort {
            Sort::Age => "age",
            Sort::Rate => "rate",
            Sort::Bytes => "bytes",
            Sort::Activity => "activity",
            Sort::Stream => "stream",
        };
        // The youngest has the least age; the busiest and the latest have most.
        let up = matches!(self.sort, Sort::Age | Sort::Stream) != self.reverse;
        let order = if up { "asc" } else { "desc" };
        let search = encoded(self.search.as_deref().unwrap_or_default());
        let per_page = self.limit.min(PAGE);
        format!(
            "/sessions?search={search}&sort={sort}&order={order}&page={page}&per_page={per_page}"
        )
    }
}

const COLUMNS: &[Column] = &[
    Column::Left("ID"),
    Column::Left("KIND"),
    Column::Left("STREAM"),
    Column::Left("NODE"),
    Column::Left("CLIENT"),
    Column::Right("AGE"),
    Column::Right("FROM CLIENT"),
    Column::Right("FROM NODE"),
    Column::Right("RATE"),
    Column::Right("LAST HEARD OF"),
];

/// A row a session, and how many there are.
fn text(json: &Value, search: Option<&str>, now: i64, style: Style) -> String {
    let answer = Look(json);
    let rows: Vec<Vec<String>> = answer.items("/sessions").map(|one| row(one, now)).collect();
    let (shown, total) = (rows.len() as u64, answer.size("/total"));
    let matching = answer.size("/matching").or(total);
    let mut text = table(COLUMNS, &rows, style);
    let of = match matching {
        Some(matching) if matching > shown => {
            format!("{shown} of {}", count(matching, "session", "sessions"))
        }
        _ => count(shown, "session", "sessions"),
    };
    let among = match (search, total) {
        (Some(search), Some(total)) => format!(" with {:?}, among {total}", clean(search)),
        _ => String::new(),
    };
    text.push_str(&style.faint(&format!("{of}{among}")));
    text.push('\n');
    if let Some(not_ended) = answer.size("/not_ended_by_client")
        && not_ended > 0
    {
        let not_ended = count(not_ended, "WHIP/WHEP session", "WHIP/WHEP sessions");
        text.push_str(&style.faint(&format!("{not_ended} not ended by the client")));
        text.push_str(&vanished(answer, style));
        text.push('\n');
    }
    text
}

/// Whether publishers that vanished can be found.
fn vanished(answer: Look<'_>, style: Style) -> String {
    match answer.words("/vanished/state").as_str() {
        "known" => style.faint("; publishers that vanish are found by the Stream Manager's list"),
        "failing" => {
            let why = answer.words("/vanished/error");
            style.odd(&format!("; publishers that vanish cannot be found: {why}"))
        }
        _ => String::new(),
    }
}

fn row(one: Look<'_>, now: i64) -> Vec<String> {
    let stream = [one.words("/scope"), one.words("/stream")];
    let stream: Vec<String> = stream.into_iter().filter(|part| !part.is_empty()).collect();
    let since = |pointer: &str| or_dash(one.number(pointer).map(|at| age(now.saturating_sub(at))));
    let size = |pointer: &str| or_dash(one.size(pointer).map(bytes));
    vec![
        one.cell("/id"),
        one.cell("/kind"),
        stream.join("/"),
        one.cell("/node"),
        one.cell("/client"),
        since("/began_at"),
        size("/from_client_bytes"),
        size("/from_node_bytes"),
        or_dash(one.size("/rate_bps").map(rate)),
        since("/last_activity_at"),
    ]
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_row_a_session() {
        let json = json!({"total": 340, "matching": 12, "page": 1, "pages": 6, "sessions": [
            {"id": "s-1", "kind": "whip", "scope": "live", "stream": "a", "node": "10.0.0.7", "client": "192.0.2.1",
             "began_at": 0, "from_client_bytes": 2_000, "from_node_bytes": 1_500, "rate_bps": 0, "last_activity_at": 86_000_000},
            {"id": "s-22", "kind": "socket", "scope": "live/room1", "stream": "evil\u{1b}[2J", "node": "10.0.0.8",
             "client": "2001:db8::1", "began_at": 90_000_000, "from_client_bytes": null, "from_node_bytes": null}
        ]});
        assert_snapshot!(text(&json, Some("a"), 90_061_000, Style::plain()), @r#"
        ID    KIND    STREAM                    NODE      CLIENT         AGE  FROM CLIENT  FROM NODE     RATE  LAST HEARD OF
        s-1   whip    live/a                    10.0.0.7  192.0.2.1    1d 1h      1.9 KiB    1.4 KiB  0 bit/s          1h 7m
        s-22  socket  live/room1/evil\u{1b}[2J  10.0.0.8  2001:db8::1  1m 1s            -          -        -              -
        2 of 12 sessions with "a", among 340
        "#);
        assert_eq!(
            text(
                &json!({"total": 0, "sessions": []}),
                None,
                0,
                Style::plain()
            ),
            "0 sessions\n"
        );
    }

    #[test]
    fn sessions_that_no_client_ended_are_called_so() {
        let text = |state: &str, error: Option<&str>| {
            let vanished = json!({"state": state, "error": error});
            let json =
                json!({"total": 0, "not_ended_by_client": 3, "vanished": vanished, "sessions": []});
            text(&json, None, 0, Style::plain())
        };
        assert_snapshot!(text("unknown", None), @r"
        0 sessions
        3 WHIP/WHEP sessions not ended by the client
        ");
        assert_snapshot!(text("known", None), @r"
        0 sessions
        3 WHIP/WHEP sessions not ended by the client; publishers that vanish are found by the Stream Manager's list
        ");
        assert_snapshot!(text("failing", Some("status 401")), @r"
        0 sessions
        3 WHIP/WHEP sessions not ended by the client; publishers that vanish cannot be found: status 401
        ");
    }

    #[test]
    fn what_is_asked_for_comes_first() {
        let target = |sort, reverse| {
            let list = List {
                search: None,
                sort,
                reverse,
                limit: 10,
                reach: Reach::default(),
            };
            list.target(1)
        };
        for (sort, order) in [
            (Sort::Age, "sort=age&order=asc"),
            (Sort::Rate, "sort=rate&order=desc"),
            (Sort::Bytes, "sort=bytes&order=desc"),
            (Sort::Activity, "sort=activity&order=desc"),
            (Sort::Stream, "sort=stream&order=asc"),
        ] {
            assert!(target(sort, false).contains(order), "{order}");
            assert!(!target(sort, true).contains(order), "{order}");
        }
    }

    #[test]
    fn what_is_searched_for_cannot_add_to_the_question() {
        let list = List {
            search: Some("a&per_page=9 ü".to_owned()),
            sort: Sort::Rate,
            reverse: false,
            limit: 700,
            reach: Reach::default(),
        };
        assert_eq!(
            list.target(2),
            "/sessions?search=a%26per_page%3D9%20%C3%BC&sort=rate&order=desc&page=2&per_page=500"
        );
    }
}
