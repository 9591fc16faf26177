//! `GET /streams`: the sessions by stream: who publishes, at which node, how many watch.
//!
//! A WebSocket that names a stream publishes it. A subscriber's names only its scope, so the
//! viewers by WebSocket are counted by scope, in a row of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use http::{Response, StatusCode};
use serde::Serialize;
use whipstitch_proxy::{SessionKind, SessionTable, SessionView};
use whipstitch_signaling::{StreamKey, query};

use super::{
    answer::{self, Body, unix_ms},
    paging::{Extent, Paging},
    sessions,
};

/// Most nodes that are listed of one stream.
const MOST_NODES: usize = 8;

/// `GET /streams`
#[derive(Debug, Serialize)]
struct List {
    total: usize,
    #[serde(flatten)]
    extent: Extent,
    streams: Vec<Row>,
}

/// One stream; WebSockets that name no stream are together, by scope.
#[derive(Debug, Default, Serialize)]
struct Row {
    scope: String,
    stream: Option<String>,
    /// The youngest publisher, by WHIP or WebSocket.
    publisher: Option<Publisher>,
    publishers: usize,
    viewers: usize,
    sockets: usize,
    nodes: BTreeSet<SocketAddr>,
    /// The start of the oldest session.
    began_at: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Publisher {
    began_at: u64,
    node: SocketAddr,
    client: Option<IpAddr>,
    agent: Option<String>,
}

impl Row {
    fn add(&mut self, session: &SessionView) {
        let began = unix_ms(session.began());
        self.began_at = match self.began_at {
            0 => began,
            oldest => oldest.min(began),
        };
        if self.nodes.len() < MOST_NODES {
            self.nodes.insert(session.node());
        }
        match (session.kind(), session.stream()) {
            (SessionKind::Whep, _) => self.viewers += 1,
            (SessionKind::Whip, _) | (SessionKind::Socket, Some(_)) => {
                self.publishers += 1;
                self.publisher = self.publisher.take().max(Some(Publisher {
                    began_at: began,
                    node: session.node(),
                    client: session.client(),
                    agent: session.agent().map(str::to_owned),
                }));
            }
            _ => self.sockets += 1,
        }
    }

    fn matches(&self, search: &str) -> bool {
        let name = match &self.stream {
            Some(stream) => format!("{}/{stream}", self.scope),
            None => self.scope.clone(),
        };
        name.to_lowercase().contains(search)
    }

    fn audience(&self) -> usize {
        self.viewers + self.sockets
    }
}

/// A page of the streams, those with the most viewers first.
pub(super) fn list(table: &SessionTable, asked: &str) -> Response<Body> {
    match page(table, asked) {
        Ok(list) => answer::json(&list),
        Err(words) => answer::error(StatusCode::BAD_REQUEST, &words),
    }
}

fn page(table: &SessionTable, asked: &str) -> Result<List, String> {
    let search = sessions::search(query::get(asked, "search").unwrap_or_default())?;
    let paging = Paging::parse(asked)?;
    let mut by_stream: BTreeMap<(String, Option<String>), Row> = BTreeMap::new();
    for session in &table.all() {
        let stream = session.stream().map(StreamKey::name).map(str::to_owned);
        let key = (session.scope().to_owned(), stream);
        by_stream.entry(key).or_default().add(session);
    }
    let total = by_stream.len();
    let mut rows: Vec<Row> = by_stream
        .into_iter()
        .map(|((scope, stream), row)| Row {
            scope,
            stream,
            ..row
        })
        .filter(|row| row.matches(&search))
        .collect();
    // Stable, so that equals stay in the order of their names.
    rows.sort_by_key(|row| std::cmp::Reverse(row.audience()));
    let (extent, streams) = paging.cut(rows);
    Ok(List {
        total,
        extent,
        streams,
    })
}
