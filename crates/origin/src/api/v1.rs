//! The event API of Stream Manager 1.x (Red5 Pro documentation, Stream Manager REST API 4.0).

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use whipstitch_signaling::StreamKey;

use super::{ListedStream, ManagerApi, has_publisher, list_of};
use crate::{Lookup, LookupError, ManagerFault, answer::Answer};

/// `/streammanager/api/{version}/event/…`
pub(super) struct EventApi {
    version: String,
}

impl EventApi {
    pub(super) fn new(version: String) -> Self {
        Self { version }
    }
}

impl ManagerApi for EventApi {
    fn question(&self, key: &StreamKey, lookup: &Lookup, endpoints: usize) -> String {
        let (version, hints) = (&self.version, lookup.hints.as_str());
        let action = lookup.role.action();
        let mut question = format!("/streammanager/api/{version}/event/{key}?action={action}");
        if !hints.is_empty() {
            question.extend(["&", hints]);
        }
        if endpoints > 1 && lookup.hints.takes_endpoints() {
            question.extend(["&endpoints=", &endpoints.to_string()]);
        }
        question
    }

    /// The manager says "no" in three ways: with 400, with 404, and with 200 and an `errorMessage`.
    fn interpret(&self, status: StatusCode, body: &[u8]) -> Result<Answer, LookupError> {
        let answer = Answer::parse(body);
        let said = answer.as_ref().and_then(Answer::error_message);
        match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(LookupError::NotFound(said)),
            StatusCode::OK if said.is_some() => Err(LookupError::NotFound(said)),
            StatusCode::OK => answer.ok_or(ManagerFault::NotAnAnswer.into()),
            status => Err(ManagerFault::Status(status.as_u16()).into()),
        }
    }

    fn group<'a>(&'a self, _: &'a Lookup) -> Option<&'a str> {
        None
    }

    fn list(&self, _: Option<&str>) -> String {
        format!("/streammanager/api/{}/event/list", self.version)
    }

    fn single(&self, _: Option<&str>, key: &StreamKey) -> String {
        format!(
            "/streammanager/api/{}/event/{key}?action=subscribe",
            self.version
        )
    }

    fn is_absent(&self, status: StatusCode, body: &[u8]) -> bool {
        matches!(self.interpret(status, body), Err(LookupError::NotFound(_)))
    }

    fn published(&self, body: &[u8]) -> Option<Vec<ListedStream>> {
        let listed: Vec<Listed<'_>> = list_of(body)?;
        let published = listed
            .iter()
            .filter(|stream| has_publisher(stream.role.as_deref()))
            .filter_map(|stream| {
                let key = StreamKey::new(&stream.scope, &stream.name).ok()?;
                Some(ListedStream::new(key, stream.server_address.as_deref()))
            });
        Some(published.collect())
    }
}

/// An entry of the list of streams.
#[derive(Deserialize)]
struct Listed<'b> {
    #[serde(borrow, rename = "type")]
    role: Option<Cow<'b, str>>,
    #[serde(borrow)]
    name: Cow<'b, str>,
    #[serde(borrow)]
    scope: Cow<'b, str>,
    #[serde(borrow, rename = "serverAddress")]
    server_address: Option<Cow<'b, str>>,
}

#[cfg(test)]
mod tests {
    use whipstitch_signaling::{Api, Role};

    use super::*;
    use crate::Hints;

    fn read(status: u16, body: &str) -> Result<Vec<String>, LookupError> {
        EventApi::new("4.0".into())
            .interpret(StatusCode::from_u16(status).unwrap(), body.as_bytes())
            .map(|answer| answer.addresses().map(str::to_owned).collect())
    }

    #[test]
    fn the_question_of_4_0() {
        let question = |hints: &str, endpoints| {
            let lookup = Lookup::new(
                Role::Publish,
                StreamKey::new("live/room1", "s1").unwrap(),
                Hints::from_query(hints, Api::V1).unwrap(),
            );
            EventApi::new("4.0".into()).question(&lookup.key, &lookup, endpoints)
        };
        let base = "/streammanager/api/4.0/event/live/room1/s1?action=broadcast";
        assert_eq!(question("", 1), base);
        assert_eq!(
            question("region=us%2Dwest&nodeGroup=x", 2),
            format!("{base}&region=us%2Dwest&endpoints=2")
        );
        for as_it_is in [
            "endpoints=1",
            "region=eu&strict=true",
            "transcode=true",
            "geozone=emea",
        ] {
            assert_eq!(question(as_it_is, 2), format!("{base}&{as_it_is}"));
        }
    }

    #[test]
    fn a_list_names_published_streams() {
        let api = EventApi::new("4.0".into());
        assert_eq!(api.list(None), "/streammanager/api/4.0/event/list");
        let list = br#"[{"type":"origin","name":"s1","scope":"live","serverAddress":"10.0.0.1"},
            {"type":"edge","name":"s2","scope":"live"},{"name":"s3","scope":"/live/room"},
            {"type":"transcoder","name":"s 4","scope":"live"}]"#;
        let published = api.published(list).unwrap();
        let node = Some([10, 0, 0, 1].into());
        assert_eq!((published[0].node, published[1].node), (node, None));
        let published: Vec<&str> = published.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(published[..2], ["live/s1", "live/room/s3"]);
        assert_eq!(api.published(b"[]"), Some(vec![]));
        for other in ["", "{}", r#"{"errorMessage":"x"}"#, r#"[{"name":"s1"}]"#] {
            assert_eq!(api.published(other.as_bytes()), None, "{other}");
        }
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
