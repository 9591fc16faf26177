//! The result of one request: an answer, or why there is none.

use std::time::Duration;

use http::HeaderMap;

use crate::url::Url;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its header.
    pub(crate) headers: HeaderMap,
    /// Its body as text.
    pub(crate) body: String,
    /// The URL that answered, after redirects.
    pub(crate) url: Url,
    /// How many redirects were followed.
    pub(crate) hops: usize,
    /// From the first byte of the connection to the last of the answer, redirects included.
    pub(crate) took: Duration,
}

impl Answer {
    /// Whether the status is one of 200 to 299.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first line of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every line of this name.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get_all(name).iter();
        lines.filter_map(|line| line.to_str().ok()).collect()
    }

    /// All lines of this name joined, as a browser's `Headers` show them.
    pub(crate) fn joined(&self, name: &str) -> Option<String> {
        let lines = self.lines(name);
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// The media type, without parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let media = value.split(';').next().unwrap_or_default();
        media.trim().to_ascii_lowercase()
    }

    /// Whether the body is a description that wants an answer (`a=setup:actpass`, RFC 5763 §5).
    pub(crate) fn is_offer(&self) -> bool {
        self.body.starts_with("v=") && self.body.contains("a=setup:actpass")
    }

    /// Status and first words, for people.
    pub(crate) fn shown(&self) -> String {
        let reason = http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        let words = self.words();
        let dash = if words.is_empty() { "" } else { ": " };
        format!("{} {reason}{dash}{words}", self.status)
    }

    /// The text of an error: the detail of a problem (RFC 9457), or the beginning of a text body.
    fn words(&self) -> String {
        if self.status < 400 {
            return String::new();
        }
        let media = self.media_type();
        let text = if media.ends_with("json") {
            let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
            let detail = ["detail", "errorMessage", "error", "message"];
            let detail = detail.iter().find_map(|key| json.get(key)?.as_str());
            detail.unwrap_or_default().to_owned()
        } else if media == "text/plain" {
            self.body.clone()
        } else {
            String::new()
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // The text is printed on a terminal.
        text.chars()
            .filter(|letter| !letter.is_control())
            .take(120)
            .collect()
    }
}

/// The result of one request.
#[derive(Clone, Debug)]
pub(crate) enum Exchange {
    /// An answer.
    Answer(Box<Answer>),
    /// No answer, and why.
    NoAnswer(String),
}

impl Exchange {
    /// The answer, if there is one.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::NoAnswer(_) => None,
        }
    }
}
