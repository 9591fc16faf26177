//! Which nodes a lookup gets.
//!
//! | rule | 1.x | 2.0 |
//! |---|---|---|
//! | `strict` | the place is a condition, and the number of nodes has to be that of `endpoints` (1 by default) | the same |
//! | not strict | the nodes of the place, else those of its region, else any; up to `endpoints` | those of the place first, others after them; up to `endpoints` |
//! | `geozone` | it has to give `endpoints` nodes | |
//! | publish | nodes that take publishers | the same |
//! | publish, `transcode` | a transcoder for a provisioned name, 404 for a variant of one, else as without | 404 without a provision of exactly this stream; a transcoder and, after it, its destination origin |
//! | subscribe | nodes that serve players, if the stream is live | the same |
//! | no place named | the region of the client's network first | the same |
//!
//! (Red5 Pro documentation, REST API 4.0, "Read Stream"; Stream Manager 2.0, Streams API.) That a
//! provision holds a stream means by the documents of 2.0 both: its `provisionGuid` is that
//! stream's guid, and it is among its `streams`.

use std::sync::PoisonError;

use super::question::{Api, Place, Question};
use super::{ManagerState, Turns};
use crate::node::{NodeState, Stage};
use crate::role::{Capability, Role};
use crate::seen::Action;
use crate::stream::StreamKey;

/// The nodes for this lookup, the best first; at least one. The error is the text of the 404.
pub(super) fn choose<'m>(
    manager: &'m ManagerState,
    question: &Question<'_>,
    key: &StreamKey,
) -> Result<Vec<&'m NodeState>, String> {
    let live = manager.registry.live(key);
    if question.action == Action::Subscribe && live.is_none() {
        return Err(format!("Stream {} is not live in {}.", key.name, key.scope));
    }
    if question.transcode && transcodes(manager, question, key)? {
        return transcoder(manager, question);
    }
    let mut turns = lock(manager);
    match question.action {
        Action::Broadcast => ranked(manager, question, Capability::Publish, |nodes| {
            turns.for_publisher(nodes, live.as_ref().map(|live| live.node), |node| {
                manager.registry.load(node)
            });
        }),
        Action::Subscribe => ranked(manager, question, Capability::Subscribe, |nodes| {
            turns.for_player(nodes);
        }),
    }
}

/// Whether a transcoder is to be named. The error is the text of the 404.
fn transcodes(
    manager: &ManagerState,
    question: &Question<'_>,
    key: &StreamKey,
) -> Result<bool, String> {
    let provisions = &manager.provisions;
    let none = || {
        Err(format!(
            "No provision of {} is found in {}.",
            key.name, key.scope
        ))
    };
    match question.api {
        Api::V1 if provisions.has(key) => Ok(true),
        Api::V1 if provisions.holding(key).is_some() => none(),
        Api::V1 => Ok(false),
        Api::V2 if provisions.holding(key).is_some() => Ok(true),
        Api::V2 => none(),
    }
}

/// A transcoder; of 2.0 its destination origin after it.
fn transcoder<'m>(
    manager: &'m ManagerState,
    question: &Question<'_>,
) -> Result<Vec<&'m NodeState>, String> {
    let mut turns = lock(manager);
    let load = |node| manager.registry.load(node);
    let mut named = ranked(manager, question, Capability::Transcode, |nodes| {
        let dedicated = |node: &&NodeState| node.about.role == Role::Transcoder;
        if nodes.iter().any(&dedicated) {
            turns.for_publisher(nodes, None, load);
            nodes.sort_by_key(|node| !dedicated(node));
        } else {
            nodes.sort_by_key(|node| std::cmp::Reverse(node.index));
        }
    })?;
    if question.api == Api::V1 {
        return Ok(named);
    }
    named.truncate(1);
    let taken = named.first().map(|node| node.index);
    let mut origins = candidates(manager, question, Capability::Publish);
    origins.sort_by_key(|node| {
        let elsewhere = !holds(&question.place, node);
        let role = node.about.role != Role::Origin;
        (Some(node.index) == taken, elsewhere, role, load(node.index))
    });
    match origins.first() {
        None => Err("No destination origin is available.".to_owned()),
        Some(origin) if Some(origin.index) == taken => Ok(named),
        Some(origin) => {
            named.push(*origin);
            Ok(named)
        }
    }
}

/// As many nodes as are asked for, with this capability. `turn` puts those in order that are
/// equally well placed.
fn ranked<'m>(
    manager: &'m ManagerState,
    question: &Question<'_>,
    capability: Capability,
    turn: impl FnOnce(&mut [&'m NodeState]),
) -> Result<Vec<&'m NodeState>, String> {
    let mut tiers = tiers(question, candidates(manager, question, capability));
    let found: usize = tiers.iter().map(Vec::len).sum();
    let demanded = if question.strict || question.place.geozone.is_some() {
        question.endpoints
    } else {
        1
    };
    if found == 0 {
        return Err("No node is available.".to_owned());
    }
    if found < demanded {
        let number = question.endpoints;
        return Err(format!("{number} nodes are wanted, {found} can be given."));
    }
    if let Some(best) = tiers.first_mut() {
        turn(best);
    }
    Ok(tiers
        .into_iter()
        .flatten()
        .take(question.endpoints)
        .collect())
}

/// The nodes in service that can do this.
fn candidates<'m>(
    manager: &'m ManagerState,
    question: &Question<'_>,
    capability: Capability,
) -> Vec<&'m NodeState> {
    let nodes = manager.nodes.iter().map(AsRef::as_ref);
    nodes
        .filter(|node: &&NodeState| node.stage() == Stage::InService)
        .filter(|node| node.about.role.can(capability))
        .filter(|node| {
            question
                .group
                .is_none_or(|group| manager.is_group(group, node))
        })
        .collect()
}

/// The nodes that may be named, by how well they are placed; no tier is empty.
fn tiers<'m>(question: &Question<'_>, all: Vec<&'m NodeState>) -> Vec<Vec<&'m NodeState>> {
    let place = question.place;
    let mut tiers = match question.api {
        _ if place.is_anywhere() => {
            let near = |node: &&NodeState| question.near == Some(node.about.region.as_str());
            let (near, far): (Vec<_>, Vec<_>) = all.into_iter().partition(near);
            match question.api {
                Api::V1 if !near.is_empty() => vec![near],
                Api::V1 | Api::V2 => vec![near, far],
            }
        }
        Api::V1 => vec![placed(question, all)],
        Api::V2 => by_preference(question, all),
    };
    tiers.retain(|tier| !tier.is_empty());
    tiers
}

/// 1.x: those of the place; without them, and if they are not demanded, those of the whole region,
/// then all.
fn placed<'m>(question: &Question<'_>, all: Vec<&'m NodeState>) -> Vec<&'m NodeState> {
    let place = question.place;
    let wider = Place {
        zone: None,
        ..place
    };
    let demanded = question.strict || place.geozone.is_some();
    let inside = |place: Place<'_>| -> Vec<&'m NodeState> {
        let inside = all.iter().filter(|node| holds(&place, node));
        inside.copied().collect()
    };
    let found = inside(place);
    if demanded || !found.is_empty() {
        return found;
    }
    let found = inside(wider);
    if found.is_empty() { all } else { found }
}

/// 2.0: those of the first subgroup, of the second and so on; the others last, unless a subgroup is
/// demanded.
fn by_preference<'m>(
    question: &Question<'_>,
    mut all: Vec<&'m NodeState>,
) -> Vec<Vec<&'m NodeState>> {
    let mut tiers = Vec::new();
    for wanted in question.place.region.unwrap_or_default().split(',') {
        let (here, others) = all
            .into_iter()
            .partition(|node: &&NodeState| node.about.region == wanted);
        tiers.push(here);
        all = others;
    }
    if !question.strict {
        tiers.push(all);
    }
    tiers
}

fn holds(place: &Place<'_>, node: &NodeState) -> bool {
    let about = &node.about;
    place
        .region
        .is_none_or(|regions| regions.split(',').any(|region| about.region == region))
        && place
            .geozone
            .is_none_or(|wanted| about.geozone.as_deref() == Some(wanted))
        && place
            .zone
            .is_none_or(|wanted| about.zone.as_deref() == Some(wanted))
}

fn lock(manager: &ManagerState) -> std::sync::MutexGuard<'_, Turns> {
    manager.turns.lock().unwrap_or_else(PoisonError::into_inner)
}
