//! What the lists of groups and of nodes say.

use std::fmt::Write as _;

use serde::Deserialize;

/// States in which a node of 1.x serves (Red5 Pro documentation, Stream Manager REST API 4.0).
const SERVING: [&str; 2] = ["running", "inservice"];
/// The state in which a node of 2.0 serves (Stream Manager 2.0 Admin API, status of a node group).
const IN_SERVICE: &str = "INSERVICE";
/// Longest name of a group that is asked for, in bytes.
const MAX_NAME: usize = 256;

#[derive(Deserialize)]
#[serde(untagged)]
enum Group {
    Named { name: String },
    Name(String),
}

#[derive(Deserialize)]
struct Node {
    address: Option<String>,
    state: Option<String>,
}

/// What 2.0 says of a node: the last event of its machine, and the last one of its server, which
/// has an address.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    scaling_event: Option<ScalingEvent>,
    node_event: Option<NodeEvent>,
}

#[derive(Deserialize)]
struct ScalingEvent {
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeEvent {
    public_ip: Option<String>,
    private_ip: Option<String>,
}

/// The names of the groups; `None` if this is no list of them.
pub(super) fn groups(body: &[u8]) -> Option<Vec<String>> {
    let groups: Vec<Group> = serde_json::from_slice(body).ok()?;
    let names = groups.into_iter().map(|group| match group {
        Group::Named { name } | Group::Name(name) => name,
    });
    // A dot or two would be another path.
    let is_one =
        |name: &String| !matches!(name.as_str(), "" | "." | "..") && name.len() <= MAX_NAME;
    Some(names.filter(is_one).collect())
}

/// The addresses of the nodes of 1.x that serve; `None` if this is no list of nodes.
pub(super) fn running(body: &[u8]) -> Option<Vec<String>> {
    let nodes: Vec<Node> = serde_json::from_slice(body).ok()?;
    let serves = |state: &str| {
        SERVING
            .iter()
            .any(|known| state.eq_ignore_ascii_case(known))
    };
    Some(
        nodes
            .into_iter()
            .filter(|node| node.state.as_deref().is_some_and(serves))
            .filter_map(|node| node.address)
            .collect(),
    )
}

/// The addresses of the nodes of 2.0 that serve; `None` if this is no list of them. The public
/// address is the one that lookups name; a node without one has only its private address.
pub(super) fn in_service(body: &[u8]) -> Option<Vec<String>> {
    let nodes: Vec<Status> = serde_json::from_slice(body).ok()?;
    let serves = |node: &Status| {
        let state = node
            .scaling_event
            .as_ref()
            .and_then(|event| event.state.as_ref());
        state.is_some_and(|state| state.eq_ignore_ascii_case(IN_SERVICE))
    };
    let written = |address: Option<String>| address.filter(|address| !address.is_empty());
    Some(
        nodes
            .into_iter()
            .filter(serves)
            .filter_map(|node| node.node_event)
            .filter_map(|node| written(node.public_ip).or(written(node.private_ip)))
            .collect(),
    )
}

/// Everything but what RFC 3986 §2.3 calls unreserved is escaped.
pub(super) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_objects_or_names() {
        let list = br#"[{"name":"a","regions":["x"]},"b/c",{"name":".."},""]"#;
        assert_eq!(groups(list), Some(vec!["a".to_owned(), "b/c".to_owned()]));
        for other in ["", "{}", "null", "[1]", r#"[{"id":1}]"#, "<html>"] {
            assert_eq!(groups(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn nodes_that_serve_are_listed() {
        let list = br#"[{"address":"10.0.0.1","state":"inservice","role":"origin"},
            {"address":"10.0.0.2","state":"RUNNING"},{"address":"10.0.0.3","state":"pending"},
            {"address":"10.0.0.4","state":"terminating"},{"address":"10.0.0.5"},{"state":"running"}]"#;
        assert_eq!(
            running(list),
            Some(vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()])
        );
        for other in [
            "",
            "{}",
            r#"[{"address":7,"state":"running"}]"#,
            r#"{"errorMessage":"x"}"#,
        ] {
            assert_eq!(running(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_nodes_of_2_0_that_are_in_service_are_listed() {
        let node = |ip: &str, state: &str| {
            let (role, time) = (r#""nodeRoleName":"edge""#, r#""timestamp":1717521788509"#);
            format!(
                r#"{{"nodeEvent":{{"publicIp":"{ip}","privateIp":"10.9.9.9",{role},"metrics":[],{time}}},"scalingEvent":{{"state":"{state}",{role},{time}}}}}"#
            )
        };
        let states = "REQUESTED CREATING CREATED STARTED SOFT_SUNSET HARD_SUNSET DESTRUCTION_REQUESTED DESTROYING FAULT";
        let mut nodes = vec![node("10.0.0.1", "INSERVICE"), node("", "inservice")];
        nodes.extend(states.split(' ').map(|state| node("10.0.0.2", state)));
        // A machine without a server yet, and unknown nodes.
        nodes.push(r#"{"scalingEvent":{"state":"INSERVICE"}}"#.to_owned());
        nodes.push(r#"{"nodeEvent":{"publicIp":"10.0.0.3"}}"#.to_owned());
        nodes.push(r#"{"nodeEvent":null,"scalingEvent":null}"#.to_owned());
        let list = format!("[{}]", nodes.join(","));
        assert_eq!(
            in_service(list.as_bytes()),
            Some(vec!["10.0.0.1".to_owned(), "10.9.9.9".to_owned()])
        );
        assert_eq!(in_service(b"[]"), Some(Vec::new()));
        for other in [
            "",
            "{}",
            "null",
            "[1]",
            r#"{"error":"x"}"#,
            r#"[{"nodeEvent":{"publicIp":7}}]"#,
        ] {
            assert_eq!(in_service(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_name_cannot_become_another_path() {
        assert_eq!(
            percent_encoded("a/../b?c#d é"),
            "a%2F..%2Fb%3Fc%23d%20%C3%A9"
        );
    }
}
