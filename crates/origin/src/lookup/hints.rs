//! What a client asks of the Stream Manager beside the stream.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use thiserror::Error;
use whipstitch_signaling::{Api, NameError, query, stream::check_node_group};

/// Longest hints that are taken, in bytes.
const MAX_HINTS: usize = 512;

/// The hint of 2.0 that stands in the path.
pub(crate) const NODE_GROUP: &str = "nodeGroup";

/// The hint that says how many nodes are wanted.
const ENDPOINTS: &str = "endpoints";

/// The keys that change an answer: of the event API beside `action` (Red5 Pro documentation, Stream
/// Manager REST API 4.0), and of the proxy URLs of 2.0 (Red5 Pro documentation, Stream Manager 2.0,
/// WHIP/WHEP proxy).
fn keys(api: Api) -> &'static [&'static str] {
    match api {
        Api::V1 => &[
            "region",
            "geozone",
            "zone",
            "strict",
            "transcode",
            "endpoints",
        ],
        Api::V2 => &[
            NODE_GROUP,
            "region",
            "subgroup",
            "strict",
            "transcode",
            "endpoints",
        ],
    }
}

/// The query pairs that change the Stream Manager's answer: keys in their one spelling (`s%74rict`
/// is `strict`), values byte for byte as the client sent them. Values are compared in their one
/// spelling: `us%2Dwest` is `us-west`.
#[derive(Clone, Default)]
pub struct Hints(Option<Arc<str>>);

impl PartialEq for Hints {
    fn eq(&self, other: &Self) -> bool {
        query::unescaped(self.as_str()) == query::unescaped(other.as_str())
    }
}

impl Eq for Hints {}

impl Hash for Hints {
    fn hash<H: Hasher>(&self, state: &mut H) {
        query::unescaped(self.as_str()).hash(state);
    }
}

impl Hints {
    /// Picks the hints out of a client's query.
    ///
    /// # Errors
    /// They are longer than any honest client's, or name a node group that cannot be one.
    pub fn from_query(query: &str, api: Api) -> Result<Self, HintsError> {
        if query.is_empty() {
            return Ok(Self(None));
        }
        let keys = keys(api);
        let hints = plain_keys(&query::filter(query, |key| keys.contains(&key)));
        if hints.len() > MAX_HINTS {
            return Err(HintsError::TooLong);
        }
        // It becomes a segment of the path, so it must not be able to become more.
        if api == Api::V2
            && let Some(group) = query::get(&hints, NODE_GROUP)
        {
            check_node_group(group).map_err(HintsError::NodeGroup)?;
        }
        Ok(Self((!hints.is_empty()).then(|| hints.into())))
    }

    /// The keys, unescaped, in the client's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        query::pairs(self.as_str()).map(|(key, _)| key)
    }

    /// The undecoded value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        query::get(self.as_str(), key)
    }

    /// These hints, after earlier ones of the same client: all of both, and where both say
    /// something, these. `None` if that is longer than any honest client's.
    #[must_use]
    pub fn after(&self, earlier: &Self) -> Option<Self> {
        let both = query::merge(earlier.as_str(), self.as_str());
        match both.len() {
            0 => Some(Self(None)),
            1..=MAX_HINTS => Some(Self(Some(both.into()))),
            _ => None,
        }
    }

    /// Whether the manager can be asked for a number of nodes that the client did not ask for.
    ///
    /// With `strict` the number has to be met exactly, a transcoder comes alone, and the regions of
    /// a `geozone` have to give that many together (Red5 Pro documentation, Read Stream and Stream
    /// Manager 2.0 Streams API). So a number that the proxy adds there turns a request that the
    /// manager can serve into one that it cannot. What stands behind the key does not matter: which
    /// values the manager takes for "no" is not documented.
    pub fn takes_endpoints(&self) -> bool {
        const FIXED: [&str; 4] = ["strict", "transcode", "geozone", ENDPOINTS];
        !FIXED.iter().any(|key| self.get(key).is_some())
    }

    /// Whether they say where the node has to be, or should be.
    pub fn names_place(&self) -> bool {
        const PLACES: [&str; 4] = ["region", "geozone", "zone", "subgroup"];
        query::pairs(self.as_str()).any(|(key, value)| PLACES.contains(&key) && !value.is_empty())
    }

    /// Whether a transcoder is asked for.
    pub(super) fn transcodes(&self) -> bool {
        self.get("transcode")
            .is_some_and(|value| !value.is_empty() && !value.eq_ignore_ascii_case("false"))
    }

    /// These hints, with a number of nodes. `None` if that is longer than any honest client's.
    pub(super) fn with_endpoints(&self, number: usize) -> Option<Self> {
        self.after(&Self(Some(format!("{ENDPOINTS}={number}").into())))
    }

    /// Whether both ask the same, in whatever order.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let sorted = |hints: &Self| {
            let plain = query::unescaped(hints.as_str());
            let mut pairs: Vec<String> = query::pairs(&plain)
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            pairs.sort_unstable();
            pairs
        };
        self == other || sorted(self) == sorted(other)
    }

    /// The pairs, joined by `&`; empty if there are none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// The same pairs with each key unescaped, so that it can be compared as it stands.
fn plain_keys(hints: &str) -> String {
    let mut plain = String::with_capacity(hints.len());
    for pair in hints.split('&').filter(|pair| !pair.is_empty()) {
        let key_ends = pair.find('=').unwrap_or(pair.len());
        let (key, value) = pair.split_at(key_ends);
        if !plain.is_empty() {
            plain.push('&');
        }
        plain.push_str(&query::unescaped(key));
        plain.push_str(value);
    }
    plain
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

/// The hints of a query cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HintsError {
    /// They are too long.
    #[error(
        "the query keys for the Stream Manager (region, strict, transcode, endpoints and so on) may have at most \
         {MAX_HINTS} bytes together"
    )]
    TooLong,
    /// The node group is none.
    #[error("query key `nodeGroup`: {0}")]
    NodeGroup(NameError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_two_requests_are_one_question_and_the_later_one_wins() {
        let hints = |query| Hints::from_query(query, Api::V1).unwrap();
        // What red5pro-webrtc-sdk 11.0.0 sends: `transcode` on OPTIONS only, the rest on POST only.
        for (options, post, both) in [
            ("transcode=true", "region=eu", "transcode=true&region=eu"),
            ("transcode=true", "", "transcode=true"),
            ("", "strict=true", "strict=true"),
            (
                "region=us&strict=true",
                "region=eu",
                "strict=true&region=eu",
            ),
            ("", "", ""),
        ] {
            assert_eq!(hints(post).after(&hints(options)), Some(hints(both)));
        }
        let long = format!("region={}", "x".repeat(400));
        let longer = format!("zone={}", "x".repeat(400));
        assert_eq!(hints(&long).after(&hints(&longer)), None);
        assert!(hints("region=eu&strict=true").says_the_same(&hints("strict=true&region=eu")));
        assert!(!hints("region=eu").says_the_same(&hints("region=us")));
        assert!(!hints("region=eu").says_the_same(&hints("region=eu&strict=true")));
    }

    #[test]
    fn hints_are_kept_byte_for_byte_and_nothing_else_is() {
        let hints = Hints::from_query(
            "token=s3cret&region=us-west-2&zone=us%2Dwest&strict=true&mode=live",
            Api::V1,
        )
        .unwrap();
        assert_eq!(
            hints.as_str(),
            "region=us-west-2&zone=us%2Dwest&strict=true"
        );
        assert_eq!(
            Hints::from_query("mode=live", Api::V1),
            Ok(Hints::default())
        );
        assert_eq!(
            Hints::from_query(&format!("region={}", "x".repeat(600)), Api::V1),
            Err(HintsError::TooLong)
        );
    }

    #[test]
    fn an_escaped_key_is_the_key_and_its_value_stays() {
        for (query, api, plain, takes_endpoints, names_place) in [
            ("s%74rict=tr%75e", Api::V1, "strict=tr%75e", false, false),
            ("s%74rict", Api::V2, "strict", false, false),
            (
                "r%65gion=us%2Dwest",
                Api::V1,
                "region=us%2Dwest",
                true,
                true,
            ),
            ("%73ubgroup=a%2Cb", Api::V2, "subgroup=a%2Cb", true, true),
            ("%6EodeGroup=g", Api::V2, "nodeGroup=g", true, false),
            ("g%65ozone=x", Api::V1, "geozone=x", false, true),
            ("end%70oints=4", Api::V2, "endpoints=4", false, false),
        ] {
            let hints = Hints::from_query(query, api).unwrap();
            assert_eq!(hints.as_str(), plain);
            assert_eq!(hints.takes_endpoints(), takes_endpoints, "{query}");
            assert_eq!(hints.names_place(), names_place, "{query}");
            let key = plain.split('=').next();
            assert_eq!(hints.keys().collect::<Vec<_>>(), Vec::from_iter(key));
            let same = Hints::from_query(plain, api).unwrap();
            assert!(hints.says_the_same(&same) && hints == same, "{query}");
        }
    }

    #[test]
    fn a_node_group_is_a_hint_of_two_and_one_segment() {
        let query = "nodeGroup=my-group.1&subgroup=a%2Cb&geozone=x&zone=y&host=10.0.0.1";
        let hints = Hints::from_query(query, Api::V2).unwrap();
        assert_eq!(hints.as_str(), "nodeGroup=my-group.1&subgroup=a%2Cb");
        let of_1 = Hints::from_query(query, Api::V1).unwrap();
        assert_eq!(of_1.as_str(), "geozone=x&zone=y");
        for bad in ["", "a/b", "..", "a%2Fb", "a;b", "a?b", "a b", "\u{e9}"] {
            let hints = Hints::from_query(&format!("nodeGroup={bad}"), Api::V2);
            assert!(matches!(hints, Err(HintsError::NodeGroup(_))), "{bad}");
        }
    }

    #[test]
    fn debug_shows_keys_only() {
        let hints = Hints::from_query("region=us-west-2", Api::V1).unwrap();
        assert_eq!(format!("{hints:?}"), r#"["region"]"#);
    }
}
