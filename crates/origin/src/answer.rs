//! What an answer to a lookup says, as far as both generations of the Stream Manager write it alike
//! (Red5 Pro documentation, Stream Manager REST API 4.0 and Stream Manager 2.0).

use std::{collections::HashSet, sync::Arc};

use serde::Deserialize;

/// Longest answer to a lookup that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Longest list of streams or of nodes that is read, in bytes.
pub const MAX_LIST: usize = 1024 * 1024;
/// Most different addresses taken from one answer.
const MAX_ADDRESSES: usize = 1024;
/// Longest piece of a foreign text that is quoted, in characters.
const MAX_QUOTE: usize = 120;

/// 1.x answers one node, or several if `endpoints` asks for more than one; 2.0 always a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Many(Vec<Event>),
    One(Event),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    server_address: Option<String>,
    error_message: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// `None` if it is of another shape.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        // RFC 8259 §8.1 lets a reader ignore the mark.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        serde_json::from_slice(body).ok()
    }

    fn events(&self) -> &[Event] {
        match self {
            Self::Many(events) => events,
            Self::One(event) => std::slice::from_ref(event),
        }
    }

    /// The nodes that it names, each once. An event that is an error names none.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        self.events()
            .iter()
            .filter(|event| event.error_message.is_none() && event.error.is_none())
            .filter_map(|event| event.server_address.as_deref())
            .filter(move |address| seen.insert(*address))
            .take(MAX_ADDRESSES)
    }

    /// What 1.x says of a failure.
    pub(crate) fn error_message(&self) -> Option<Arc<str>> {
        let mut messages = self.events().iter().map(|event| &event.error_message);
        messages.find_map(Option::as_deref).map(quote)
    }

    /// What 2.0 says of a failure.
    pub(crate) fn error(&self) -> Option<Arc<str>> {
        let mut messages = self.events().iter().map(|event| &event.error);
        messages.find_map(Option::as_deref).map(quote)
    }
}

/// A foreign text, cut and without control characters, so that it can stand in a log line.
pub(crate) fn quote(text: &str) -> Arc<str> {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_QUOTE)
        .collect::<String>()
        .into()
}
