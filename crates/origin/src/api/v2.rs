//! The streams API of Stream Manager 2.0 (Red5 Pro documentation, Stream Manager 2.0, Streams API).

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use whipstitch_signaling::{Role, StreamKey};

use super::{ListedStream, ManagerApi, has_publisher, list_of};
use crate::{Lookup, LookupError, ManagerFault, answer::Answer, lookup::NODE_GROUP};

/// What the API says with `[]`, in words.
const EMPTY: &str = "an empty list";

/// `/as/v1/streams/stream/{nodeGroup}/{publish|subscribe}/{guid}`
pub(super) struct StreamsApi {
    /// Where a client names none.
    node_group: String,
}

impl StreamsApi {
    pub(super) fn new(node_group: String) -> Self {
        Self { node_group }
    }
}

impl ManagerApi for StreamsApi {
    fn question(&self, key: &StreamKey, lookup: &Lookup, endpoints: usize) -> String {
        let group = lookup.hints.get(NODE_GROUP).unwrap_or(&self.node_group);
        let action = match lookup.role {
            Role::Publish => "publish",
            Role::Play => "subscribe",
        };
        let mut query = hints(lookup);
        if endpoints > 1 && lookup.hints.takes_endpoints() {
            query.push(format!("endpoints={endpoints}"));
        }
        let path = format!("/as/v1/streams/stream/{group}/{action}/{key}");
        if query.is_empty() {
            path
        } else {
            format!("{path}?{}", query.join("&"))
        }
    }

    /// Always a list; "no" is 400 or 404 with an `error`, and an empty list means the same: it
    /// is the API that says it, so it outweighs what is remembered.
    fn interpret(&self, status: StatusCode, body: &[u8]) -> Result<Answer, LookupError> {
        let answer = Answer::parse(body);
        let said = answer.as_ref().and_then(Answer::error);
        match (status, answer) {
            (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, _) => {
                Err(LookupError::NotFound(said))
            }
            (StatusCode::OK, _) if said.is_some() => Err(LookupError::NotFound(said)),
            (StatusCode::OK, Some(Answer::Many(nodes))) if nodes.is_empty() => {
                Err(LookupError::NotFound(Some(EMPTY.into())))
            }
            (StatusCode::OK, Some(answer @ Answer::Many(_))) => Ok(answer),
            (StatusCode::OK, Some(Answer::One(_)) | None) => Err(ManagerFault::NotAnAnswer.into()),
            (status, _) => Err(ManagerFault::Status(status.as_u16()).into()),
        }
    }

    fn group<'a>(&'a self, lookup: &'a Lookup) -> Option<&'a str> {
        Some(lookup.hints.get(NODE_GROUP).unwrap_or(&self.node_group))
    }

    fn list(&self, group: Option<&str>) -> String {
        let group = group.unwrap_or(&self.node_group);
        format!("/as/v1/streams/stream/{group}")
    }

    fn single(&self, group: Option<&str>, key: &StreamKey) -> String {
        format!("{}/stream/{key}", self.list(group))
    }

    fn is_absent(&self, status: StatusCode, body: &[u8]) -> bool {
        match status {
            StatusCode::NOT_FOUND => true,
            StatusCode::OK => self.published(body).is_some_and(|found| found.is_empty()),
            _ => false,
        }
    }

    fn published(&self, body: &[u8]) -> Option<Vec<ListedStream>> {
        let listed: Vec<Listed<'_>> = list_of(body)?;
        let published = listed
            .iter()
            .filter(|stream| has_publisher(stream.node_role.as_deref()))
            .filter_map(|stream| {
                let key = StreamKey::from_guid(&stream.stream_guid).ok()?;
                Some(ListedStream::new(key, stream.server_address.as_deref()))
            });
        Some(published.collect())
    }
}

/// An entry of the list of streams.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'b> {
    #[serde(borrow)]
    node_role: Option<Cow<'b, str>>,
    #[serde(borrow)]
    stream_guid: Cow<'b, str>,
    #[serde(borrow)]
    server_address: Option<Cow<'b, str>>,
}

/// The pairs of the query. What the proxy's URLs call `region` is `subgroup` here, and counts more
/// than that. Red5's documents write `subgroup` for publishers and `subGroup` for subscribers; for
/// these both are sent.
fn hints(lookup: &Lookup) -> Vec<String> {
    let hints = &lookup.hints;
    let region = hints.get("region").is_some_and(|region| !region.is_empty());
    let mut pairs = Vec::new();
    for pair in hints.as_str().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "region" if region => {}
            "subgroup" if !region => {}
            NODE_GROUP | "region" | "subgroup" => continue,
            _ => {
                pairs.push(pair.to_owned());
                continue;
            }
        }
        pairs.push(format!("subgroup={value}"));
        if lookup.role == Role::Play {
            pairs.push(format!("subGroup={value}"));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use whipstitch_signaling::Api;

    use super::*;
    use crate::Hints;

    fn read(status: u16, body: &str) -> Result<Vec<String>, LookupError> {
        StreamsApi::new("default".into())
            .interpret(StatusCode::from_u16(status).unwrap(), body.as_bytes())
            .map(|answer| answer.addresses().map(str::to_owned).collect())
    }

    fn question(role: Role, hints: &str, endpoints: usize) -> String {
        let lookup = Lookup::new(
            role,
            StreamKey::new("live/room2", "s1").unwrap(),
            Hints::from_query(hints, Api::V2).unwrap(),
        );
        StreamsApi::new("my-group".into()).question(&lookup.key, &lookup, endpoints)
    }

    #[test]
    fn the_question_of_2_0() {
        let base = "/as/v1/streams/stream/my-group";
        assert_eq!(
            question(Role::Publish, "", 1),
            format!("{base}/publish/live/room2/s1")
        );
        assert_eq!(
            question(Role::Play, "mode=live&token=secret", 1),
            format!("{base}/subscribe/live/room2/s1")
        );
        assert_eq!(
            question(
                Role::Publish,
                "strict=true&nodeGroup=other&transcode=true",
                2
            ),
            "/as/v1/streams/stream/other/publish/live/room2/s1?strict=true&transcode=true"
        );
        assert_eq!(
            question(Role::Publish, "s%74rict=true&node%47roup=other", 4),
            "/as/v1/streams/stream/other/publish/live/room2/s1?strict=true"
        );
        assert_eq!(
            question(Role::Publish, "nodeGroup=other", 2),
            "/as/v1/streams/stream/other/publish/live/room2/s1?endpoints=2"
        );
        assert_eq!(
            question(Role::Play, "endpoints=4", 2),
            format!("{base}/subscribe/live/room2/s1?endpoints=4")
        );
    }

    #[test]
    fn a_list_names_published_streams() {
        let api = StreamsApi::new("default".into());
        assert_eq!(api.list(None), "/as/v1/streams/stream/default");
        assert_eq!(api.list(Some("b")), "/as/v1/streams/stream/b");
        let key = StreamKey::new("live/room", "s1").unwrap();
        assert_eq!(
            api.single(Some("b"), &key),
            "/as/v1/streams/stream/b/stream/live/room/s1"
        );
        let list = br#"[{"streamGuid":"live/s1","serverAddress":"10.0.0.1","nodeRole":"origin"},
            {"streamGuid":"live/s2","nodeRole":"edge"},{"streamGuid":"live/s3","nodeRole":"relay"},
            {"streamGuid":"live/room/s4"},{"streamGuid":"none"}]"#;
        let published = api.published(list).unwrap();
        let node = Some([10, 0, 0, 1].into());
        assert_eq!((published[0].node, published[1].node), (node, None));
        let published: Vec<&str> = published.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(published, ["live/s1", "live/room/s4"]);
        assert_eq!(api.published(b"[]"), Some(vec![]));
        for other in ["", "{}", r#"{"error":"x"}"#, r#"[{"serverAddress":"a"}]"#] {
            assert_eq!(api.published(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn region_is_subgroup_and_wins() {
        let base = "/as/v1/streams/stream/my-group";
        for (hints, publish, subscribe) in [
            (
                "region=us%2Dwest",
                "?subgroup=us%2Dwest",
                "?subgroup=us%2Dwest&subGroup=us%2Dwest",
            ),
            (
                "subgroup=a,b%20c",
                "?subgroup=a,b%20c",
                "?subgroup=a,b%20c&subGroup=a,b%20c",
            ),
            (
                "subgroup=a&subgroup=b",
                "?subgroup=a&subgroup=b",
                "?subgroup=a&subGroup=a&subgroup=b&subGroup=b",
            ),
            (
                "subgroup=a&region=b&strict=true",
                "?subgroup=b&strict=true",
                "?subgroup=b&subGroup=b&strict=true",
            ),
            (
                "region=&subgroup=a",
                "?subgroup=a",
                "?subgroup=a&subGroup=a",
            ),
            ("strict", "?strict", "?strict"),
            ("s%74rict=%74rue", "?strict=%74rue", "?strict=%74rue"),
            (
                "su%62group=a&%72egion=b%2Dc",
                "?subgroup=b%2Dc",
                "?subgroup=b%2Dc&subGroup=b%2Dc",
            ),
        ] {
            let asked = |role| question(role, hints, 1);
            let publish = format!("{base}/publish/live/room2/s1{publish}");
            assert_eq!(asked(Role::Publish), publish, "{hints}");
            let subscribe = format!("{base}/subscribe/live/room2/s1{subscribe}");
            assert_eq!(asked(Role::Play), subscribe, "{hints}");
        }
    }

    #[test]
    fn a_list_names_nodes() {
        let list = r#"[{"streamGuid":"live/stream1","serverAddress":"132.226.54.176","nodeRole":"allinone",
            "subGroup":"ashburn","nodeState":"INSERVICE","subscribers":0},{"serverAddress":"10.0.0.2"}]"#;
        assert_eq!(
            read(200, list),
            Ok(vec!["132.226.54.176".into(), "10.0.0.2".into()])
        );
    }

    #[test]
    fn a_no_is_told_from_a_fault() {
        let no = r#"{"error":"Stream not\nfound"}"#;
        let not_found = Err(LookupError::NotFound(Some("Stream notfound".into())));
        for status in [200, 400, 404] {
            assert_eq!(read(status, no), not_found, "{status}");
        }
        assert_eq!(read(404, "<html>"), Err(LookupError::NotFound(None)));
        // Words, so that it is told from the 404 of a gateway that speaks no API.
        let empty = Err(LookupError::NotFound(Some("an empty list".into())));
        assert_eq!(read(200, "[]"), empty);
        for status in [302, 401, 500] {
            assert_eq!(
                read(status, no),
                Err(LookupError::Manager(ManagerFault::Status(status)))
            );
        }
        for garbage in [
            "",
            "<html></html>",
            "null",
            "42",
            r#"{"serverAddress":"10.0.0.1"}"#,
            r#"[{"serverAddress":7}]"#,
            r#"{"error":{"code":1}}"#,
            "[1]",
        ] {
            assert_eq!(
                read(200, garbage),
                Err(LookupError::Manager(ManagerFault::NotAnAnswer)),
                "{garbage}"
            );
        }
    }

    proptest! {
        /// No hint leaves the query, whatever is in it.
        #[test]
        fn the_path_is_ours(query in "[a-zA-Z0-9=&/?#%.;]{0,60}", group in "[^&]{0,12}") {
            let hints = Hints::from_query(&format!("{query}&nodeGroup={group}"), Api::V2);
            if let Ok(hints) = hints {
                let lookup = Lookup::new(Role::Play, StreamKey::new("live", "s1").unwrap(), hints);
                let asked = StreamsApi::new("g".into()).question(&lookup.key, &lookup, 1);
                let path = asked.split('?').next().unwrap();
                prop_assert!(path.ends_with("/subscribe/live/s1"), "{}", path);
                prop_assert_eq!(path.split('/').count(), 9, "{}", path);
            }
        }
    }
}
