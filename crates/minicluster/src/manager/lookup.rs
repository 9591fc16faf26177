//! One lookup, of either API: what it asks for, and which nodes it gets (Red5 Pro documentation, Stream Manager REST API
//! v4.0; Stream Manager 2.0, Streams API).

use std::sync::PoisonError;

use serde_json::Value;

use super::event::endpoint;
use super::{ManagerState, failure};
use crate::node::{NodeState, Stage};
use crate::reply::{self, Reply};
use crate::seen::Action;
use crate::stream::{StreamKey, raw_param};

/// More endpoints than this are never named at once.
const MAX_ENDPOINTS: usize = 16;

/// What a lookup asks for.
pub(super) struct Lookup<'q> {
    pub(super) action: Action,
    endpoints: usize,
    place: Place<'q>,
    strict: bool,
    transcode: bool,
}

/// Where the node should be; what is `None` does not matter.
#[derive(Clone, Copy)]
struct Place<'q> {
    /// One region; of 2.0 a list of subgroups, joined by commas.
    region: Option<&'q str>,
    geozone: Option<&'q str>,
    zone: Option<&'q str>,
}

impl<'q> Place<'q> {
    fn parse(query: &'q str) -> Result<Self, &'static str> {
        let given = |name| raw_param(query, name).filter(|value| !value.is_empty());
        let place = Self {
            region: given("region"),
            geozone: given("geozone"),
            zone: given("zone"),
        };
        match place {
            Self {
                region: Some(_),
                geozone: Some(_),
                ..
            } => Err("Region and geozone exclude each other."),
            _ => Ok(place),
        }
    }

    fn holds(&self, node: &NodeState) -> bool {
        let about = &node.about;
        self.region
            .is_none_or(|regions| regions.split(',').any(|region| about.region == region))
            && self
                .geozone
                .is_none_or(|wanted| about.geozone.as_deref() == Some(wanted))
            && self
                .zone
                .is_none_or(|wanted| about.zone.as_deref() == Some(wanted))
    }
}

impl<'q> Lookup<'q> {
    /// # Errors
    /// The `errorMessage` of the 400.
    pub(super) fn parse(query: &'q str) -> Result<Self, &'static str> {
        let action = match raw_param(query, "action") {
            Some("broadcast") => Action::Broadcast,
            Some("subscribe") => Action::Subscribe,
            Some(_) => return Err("The action is neither broadcast nor subscribe."),
            None => return Err("An action is wanted."),
        };
        Self::new(action, Place::parse(query)?, query)
    }

    /// The same of 2.0, where the path tells the action and a subgroup the place.
    ///
    /// # Errors
    /// The `error` of the 400.
    pub(super) fn of_2_0(action: Action, query: &'q str) -> Result<Self, &'static str> {
        let place = Place {
            region: raw_param(query, "subgroup").filter(|value| !value.is_empty()),
            geozone: None,
            zone: None,
        };
        Self::new(action, place, query)
    }

    fn new(action: Action, place: Place<'q>, query: &'q str) -> Result<Self, &'static str> {
        let endpoints = match raw_param(query, "endpoints").map(str::parse) {
            None => 1,
            Some(Ok(number)) if number > 0 => number,
            Some(_) => return Err("The number of endpoints is not a positive integer."),
        };
        Ok(Self {
            action,
            endpoints: MAX_ENDPOINTS.min(endpoints),
            place,
            strict: raw_param(query, "strict") == Some("true"),
            transcode: raw_param(query, "transcode") == Some("true"),
        })
    }

    pub(super) fn answer(&self, manager: &ManagerState, key: &StreamKey) -> Reply {
        match self.named_nodes(manager, key) {
            Ok(nodes) => self.named(nodes.into_iter().map(|node| endpoint(key, node)).collect()),
            Err(message) => failure(404, &message),
        }
    }

    /// As many nodes as are asked for, the best first; at least one. The error is the text of the 404.
    pub(super) fn named_nodes<'m>(
        &self,
        manager: &'m ManagerState,
        key: &StreamKey,
    ) -> Result<Vec<&'m NodeState>, String> {
        let mut nodes = self.nodes(manager, key)?;
        nodes.truncate(self.endpoints);
        if nodes.is_empty() {
            return Err("No node is available.".to_owned());
        }
        Ok(nodes)
    }

    /// The nodes for this lookup, the best first. The error is the text of the 404.
    fn nodes<'m>(
        &self,
        manager: &'m ManagerState,
        key: &StreamKey,
    ) -> Result<Vec<&'m NodeState>, String> {
        let live = manager.registry.live(key);
        let mut turns = manager.turns.lock().unwrap_or_else(PoisonError::into_inner);
        match self.action {
            Action::Broadcast if self.transcode && is_variant(manager, key) => Err(format!(
                "No provision of {} is found in {}.",
                key.name, key.scope
            )),
            Action::Broadcast if self.transcode && manager.config.provisions.contains(key) => {
                // The place is not asked for: there is one transcoder, and the provision has settled where.
                let transcoder = manager.nodes.last().filter(|node| in_service(node));
                Ok(transcoder.map(AsRef::as_ref).into_iter().collect())
            }
            Action::Broadcast => {
                let mut nodes = self.inside(manager);
                turns.for_publisher(&mut nodes, live.map(|live| live.node), |node| {
                    manager.registry.load(node)
                });
                Ok(nodes)
            }
            Action::Subscribe if live.is_none() => {
                Err(format!("Stream {} is not live in {}.", key.name, key.scope))
            }
            Action::Subscribe => {
                let mut nodes = self.inside(manager);
                turns.for_player(&mut nodes);
                Ok(nodes)
            }
        }
    }

    /// The nodes in service where they are wanted. If there are none, those of the whole region, then all; but none if
    /// the place is meant strictly.
    fn inside<'m>(&self, manager: &'m ManagerState) -> Vec<&'m NodeState> {
        let all = || {
            let nodes = manager.nodes.iter().map(AsRef::as_ref);
            nodes.filter(|node: &&NodeState| in_service(node))
        };
        let wider = Place {
            zone: None,
            ..self.place
        };
        let places: &[Place<'_>] = if self.strict {
            &[self.place]
        } else {
            &[self.place, wider]
        };
        for place in places {
            let inside: Vec<&NodeState> = all().filter(|node| place.holds(node)).collect();
            if !inside.is_empty() || self.strict {
                return inside;
            }
        }
        all().collect()
    }

    /// One object if one was asked for, else an array.
    fn named(&self, mut named: Vec<Value>) -> Reply {
        if self.endpoints == 1 && !named.is_empty() {
            return reply::json(200, &named.swap_remove(0));
        }
        reply::json(200, &Value::Array(named))
    }
}

fn in_service(node: &NodeState) -> bool {
    node.stage() == Stage::InService
}

/// Whether this is `base_N` of a provisioned `base`.
fn is_variant(manager: &ManagerState, key: &StreamKey) -> bool {
    let Some((base, number)) = key.name.rsplit_once('_') else {
        return false;
    };
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let base = StreamKey::new(&key.scope, base);
    numbered
        && manager.config.provisions.contains(&base)
        && !manager.config.provisions.contains(key)
}
