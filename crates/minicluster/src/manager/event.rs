//! The public event calls: lookups, the list of streams, and one stream's statistics (Red5 Pro documentation, Stream
//! Manager REST API v4.0).

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::{ManagerState, failure};
use crate::fault::Lie;
use crate::node::NodeState;
use crate::reply::{self, Reply};
use crate::seen::Action;
use crate::stream::{StreamKey, percent_decode, raw_param};

/// More endpoints than this are never named at once.
const MAX_ENDPOINTS: usize = 16;

/// Answer `/event/{rest}`.
pub(crate) fn answer(manager: &ManagerState, rest: &str, query: &str) -> Reply {
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
    match Lookup::parse(query) {
        Ok(lookup) => {
            manager.seen.lookup(lookup.action, &key);
            match manager.lie() {
                Some(lie) => told(manager, &key, lie),
                None => lookup.answer(manager, &key),
            }
        }
        Err(reason) => failure(400, reason),
    }
}

/// What a lookup asks for.
struct Lookup<'q> {
    action: Action,
    endpoints: usize,
    region: Option<&'q str>,
    strict: bool,
}

impl<'q> Lookup<'q> {
    fn parse(query: &'q str) -> Result<Self, &'static str> {
        let action = match raw_param(query, "action") {
            Some("broadcast") => Action::Broadcast,
            Some("subscribe") => Action::Subscribe,
            Some(_) => return Err("The action is neither broadcast nor subscribe."),
            None => return Err("An action is wanted."),
        };
        let endpoints = match raw_param(query, "endpoints").map(str::parse) {
            None => 1,
            Some(Ok(number)) if number > 0 => number,
            Some(_) => return Err("The number of endpoints is not a positive integer."),
        };
        let region = raw_param(query, "region").filter(|region| !region.is_empty());
        if region.is_some() && raw_param(query, "geozone").is_some() {
            return Err("Region and geozone exclude each other.");
        }
        let strict = raw_param(query, "strict") == Some("true");
        Ok(Self {
            action,
            endpoints: endpoints.min(MAX_ENDPOINTS),
            region,
            strict,
        })
    }

    fn answer(&self, manager: &ManagerState, key: &StreamKey) -> Reply {
        let live = manager.registry.live(key);
        if self.action == Action::Subscribe && live.is_none() {
            return failure(
                404,
                &format!("Stream {} is not live in {}.", key.name, key.scope),
            );
        }
        let mut candidates: Vec<&NodeState> = manager
            .nodes
            .iter()
            .map(AsRef::as_ref)
            .filter(|n| !n.switch.is_dead())
            .collect();
        if let Some(region) = self.region {
            let inside: Vec<&NodeState> = candidates
                .iter()
                .copied()
                .filter(|node| node.region == region)
                .collect();
            if !inside.is_empty() || self.strict {
                candidates = inside;
            }
        }
        match self.action {
            // There is no transcoder here; as documented, `transcode=true` then names an origin.
            Action::Broadcast => {
                order_for_publisher(manager, &mut candidates, live.map(|live| live.node));
            }
            Action::Subscribe => order_for_player(manager, &mut candidates),
        }
        let mut named = candidates
            .into_iter()
            .take(self.endpoints)
            .map(|node| endpoint(key, node))
            .collect::<Vec<_>>();
        match (self.endpoints, named.is_empty()) {
            (_, true) => failure(404, "No node is available."),
            (1, false) => reply::json(200, &named.swap_remove(0)),
            _ => reply::json(200, &Value::Array(named)),
        }
    }
}

/// The node that carries the stream already, else the least loaded one.
fn order_for_publisher(manager: &ManagerState, nodes: &mut [&NodeState], carrier: Option<usize>) {
    let mut turns = manager.turns.lock().unwrap_or_else(PoisonError::into_inner);
    turns.named.resize(manager.nodes.len(), 0);
    nodes.sort_by_key(|node| {
        let named = turns.named.get(node.index).copied().unwrap_or_default();
        (
            Some(node.index) != carrier,
            manager.registry.load(node.index),
            named,
        )
    });
    if let Some(named) = nodes
        .first()
        .and_then(|first| turns.named.get_mut(first.index))
    {
        *named += 1;
    }
}

/// One after the other.
fn order_for_player(manager: &ManagerState, nodes: &mut [&NodeState]) {
    let mut turns = manager.turns.lock().unwrap_or_else(PoisonError::into_inner);
    if !nodes.is_empty() {
        nodes.rotate_left(turns.next % nodes.len());
        turns.next = turns.next.wrapping_add(1);
    }
}

fn endpoint(key: &StreamKey, node: &NodeState) -> Value {
    json!({"name": key.name, "scope": format!("/{}", key.scope), "serverAddress": node.ip.to_string(), "region": node.region})
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
                "serverAddress": node.ip.to_string(), "region": node.region,
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
                "name": key.name, "scope": format!("/{}", key.scope), "serverAddress": node.ip.to_string(),
                "region": node.region, "currentSubscribers": live.players.len(), "startTime": live.since,
            }),
        ),
        None => failure(404, "The stream is not live."),
    }
}

/// The answer of a manager that does not tell the truth.
fn told(manager: &ManagerState, key: &StreamKey, lie: Lie) -> Reply {
    let truth = manager
        .nodes
        .first()
        .map_or(Value::Null, |node| endpoint(key, node));
    match lie {
        Lie::Html => reply::body(
            200,
            "text/html;charset=utf-8",
            "<!doctype html><title>Sign in</title><h1>Sign in</h1>",
        ),
        Lie::Array => reply::json(200, &Value::Array(vec![truth])),
        Lie::ErrorMessage(message) => failure(200, &message),
        Lie::Huge(bytes) => {
            let padding = "x".repeat(bytes.min(64 << 20).saturating_sub(14));
            reply::body(
                200,
                "application/json",
                format!("{{\"padding\":\"{padding}\"}}"),
            )
        }
        Lie::Garbage => reply::body(200, "application/json", &b"{\"serverAddress\":\xff\x00"[..]),
        Lie::ServerAddress(address) => reply::json(
            200,
            &json!({"name": key.name, "scope": format!("/{}", key.scope), "serverAddress": address}),
        ),
    }
}
