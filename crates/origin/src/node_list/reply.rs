//! What the lists of groups and of nodes say.

use std::fmt::Write as _;

use serde::Deserialize;

/// States in which a node serves (Red5 Pro documentation, Stream Manager REST API 4.0).
const SERVING: [&str; 2] = ["running", "inservice"];

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

/// The names of the groups; `None` if this is no list of them.
pub(super) fn groups(body: &[u8]) -> Option<Vec<String>> {
    let groups: Vec<Group> = serde_json::from_slice(body).ok()?;
    let names = groups.into_iter().map(|group| match group {
        Group::Named { name } | Group::Name(name) => name,
    });
    // A dot or two would be another path.
    Some(
        names
            .filter(|name| !matches!(name.as_str(), "" | "." | ".."))
            .collect(),
    )
}

/// The addresses of the nodes that serve; `None` if this is no list of nodes.
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
    fn a_name_cannot_become_another_path() {
        assert_eq!(
            percent_encoded("a/../b?c#d é"),
            "a%2F..%2Fb%3Fc%23d%20%C3%A9"
        );
    }
}
