use futures_util::future::BoxFuture;
use serde_json::json;
use tokio_util::task::TaskTracker;
use whipstitch_origin::{
    Asker, ByNetwork, Cause, Claim, Directory, Hints, LookupError, Metrics, Outcome, Purpose,
    Source, config,
};
use whipstitch_signaling::{Api, StreamKey};

use super::*;

struct Fixed(Vec<Origin>);

impl Source for Fixed {
    fn ask<'a>(
        &'a self,
        lookup: &'a whipstitch_origin::Lookup,
        _: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        let candidates = match lookup.role {
            Role::Play => None,
            Role::Publish => Candidates::new(self.0.clone()),
        };
        Box::pin(std::future::ready(
            candidates.ok_or(LookupError::NotFound(None)),
        ))
    }
}

fn view_of(allowed: AllowedOrigins, nodes: Vec<Origin>) -> View {
    let health = Health::new(&config::Nodes::default(), Metrics::default());
    let directory = Cached::new(
        Arc::new(Fixed(nodes)),
        config::Lookup::default(),
        health.clone(),
        TaskTracker::new(),
        Metrics::default(),
    );
    View {
        allowed: Arc::new(allowed),
        health,
        directory: Arc::new(directory),
    }
}

fn gate() -> AllowedOrigins {
    AllowedOrigins::new(&config::Nodes::default(), Metrics::default())
}

pub(crate) fn view() -> View {
    view_of(gate(), Vec::new())
}

pub(crate) fn directory() -> Cached {
    Cached::clone(&view().directory)
}

#[tokio::test(start_paused = true)]
async fn nodes_and_lookups_are_shown_without_the_values_of_clients() {
    let gate = gate();
    let one = gate.admit(Claim::Manager("10.0.0.1")).await.unwrap();
    let two = gate.admit(Claim::Manager("10.0.0.2")).await.unwrap();
    let view = view_of(gate, vec![one.clone(), two]);
    let lookup = |role, hints| {
        whipstitch_origin::Lookup::new(
            role,
            StreamKey::new("live", "s1").unwrap(),
            Hints::from_query(hints, Api::V1).unwrap(),
        )
    };
    let publish = lookup(Role::Publish, "region=secret&strict=true");
    let asker = Asker::at("203.0.113.7".parse().unwrap());
    let network = ByNetwork::Auto.network(Api::V2, asker);
    let play = lookup(Role::Play, "").of_network(network);
    view.directory
        .locate(&publish, Asker::UNKNOWN, Purpose::Session)
        .await
        .unwrap();
    tokio::time::advance(Duration::from_millis(500)).await;
    view.directory
        .locate(&play, asker, Purpose::Session)
        .await
        .unwrap_err();
    view.directory
        .report(&one, Outcome::Unreachable(Cause::Refused));
    let took = Duration::from_millis(3);
    view.directory.connected(one.addr(), took);
    let sessions = BTreeMap::from([(one.named(), 3)]);
    let mut nodes = serde_json::to_value(view.nodes(&sessions)).unwrap();
    // By the clock on the wall, which no test stands still: only that they are there.
    for (field, is) in [
        ("ejected_until_at", 5),
        ("unhealthy_since_at", 0),
        ("last_error_at", 0),
    ] {
        let at = &mut nodes["nodes"][0][field];
        assert!(at.as_u64().is_some_and(|at| at > 1_600_000_000_000), "{at}");
        *at = is.into();
    }
    assert_eq!(
        nodes,
        json!({"total": 2, "nodes": [
            {"address": "10.0.0.1", "named_seconds_ago": 0.5, "sessions_sent": 1, "failures": 1, "state": "ejected",
             "ejected_for_seconds": 5.0, "ejected_until_at": 5, "unhealthy_since_at": 0, "ejections": 1, "sessions": 3, "connect_p50_ms": 4.0,
             "connect_p99_ms": 4.0, "last_error": "connection refused", "last_error_at": 0},
            {"address": "10.0.0.2", "named_seconds_ago": 0.5, "sessions_sent": 0, "failures": 0, "state": "healthy",
             "ejected_for_seconds": null, "ejected_until_at": null, "unhealthy_since_at": null, "ejections": 0, "sessions": 0, "connect_p50_ms": null,
             "connect_p99_ms": null, "last_error": null, "last_error_at": null},
        ]})
    );
    assert_eq!(
        serde_json::to_value(view.lookups()).unwrap(),
        json!({"total": 2, "lookups": [
            {"role": "play", "stream": "live/s1", "hints": [], "network": "203.0.0.0/16", "answer": "not_found", "age_seconds": 0.0, "state": "fresh",
             "uses": 1, "uses_left": null, "candidates": []},
            {"role": "publish", "stream": "live/s1", "hints": ["region", "strict"], "network": null, "answer": "found", "age_seconds": 0.5,
             "state": "stale", "uses": 1, "uses_left": null, "candidates": ["10.0.0.1", "10.0.0.2"]},
        ]})
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_left_counts_neither_for_the_verdict_nor_for_the_metrics() {
    let gate = gate();
    let gone = gate.admit(Claim::Manager("10.0.0.1")).await.unwrap();
    let dead = gate.admit(Claim::Manager("10.0.0.2")).await.unwrap();
    let view = view_of(gate, vec![gone.clone()]);
    let counted = || {
        let (counts, judged) = (view.node_counts(), view.judged_nodes());
        let unhealthy = counts.ejected + counts.returning;
        assert_eq!(
            (judged.healthy, judged.ejected.len()),
            (counts.healthy, unhealthy)
        );
        (counts.healthy, unhealthy)
    };
    assert_eq!(counted(), (2, 0), "named");
    let refused = || Outcome::Unreachable(Cause::Refused);
    view.directory.report(&dead, refused());
    view.directory.connected(gone.addr(), Duration::ZERO);
    view.directory.report(&gone, Outcome::Answered);
    assert_eq!(counted(), (1, 1));
    // From here on the manager names neither; only sessions of the dead one come back.
    tokio::time::advance(Duration::from_mins(9)).await;
    view.directory.report(&dead, refused());
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(counted(), (0, 1), "the healthy one has left");
    tokio::time::advance(Duration::from_mins(9)).await;
    assert_eq!(counted(), (0, 0), "and so has the other");
}

#[test]
fn the_youngest_of_many_are_kept_in_order() {
    let mut ages: Vec<u64> = (0..5_000).map(|n| n * 7_919 % 5_000).collect();
    youngest(&mut ages, |age| Duration::from_secs(*age));
    assert_eq!(ages, (0..1_000).collect::<Vec<_>>());
    let mut few = vec![3, 1, 2];
    youngest(&mut few, |age| Duration::from_secs(*age));
    assert_eq!(few, [1, 2, 3]);
}
