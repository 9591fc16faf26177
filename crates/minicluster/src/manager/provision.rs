//! Provisions: what the manager forwards to nodes before a stream is published there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::ManagerState;
use crate::node::NodeState;
use crate::seen::Distributed;
use crate::stream::{StreamKey, text};

/// Provisions that the manager keeps at most.
const MAX_PROVISIONS: usize = 1024;
/// Shortest and longest guid of a provision, in characters (Stream Manager 2.0, Streams Provision
/// API).
const GUID: std::ops::RangeInclusive<usize> = 3..=256;
/// Variants of a provision that a configuration names by its base.
const LADDER: u32 = 3;

/// One provision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provision {
    /// The `provisionGuid` of 2.0; of 1.x scope and name.
    pub(super) guid: String,
    /// The streams it holds.
    streams: Vec<String>,
    /// As it was posted.
    pub(super) body: Value,
}

/// Why a provision was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProvisionError {
    Exists,
    Full,
}

/// The provisions of the manager.
#[derive(Debug, Default)]
pub(crate) struct Provisions(Mutex<Vec<Provision>>);

impl Provision {
    /// That of a base name, as an operator would post it: three variants.
    fn ladder(key: &StreamKey) -> Self {
        let guid = guid_of(key);
        let streams: Vec<String> = (1..=LADDER)
            .map(|level| format!("{guid}_{level}"))
            .collect();
        let entries: Vec<Value> = (1..)
            .zip(&streams)
            .map(|(level, guid)| json!({"streamGuid": guid, "abrLevel": level}))
            .collect();
        let body = json!({"provisionGuid": guid, "streams": entries});
        Self {
            guid,
            streams,
            body,
        }
    }

    /// One of 1.x: `{"meta":{"stream":[{"name":…}]}}`. The error is the text of the 400.
    pub(super) fn of_1_x(key: &StreamKey, body: &str) -> Result<Self, &'static str> {
        let body: Value = serde_json::from_str(body).map_err(|_| "The provision is no JSON.")?;
        let variants = body.pointer("/meta/stream").and_then(Value::as_array);
        let streams: Option<Vec<String>> = variants
            .ok_or("The provision has no meta.stream.")?
            .iter()
            .map(|variant| text(variant, "name").map(|name| format!("{}/{name}", key.scope)))
            .collect();
        Ok(Self {
            guid: guid_of(key),
            streams: streams.ok_or("A stream of the provision has no name.")?,
            body,
        })
    }

    /// Those of 2.0: a list of `{"provisionGuid":…,"streams":[{"streamGuid":…}]}`. The error is the
    /// text of the 400.
    pub(super) fn of_2_0(body: &str) -> Result<Vec<Self>, &'static str> {
        let list: Vec<Value> =
            serde_json::from_str(body).map_err(|_| "The body is no list of provisions.")?;
        if list.is_empty() {
            return Err("The list of provisions is empty.");
        }
        list.into_iter().map(Self::one_of_2_0).collect()
    }

    fn one_of_2_0(body: Value) -> Result<Self, &'static str> {
        let guid = text(&body, "provisionGuid").filter(|guid| GUID.contains(&guid.len()));
        let guid = guid.ok_or("A provisionGuid of 3 to 256 characters is wanted.")?;
        let entries = body.get("streams").and_then(Value::as_array);
        let entries = entries.filter(|streams| !streams.is_empty());
        let streams: Option<Vec<String>> = entries
            .ok_or("At least one stream is wanted.")?
            .iter()
            .map(|stream| text(stream, "streamGuid").filter(|guid| guid.contains('/')))
            .map(|guid| guid.map(ToOwned::to_owned))
            .collect();
        Ok(Self {
            guid: guid.to_owned(),
            streams: streams.ok_or("A streamGuid with a slash is wanted.")?,
            body,
        })
    }
}

impl Provisions {
    /// Those of these base names.
    pub(crate) fn of(keys: &[StreamKey]) -> Self {
        Self(Mutex::new(keys.iter().map(Provision::ladder).collect()))
    }

    /// Keep these, or none of them.
    pub(super) fn create(&self, new: Vec<Provision>) -> Result<(), ProvisionError> {
        let mut kept = self.lock();
        if kept
            .iter()
            .any(|old| new.iter().any(|new| new.guid == old.guid))
        {
            return Err(ProvisionError::Exists);
        }
        if kept.len() + new.len() > MAX_PROVISIONS {
            return Err(ProvisionError::Full);
        }
        kept.extend(new);
        Ok(())
    }

    pub(super) fn remove(&self, guid: &str) -> Option<Provision> {
        let mut kept = self.lock();
        let at = kept.iter().position(|provision| provision.guid == guid)?;
        Some(kept.remove(at))
    }

    pub(super) fn get(&self, guid: &str) -> Option<Provision> {
        let kept = self.lock();
        kept.iter().find(|kept| kept.guid == guid).cloned()
    }

    pub(super) fn all(&self) -> Vec<Provision> {
        self.lock().clone()
    }

    /// Whether a provision has exactly this guid.
    pub(super) fn has(&self, key: &StreamKey) -> bool {
        let guid = guid_of(key);
        self.lock().iter().any(|kept| kept.guid == guid)
    }

    /// The provision that holds this stream, or has its guid.
    pub(super) fn holding(&self, key: &StreamKey) -> Option<Provision> {
        let guid = guid_of(key);
        let kept = self.lock();
        let holds = |kept: &&Provision| kept.guid == guid || kept.streams.contains(&guid);
        kept.iter().find(holds).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Provision>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forward what is provisioned for this stream to the nodes that a publish lookup names: the side
/// effect of that lookup. The first of them makes the variants if a transcoder was asked for.
pub(super) fn distribute(
    manager: &ManagerState,
    key: &StreamKey,
    nodes: &[&NodeState],
    transcode: bool,
    lookup: &str,
) {
    let Some(provision) = manager.provisions.holding(key) else {
        return;
    };
    for node in nodes {
        manager.seen.provision(Distributed {
            provision: provision.guid.clone(),
            node: node.index,
            lookup: lookup.to_owned(),
        });
    }
    if let Some(transcoder) = nodes.first().filter(|_| transcode) {
        let split = |guid: &String| {
            guid.rsplit_once('/')
                .map(|(scope, name)| StreamKey::new(scope, name))
        };
        let streams = provision.streams.iter().filter_map(split).collect();
        manager.registry.provision(transcoder.index, streams);
    }
}

fn guid_of(key: &StreamKey) -> String {
    format!("{}/{}", key.scope, key.name)
}
