//! What an answer of the event API says (Red5 Pro documentation, Stream Manager REST API 4.0).

use std::{collections::HashSet, sync::Arc};

use http::StatusCode;
use serde::Deserialize;

use crate::{LookupError, ManagerFault};

/// Most different addresses taken from one answer.
const MAX_ADDRESSES: usize = 1024;
/// Longest piece of a foreign text that is quoted, in characters.
const MAX_QUOTE: usize = 120;

/// The event API answers one node, or several if `endpoints` asks for more than one.
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
}

impl Answer {
    fn events(&self) -> &[Event] {
        match self {
            Self::Many(events) => events,
            Self::One(event) => std::slice::from_ref(event),
        }
    }

    /// The nodes that it names, each once. An event that is an error names nobody.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        self.events()
            .iter()
            .filter(|event| event.error_message.is_none())
            .filter_map(|event| event.server_address.as_deref())
            .filter(move |address| seen.insert(*address))
            .take(MAX_ADDRESSES)
    }

    fn error(&self) -> Option<&str> {
        self.events()
            .iter()
            .find_map(|event| event.error_message.as_deref())
    }
}

/// The manager says "no" in three ways: with 400, with 404, and with 200 and an `errorMessage`.
pub(crate) fn interpret(status: StatusCode, body: &[u8]) -> Result<Answer, LookupError> {
    let answer = serde_json::from_slice::<Answer>(body);
    let said = answer.as_ref().ok().and_then(Answer::error).map(quote);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(LookupError::NotFound(said)),
        StatusCode::OK if said.is_some() => Err(LookupError::NotFound(said)),
        StatusCode::OK => answer.map_err(|_| ManagerFault::NotAnAnswer.into()),
        status => Err(ManagerFault::Status(status.as_u16()).into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Vec<String>, LookupError> {
        interpret(StatusCode::from_u16(status).unwrap(), body.as_bytes())
            .map(|answer| answer.addresses().map(str::to_owned).collect())
    }

    #[test]
    fn an_object_and_an_array_name_nodes() {
        let one = r#"{"name":"demo","scope":"/live","serverAddress":"104.197.131.87","region":"us-east-1"}"#;
        assert_eq!(read(200, one), Ok(vec!["104.197.131.87".into()]));
        let two = r#"[{"serverAddress":"10.0.0.1"},{"serverAddress":"10.0.0.2","hostname":"x"}]"#;
        assert_eq!(
            read(200, two),
            Ok(vec!["10.0.0.1".into(), "10.0.0.2".into()])
        );
    }

    #[test]
    fn a_no_is_told_from_a_fault() {
        let no = r#"{"errorMessage":"No stream\nthere","timestamp":1}"#;
        let not_found = Err(LookupError::NotFound(Some("No streamthere".into())));
        for status in [200, 400, 404] {
            assert_eq!(read(status, no), not_found, "{status}");
        }
        assert_eq!(read(404, "<html>"), Err(LookupError::NotFound(None)));
        assert_eq!(
            read(500, no),
            Err(LookupError::Manager(ManagerFault::Status(500)))
        );
        assert_eq!(
            read(302, ""),
            Err(LookupError::Manager(ManagerFault::Status(302)))
        );
        for garbage in [
            "",
            "<html></html>",
            "null",
            "42",
            r#"{"serverAddress":7}"#,
            "[1]",
        ] {
            assert_eq!(
                read(200, garbage),
                Err(LookupError::Manager(ManagerFault::NotAnAnswer)),
                "{garbage}"
            );
        }
        assert_eq!(read(200, "[]"), Ok(vec![]));
    }
}
