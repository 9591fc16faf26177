//! The question and the answers.

mod hints;

use std::{fmt, sync::Arc};

use whipstitch_signaling::{Role, StreamKey};

pub(crate) use self::hints::NODE_GROUP;
pub use self::hints::{Hints, HintsError};
use crate::{Network, Origin};

/// Nodes that the second, wider question asks for when those of the first answer fail.
const SPARES: usize = 4;

/// A question to the Stream Manager, and the key under which its answer is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// Publish or play.
    pub role: Role,
    /// The stream.
    pub key: StreamKey,
    /// What the client asks beside that.
    pub hints: Hints,
    network: Option<Network>,
}

impl Lookup {
    /// The question of any client.
    pub fn new(role: Role, key: StreamKey, hints: Hints) -> Self {
        Self {
            role,
            key,
            hints,
            network: None,
        }
    }

    /// The question of a client of this network. Where the client names a region, its network does
    /// not matter.
    #[must_use]
    pub fn of_network(self, network: Option<Network>) -> Self {
        let network = network.filter(|_| !self.hints.names_place());
        Self { network, ..self }
    }

    /// The question of the same client with these hints in place of its own.
    #[must_use]
    pub fn with_hints(self, hints: Hints) -> Self {
        let network = self.network;
        Self { hints, ..self }.of_network(network)
    }

    /// The network whose clients share the answer; all clients if there is none.
    pub fn network(&self) -> Option<Network> {
        self.network
    }

    /// The same question for spare nodes; `None` if the manager may not be asked for more than the
    /// client asks for.
    #[must_use]
    pub fn wider(&self) -> Option<Self> {
        self.for_endpoints(SPARES)
    }

    /// The same question for up to this many nodes; `None` if the manager may not be asked for more
    /// than the client asks for, see [`Hints::takes_endpoints`].
    #[must_use]
    pub fn for_endpoints(&self, number: usize) -> Option<Self> {
        if !self.hints.takes_endpoints() {
            return None;
        }
        Some(Self {
            hints: self.hints.with_endpoints(number)?,
            ..self.clone()
        })
    }

    /// How many nodes the manager is asked for where `usual` is what it is asked for by itself: no
    /// other node of its answer is a candidate.
    ///
    /// A transcoded publish goes to the first node of the list, the transcoder. The second is the
    /// transcoder's own destination, which must not get the stream (Red5 Pro documentation, Stream
    /// Manager 2.0 Streams API).
    pub(crate) fn candidates(&self, usual: usize) -> usize {
        if self.role == Role::Publish && self.hints.transcodes() {
            return 1;
        }
        match self.hints.get("endpoints") {
            // What is no number is the manager's to refuse.
            Some(number) => number.parse().unwrap_or(usize::MAX).max(1),
            None if self.hints.takes_endpoints() => usual.max(1),
            None => 1,
        }
    }

    /// The stream that a transcoder was provisioned for, if this one is a variant of it.
    ///
    /// A publisher sends `stream1_2` where `stream1` was provisioned, and some managers know only
    /// the latter (red5pro example pages, Transcoder POST).
    pub(crate) fn transcoded_base(&self) -> Option<StreamKey> {
        if self.role != Role::Publish || self.hints.get("transcode") != Some("true") {
            return None;
        }
        let (base, variant) = self.key.name().rsplit_once('_')?;
        let numbered = !variant.is_empty() && variant.bytes().all(|byte| byte.is_ascii_digit());
        StreamKey::new(self.key.scope(), base)
            .ok()
            .filter(|_| numbered)
    }
}

/// Nodes that can carry a stream, the one to try first at the front; never empty. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidates {
    nodes: Arc<[Origin]>,
    /// Whose turn it is.
    first: usize,
}

impl Candidates {
    /// `None` if there are none.
    pub fn new(nodes: Vec<Origin>) -> Option<Self> {
        (!nodes.is_empty()).then(|| Self {
            nodes: nodes.into(),
            first: 0,
        })
    }

    /// This node first, and then the others.
    #[must_use]
    pub fn led_by(&self, first: &Origin) -> Self {
        let others = self.iter().filter(|origin| *origin != first);
        Self {
            nodes: std::iter::once(first).chain(others).cloned().collect(),
            first: 0,
        }
    }

    /// The same nodes, this many turns later.
    pub(crate) fn rotated(&self, turns: usize) -> Self {
        Self {
            nodes: self.nodes.clone(),
            first: (self.first + turns % self.len()) % self.len(),
        }
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.nodes.len().max(1)
    }

    /// The one to try first at the front.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        let (last, first) = self.nodes.split_at_checked(self.first).unwrap_or_default();
        first.iter().chain(last)
    }
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use whipstitch_signaling::Api;

    use super::*;
    use crate::{Asker, ByNetwork};

    fn asked(role: Role, hints: &str) -> Lookup {
        let key = StreamKey::new("live", "s1").unwrap();
        Lookup::new(role, key, Hints::from_query(hints, Api::V1).unwrap())
    }

    #[test]
    fn no_endpoints_are_added_where_they_change_what_the_client_asks_for() {
        for (hints, wider, candidates) in [
            ("", Some("endpoints=4"), 2),
            ("region=eu", Some("endpoints=4&region=eu"), 2),
            ("zone=a", Some("endpoints=4&zone=a"), 2),
            ("strict=true", None, 1),
            ("strict=false", None, 1),
            ("strict", None, 1),
            ("region=eu&strict=true", None, 1),
            ("transcode=true", None, 1),
            ("transcode=false", None, 1),
            ("geozone=emea", None, 1),
            ("endpoints=3", None, 3),
            ("endpoints=3&strict=true", None, 3),
            ("endpoints=0", None, 1),
        ] {
            for role in [Role::Publish, Role::Play] {
                let lookup = asked(role, hints);
                let found = lookup.wider().map(|wider| wider.hints.as_str().to_owned());
                assert_eq!(found.as_deref(), wider, "{hints}");
                assert_eq!(lookup.candidates(2), candidates, "{hints}");
            }
        }
        let of_two = asked(Role::Publish, "transcode=true&endpoints=2");
        assert_eq!(of_two.candidates(1), 1, "the second is no spare");
        assert_eq!(
            asked(Role::Play, "transcode=true&endpoints=2").candidates(1),
            2
        );
        assert_eq!(
            asked(Role::Publish, "transcode=false&endpoints=2").candidates(1),
            2
        );
    }

    #[test]
    fn a_network_is_part_of_the_question_unless_a_region_is_named() {
        let asker = Asker::at("203.0.113.7".parse().unwrap());
        let network = ByNetwork::Auto.network(Api::V2, asker);
        let of = |hints| asked(Role::Play, hints).of_network(network);
        for hints in ["", "region=", "strict=true", "endpoints=2"] {
            assert_eq!(of(hints).network(), network, "{hints}");
            assert_ne!(of(hints), asked(Role::Play, hints));
        }
        for hints in [
            "region=eu",
            "geozone=emea",
            "zone=a",
            "strict=true&region=eu",
        ] {
            assert_eq!(of(hints).network(), None, "{hints}");
        }
        let subgroup = Hints::from_query("subgroup=eu", Api::V2).unwrap();
        assert_eq!(of("").with_hints(subgroup).network(), None);
        assert_eq!(of("").wider().unwrap().network(), network);
    }

    #[test]
    fn a_variant_of_a_transcoded_stream_has_a_base() {
        let base = |role, name, hints| {
            let (key, hints) = (
                StreamKey::new("live", name).unwrap(),
                Hints::from_query(hints, Api::V1).unwrap(),
            );
            let base = Lookup::new(role, key, hints).transcoded_base();
            base.map(|base| base.as_str().to_owned())
        };
        let transcode = "transcode=true";
        let found = base(Role::Publish, "a_b_12", transcode);
        assert_eq!(found.as_deref(), Some("live/a_b"));
        for (role, name, hints) in [
            (Role::Publish, "a_12", ""),
            (Role::Publish, "a_12", "transcode=false"),
            (Role::Publish, "a_x", transcode),
            (Role::Publish, "a_", transcode),
            (Role::Publish, "_1", transcode),
            (Role::Publish, "a", transcode),
            (Role::Play, "a_1", transcode),
        ] {
            assert_eq!(base(role, name, hints), None, "{name} {hints}");
        }
    }
}
