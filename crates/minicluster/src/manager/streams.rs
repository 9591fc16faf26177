//! The API of Stream Manager 2.0 beside that of 1.x: login, lookups, which always answer with a
//! list of nodes, lists of streams, and provisions (Red5 Pro documentation, Stream Manager 2.0).
//!
//! Its own proxy is missing here: Whipstitch takes that place.

use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::failure::{NO_TOKEN, of_2_0 as failure};
use super::provision::{Provision, ProvisionError, distribute};
use super::question::Question;
use super::request::ManagerRequest;
use super::{ManagerState, admin_2_0, choice};
use crate::fault::Lie;
use crate::node::{NodeState, Stage};
use crate::registry::unix_millis;
use crate::reply::{self, Reply};
use crate::seen::Action;
use crate::stream::{StreamKey, percent_decode, raw_param};

/// What every path begins with.
pub(super) const API: &str = "/as/v1/";

/// Answer `/as/v1/{call}`.
pub(super) fn answer(manager: &ManagerState, asked: &ManagerRequest<'_>, call: &str) -> Reply {
    let mut answer = match call.split_once('/') {
        Some(("admin", rest)) => admin_2_0::answer(manager, asked, rest),
        Some(("auth", "login")) if asked.method == Method::PUT => login(manager, asked),
        Some(("streams", rest)) if rest.starts_with(PROVISION) => provision(manager, asked, rest),
        _ if asked.method != Method::GET => failure(405, "Only GET is answered here."),
        Some(("streams", rest)) => match rest.strip_prefix("stream/").and_then(list_call) {
            Some((group, guid)) => listed(manager, asked, group, guid),
            None => lookup(manager, asked, rest),
        },
        _ => failure(404, "No such call."),
    };
    answer.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    answer
}

fn login(manager: &ManagerState, asked: &ManagerRequest<'_>) -> Reply {
    match manager.tokens.login(asked.basic().as_deref()) {
        Some(token) => reply::json(200, &json!({ "token": token })),
        None => failure(401, "The user or the password is wrong."),
    }
}

const PROVISION: &str = "provision/";

/// `provision/{nodeGroup}[/{provisionGuid}]`
fn provision(manager: &ManagerState, asked: &ManagerRequest<'_>, rest: &str) -> Reply {
    if !manager.tokens.holds(asked.bearer()) {
        return failure(401, NO_TOKEN);
    }
    let rest = rest.strip_prefix(PROVISION).unwrap_or_default();
    let (group, guid) = match rest.split_once('/') {
        Some((group, guid)) => (group, Some(guid)),
        None => (rest, None),
    };
    if manager.in_group(group).is_none() {
        return no_group(group);
    }
    match (asked.method.as_str(), guid) {
        ("POST", None) => match Provision::of_2_0(asked.body) {
            Ok(new) => match manager.provisions.create(new) {
                Ok(()) => reply::empty(201),
                Err(ProvisionError::Exists) => {
                    failure(409, "A Provision with this streamGuid already exists.")
                }
                Err(ProvisionError::Full) => failure(400, "There are too many provisions."),
            },
            Err(reason) => failure(400, reason),
        },
        ("GET", None) => {
            let all = manager.provisions.all();
            list(all.into_iter().map(|provision| provision.body))
        }
        ("GET", Some(guid)) => match manager.provisions.get(guid) {
            Some(provision) => reply::json(200, &provision.body),
            None => failure(404, "No such provision."),
        },
        ("DELETE", Some(guid)) => match manager.provisions.remove(guid) {
            Some(_) => reply::empty(200),
            None => failure(404, "No such provision."),
        },
        _ => failure(405, "Method not allowed."),
    }
}

/// `{nodeGroup}` or `{nodeGroup}/stream/{guid}`, of the path after `stream/`.
fn list_call(rest: &str) -> Option<(&str, Option<&str>)> {
    match rest.split_once('/') {
        None => Some((rest, None)),
        Some((group, call)) => Some((group, Some(call.strip_prefix("stream/")?))),
    }
}

/// List All Streams, and with a guid Get Stream Stats.
///
/// The list leaves out the nodes that are not in service. The documents do not say so of one
/// stream, and they do not say how the manager answers for a stream that does not exist: 404 here,
/// as for lookups.
fn listed(
    manager: &ManagerState,
    asked: &ManagerRequest<'_>,
    group: &str,
    guid: Option<&str>,
) -> Reply {
    if manager.in_group(group).is_none() {
        return no_group(group);
    }
    let flag = |name, default| match raw_param(asked.query, name) {
        None => Some(default),
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => None,
    };
    let (Some(stats), Some(aggregate)) = (flag("stats", guid.is_some()), flag("aggregate", true))
    else {
        return failure(400, "A flag is neither true nor false.");
    };
    let mut entries = Vec::new();
    for live in manager.registry.all_live() {
        let name = format!("{}/{}", live.key.scope, live.key.name);
        if guid.is_some_and(|guid| percent_decode(guid) != name) {
            continue;
        }
        let mut carriers = vec![(live.node, live.players.len())];
        if !aggregate {
            let on = |node| live.players.iter().filter(|at| **at == node).count();
            let mut edges: Vec<usize> = live.players.clone();
            edges.sort_unstable();
            edges.dedup();
            edges.retain(|node| *node != live.node);
            carriers = std::iter::once(live.node)
                .chain(edges)
                .map(|node| (node, on(node)))
                .collect();
        }
        for (node, subscribers) in carriers {
            let Some(node) = manager.nodes.get(node) else {
                continue;
            };
            let is_left_out = guid.is_none() && node.stage() != Stage::InService;
            if is_left_out || !manager.is_group(group, node) {
                continue;
            }
            let mut entry = json!({
                "streamGuid": name, "serverAddress": node.server_address(),
                "nodeRole": node.about.role.as_str_2_0(), "subGroup": node.about.region,
                "nodeState": node.stage().as_str_2_0(),
                "durationMs": unix_millis().saturating_sub(live.since),
            });
            if stats && let Some(entry) = entry.as_object_mut() {
                entry.insert("subscribers".to_owned(), subscribers.into());
            }
            entries.push(entry);
        }
    }
    if guid.is_some() && entries.is_empty() {
        return failure(404, "The stream is not found.");
    }
    list(entries.into_iter())
}

/// `stream/{nodeGroup}/{publish|subscribe}/{guid}`
fn lookup(manager: &ManagerState, asked: &ManagerRequest<'_>, rest: &str) -> Reply {
    let mut parts = rest.splitn(4, '/');
    let (Some("stream"), Some(group), Some(action), Some(guid)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return failure(404, "No such call.");
    };
    let action = match action {
        "publish" => Action::Broadcast,
        "subscribe" => Action::Subscribe,
        _ => return failure(404, "No such call."),
    };
    let Some((scope, name)) = guid
        .rsplit_once('/')
        .filter(|(scope, name)| !scope.is_empty() && !name.is_empty())
    else {
        return failure(400, "A stream guid is wanted.");
    };
    let key = StreamKey::new(&percent_decode(scope), &percent_decode(name));
    let path = rest.strip_prefix("stream/").unwrap_or(rest);
    // Counted even if it is refused, so that a test sees what was asked.
    manager.seen.lookup(action, &key, path, asked.query);
    let question = match Question::of_2_0(action, group, asked.query) {
        Ok(question) => question.from(manager.region_of(asked)),
        Err(reason) => return failure(400, reason),
    };
    if manager.in_group(group).is_none() {
        return no_group(group);
    }
    if let Some(lie) = manager.lie() {
        return false_answer(manager, &key, lie);
    }
    match choice::choose(manager, &question, &key) {
        Ok(nodes) => {
            if action == Action::Broadcast {
                let lookup = format!("{path}?{}", asked.query);
                distribute(manager, &key, &nodes, question.transcode, &lookup);
            }
            list(nodes.into_iter().map(|node| entry(manager, &key, node)))
        }
        Err(message) => failure(404, &message),
    }
}

fn entry(manager: &ManagerState, key: &StreamKey, node: &NodeState) -> Value {
    let live = manager.registry.live(key);
    let subscribers = live.map_or(0, |live| live.players.len());
    json!({
        "streamGuid": format!("{}/{}", key.scope, key.name), "serverAddress": node.server_address(),
        "nodeRole": node.about.role.as_str_2_0(), "subGroup": node.about.region,
        "nodeState": node.stage().as_str_2_0(), "subscribers": subscribers,
    })
}

fn no_group(group: &str) -> Reply {
    failure(404, &format!("Node group {group} is not found."))
}

fn list(entries: impl Iterator<Item = Value>) -> Reply {
    reply::json(200, &entries.collect())
}

/// A false answer of the manager, as [`Lie`] describes it.
fn false_answer(manager: &ManagerState, key: &StreamKey, lie: Lie) -> Reply {
    let truth = manager.nodes.first().map(|node| entry(manager, key, node));
    let guid = format!("{}/{}", key.scope, key.name);
    let named = |address: &String| json!({"streamGuid": guid, "serverAddress": address});
    match lie {
        Lie::Html => reply::body(
            200,
            "text/html;charset=utf-8",
            "<!doctype html><title>Sign in</title><h1>Sign in</h1>",
        ),
        Lie::Array => list(truth.into_iter()),
        Lie::ErrorMessage(message) => failure(200, &message),
        Lie::Huge(bytes) => {
            let padding = "x".repeat(bytes.min(64 << 20).saturating_sub(16));
            reply::body(
                200,
                "application/json",
                format!("[{{\"padding\":\"{padding}\"}}]"),
            )
        }
        Lie::Garbage => reply::body(
            200,
            "application/json",
            &b"[{\"serverAddress\":\xff\x00"[..],
        ),
        Lie::ServerAddress(address) => list(std::iter::once(named(&address))),
        Lie::ServerAddresses(addresses) => list(addresses.iter().map(named)),
    }
}
