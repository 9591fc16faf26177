//! Which crate of the workspace may depend on which.

use std::fmt;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::Result;

/// What one of our crates may depend on.
#[derive(Debug, Clone, Copy)]
enum May {
    /// Only these of ours; in its tests also the other product crates.
    Know(&'static [&'static str]),
    /// Nothing of ours, not even in its tests: an independent witness of the wire.
    KnowNothing,
    /// Anything.
    KnowAll,
}

const RULES: &[(&str, May)] = &[
    (
        "whipstitch",
        May::Know(&[
            "whipstitch-admin",
            "whipstitch-auth",
            "whipstitch-cli",
            "whipstitch-config",
            "whipstitch-ingress",
            "whipstitch-proxy",
            "whipstitch-origin",
            "whipstitch-signaling",
            "whipstitch-telemetry",
        ]),
    ),
    (
        "whipstitch-admin",
        May::Know(&[
            "whipstitch-config",
            "whipstitch-ingress",
            "whipstitch-origin",
            "whipstitch-proxy",
            "whipstitch-signaling",
            "whipstitch-telemetry",
        ]),
    ),
    (
        "whipstitch-cli",
        May::Know(&[
            "whipstitch-config",
            "whipstitch-doctor",
            "whipstitch-origin",
            "whipstitch-signaling",
        ]),
    ),
    (
        "whipstitch-telemetry",
        May::Know(&["whipstitch-config", "whipstitch-proxy"]),
    ),
    (
        "whipstitch-config",
        May::Know(&[
            "whipstitch-auth",
            "whipstitch-ingress",
            "whipstitch-proxy",
            "whipstitch-origin",
            "whipstitch-signaling",
        ]),
    ),
    (
        "whipstitch-proxy",
        May::Know(&[
            "whipstitch-auth",
            "whipstitch-origin",
            "whipstitch-signaling",
        ]),
    ),
    ("whipstitch-auth", May::Know(&["whipstitch-signaling"])),
    ("whipstitch-origin", May::Know(&["whipstitch-signaling"])),
    ("whipstitch-signaling", May::Know(&[])),
    ("whipstitch-ingress", May::Know(&[])),
    ("whipstitch-doctor", May::KnowNothing),
    ("whipstitch-minicluster", May::KnowNothing),
    ("whipstitch-demo", May::KnowAll),
    ("whipstitch-reference", May::KnowAll),
    ("whipstitch-tests", May::KnowAll),
    ("xtask", May::KnowAll),
];

/// One of our crates depends on another of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    in_tests: bool,
}

/// Checks every edge of the workspace.
///
/// # Errors
/// When an edge breaks a rule, or a crate has none; each is named.
pub(super) fn run() -> Result {
    let (crates, edges) = workspace()?;
    let complaints = complaints(&crates, &edges);
    if complaints.is_empty() {
        let (crates, edges) = (crates.len(), edges.len());
        println!("{edges} arrows between {crates} crates, all allowed");
        return Ok(());
    }
    Err(format!("arrows\n  {}", complaints.join("\n  ")).into())
}

/// The names of our crates and every edge between them, optional ones too.
fn workspace() -> Result<(Vec<String>, Vec<Edge>)> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let packages = metadata.workspace_packages();
    let crates: Vec<String> = packages.iter().map(|one| one.name.to_string()).collect();
    let mut edges = Vec::new();
    for package in packages {
        let ours = |name: &String| crates.contains(name);
        for to in package.dependencies.iter().filter(|one| ours(&one.name)) {
            edges.push(Edge {
                from: package.name.to_string(),
                to: to.name.clone(),
                in_tests: to.kind == DependencyKind::Development,
            });
        }
    }
    Ok((crates, edges))
}

/// What is wrong with a graph, one line a mistake.
fn complaints(crates: &[String], edges: &[Edge]) -> Vec<String> {
    let lawless = crates
        .iter()
        .filter(|name| rule(name).is_none())
        .map(|name| format!("{name}: no rule says what it may depend on; give it one in crates/xtask/src/arrows/crates.rs"));
    let broken = edges.iter().filter_map(|edge| {
        let rule = rule(&edge.from)?;
        (!rule.allows(edge)).then(|| format!("{edge}: {} {rule}", edge.from))
    });
    lawless.chain(broken).collect()
}

fn rule(name: &str) -> Option<May> {
    let (_, may) = RULES.iter().find(|(known, _)| *known == name)?;
    Some(*may)
}

impl May {
    fn allows(self, edge: &Edge) -> bool {
        match self {
            Self::KnowAll => true,
            Self::KnowNothing => false,
            Self::Know(allowed) => {
                let product = matches!(rule(&edge.to), Some(Self::Know(_)));
                allowed.contains(&edge.to.as_str()) || (edge.in_tests && product)
            }
        }
    }
}

impl fmt::Display for May {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KnowAll => out.write_str("may depend on anything"),
            Self::KnowNothing => out.write_str("may depend on nothing of ours"),
            Self::Know([]) => out
                .write_str("may depend on nothing of ours; its tests may use product crates only"),
            Self::Know(allowed) => write!(
                out,
                "may depend only on {}; its tests may use product crates only",
                allowed.join(", ")
            ),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.in_tests { " (in tests)" } else { "" };
        write!(out, "{} -> {}{kind}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(from: &str, to: &str, in_tests: bool) -> Option<String> {
        let edge = Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            in_tests,
        };
        complaints(&[], &[edge]).pop()
    }

    #[test]
    fn the_designed_arrows_hold() {
        for (from, to) in [
            ("whipstitch", "whipstitch-signaling"),
            ("whipstitch", "whipstitch-ingress"),
            ("whipstitch-cli", "whipstitch-doctor"),
            ("whipstitch", "whipstitch-cli"),
            ("whipstitch-proxy", "whipstitch-origin"),
            ("whipstitch-origin", "whipstitch-signaling"),
            ("whipstitch-demo", "whipstitch-minicluster"),
            ("whipstitch-tests", "whipstitch"),
            ("xtask", "whipstitch"),
        ] {
            assert_eq!(wrong(from, to, false), None);
        }
    }

    #[test]
    fn a_broken_arrow_is_named_with_its_rule() {
        assert_eq!(
            wrong("whipstitch-origin", "whipstitch-proxy", false).unwrap(),
            "whipstitch-origin -> whipstitch-proxy: whipstitch-origin may depend only on \
             whipstitch-signaling; its tests may use product crates only"
        );
        for (from, to) in [
            ("whipstitch-signaling", "whipstitch-origin"),
            ("whipstitch-ingress", "whipstitch-signaling"),
            ("whipstitch-proxy", "whipstitch-ingress"),
            ("whipstitch-proxy", "whipstitch"),
            ("whipstitch-proxy", "whipstitch-config"),
            ("whipstitch-config", "whipstitch"),
            ("whipstitch-config", "whipstitch-telemetry"),
            ("whipstitch-telemetry", "whipstitch"),
            ("whipstitch-telemetry", "whipstitch-admin"),
            ("whipstitch-admin", "whipstitch"),
            ("whipstitch-admin", "whipstitch-cli"),
            ("whipstitch-cli", "whipstitch"),
            ("whipstitch-cli", "whipstitch-admin"),
            ("whipstitch", "whipstitch-doctor"),
            ("whipstitch-proxy", "whipstitch-admin"),
            ("whipstitch-minicluster", "whipstitch-signaling"),
            ("whipstitch-doctor", "whipstitch-signaling"),
            ("whipstitch-proxy", "whipstitch-doctor"),
            ("whipstitch", "whipstitch-minicluster"),
        ] {
            assert!(wrong(from, to, false).is_some(), "{from} -> {to}");
        }
    }

    #[test]
    fn tests_of_product_crates_stay_among_product_crates() {
        assert_eq!(
            wrong("whipstitch-ingress", "whipstitch-signaling", true),
            None
        );
        for to in ["whipstitch-minicluster", "whipstitch-demo", "xtask"] {
            let complaint = wrong("whipstitch-proxy", to, true).unwrap();
            assert!(complaint.contains("(in tests)"), "{complaint}");
        }
        assert!(wrong("whipstitch-minicluster", "whipstitch", true).is_some());
    }

    #[test]
    fn a_crate_without_a_rule_is_an_error() {
        let complaints = complaints(&["whipstitch-new".to_owned()], &[]);
        assert!(complaints.concat().starts_with("whipstitch-new: no rule"));
    }

    #[test]
    fn our_own_workspace_holds() {
        run().unwrap();
    }
}
