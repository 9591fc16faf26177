//! The public event calls: lookups, the list of streams, and one stream's statistics (Red5 Pro
//! documentation, Stream Manager REST API v4.0).

use serde_json::{Value, json};

use super::failure::of_1_x as failure;
use super::provision::distribute;
use super::question::Question;
use super::request::ManagerRequest;
use super::{ManagerState, choice};
use crate::fault::Lie;
use crate::node::NodeState;
use crate::reply::{self, Reply};
use crate::seen::Action;
use crate::stream::{StreamKey, percent_decode};

/// Answer `/event/{rest}`.
pub(super) fn answer(manager: &ManagerState, asked: &ManagerRequest<'_>, rest: &str) -> Reply {
    if rest == "list" {
        return list(manager);
    }
    let (scope_and_name, stats) = match rest.strip_suffix("/stats") {
        Some(shorter) if shorter.contains('/') => (shorter, true),
        _ => (rest, false),
    };
    let Some((scope, name)) = scope_and_name
        .rsplit_once('/')
        .filter(|(scope, name)| !scope.is_empty() && !name.is_empty())
    else {
        return failure(400, "A scope and a stream name are wanted.");
    };
    let key = StreamKey::new(&percent_decode(scope), &percent_decode(name));
    if stats {
        return statistics(manager, &key);
    }
    let question = match Question::of_1_x(asked.query) {
        Ok(question) => question.from(manager.region_of(asked)),
        Err(reason) => return failure(400, reason),
    };
    let action = question.action;
    manager.seen.lookup(action, &key, rest, asked.query);
    if let Some(lie) = manager.lie() {
        return false_answer(manager, &key, lie);
    }
    match choice::choose(manager, &question, &key) {
        Ok(nodes) => {
            // The documents of 1.x do not say when a provision reaches its transcoder; a publish
            // lookup is the last chance.
            if action == Action::Broadcast {
                let lookup = format!("{rest}?{}", asked.query);
                distribute(manager, &key, &nodes, question.transcode, &lookup);
            }
            let named = nodes.into_iter().map(|node| endpoint(&key, node)).collect();
            named_in(named, question.endpoints)
        }
        Err(message) => failure(404, &message),
    }
}

/// One object if one was asked for, else an array.
fn named_in(mut named: Vec<Value>, endpoints: usize) -> Reply {
    if endpoints == 1 && !named.is_empty() {
        return reply::json(200, &named.swap_remove(0));
    }
    reply::json(200, &Value::Array(named))
}

fn endpoint(key: &StreamKey, node: &NodeState) -> Value {
    json!({"name": key.name, "scope": format!("/{}", key.scope), "serverAddress": node.server_address(), "region": node.about.region})
}

fn list(manager: &ManagerState) -> Reply {
    let mut streams = Vec::new();
    for mut live in manager.registry.all_live() {
        live.players.sort_unstable();
        live.players.dedup();
        let carriers = std::iter::once(("origin", live.node))
            .chain(live.players.iter().map(|node| ("edge", *node)));
        for (kind, node) in
            carriers.filter_map(|(kind, node)| Some((kind, manager.nodes.get(node)?)))
        {
            streams.push(json!({
                "type": kind, "name": live.key.name, "scope": live.key.scope,
                "serverAddress": node.server_address(), "region": node.about.region,
            }));
        }
    }
    reply::json(200, &Value::Array(streams))
}

fn statistics(manager: &ManagerState, key: &StreamKey) -> Reply {
    let live = manager.registry.live(key);
    match live.and_then(|live| Some((manager.nodes.get(live.node)?, live))) {
        Some((node, live)) => reply::json(
            200,
            &json!({
                "name": key.name, "scope": format!("/{}", key.scope), "serverAddress": node.server_address(),
                "region": node.about.region, "currentSubscribers": live.players.len(), "startTime": live.since,
            }),
        ),
        None => failure(404, "The stream is not live."),
    }
}

/// A false answer of the manager, as [`Lie`] describes it.
fn false_answer(manager: &ManagerState, key: &StreamKey, lie: Lie) -> Reply {
    let truth = manager
        .nodes
        .first()
        .map_or(Value::Null, |node| endpoint(key, node));
    let named = |address: &String| json!({"name": key.name, "scope": format!("/{}", key.scope), "serverAddress": address});
    match lie {
        Lie::Html => reply::body(
            200,
            "text/html;charset=utf-8",
            "<!doctype html><title>Sign in</title><h1>Sign in</h1>",
        ),
        Lie::Array => reply::json(200, &Value::Array(vec![truth])),
        Lie::ErrorMessage(message) => failure(200, &message),
        Lie::Huge(bytes) => {
            let mut node = truth.as_object().cloned().unwrap_or_default();
            node.insert("padding".to_owned(), Value::from(""));
            let bare = Value::from(node.clone()).to_string().len();
            let padding = "x".repeat(bytes.min(64 << 20).saturating_sub(bare));
            node.insert("padding".to_owned(), Value::from(padding));
            reply::json(200, &Value::from(node))
        }
        Lie::Garbage => reply::body(200, "application/json", &b"{\"serverAddress\":\xff\x00"[..]),
        Lie::ServerAddress(address) => reply::json(200, &named(&address)),
        Lie::ServerAddresses(addresses) => {
            named_in(addresses.iter().map(named).collect(), addresses.len())
        }
    }
}
