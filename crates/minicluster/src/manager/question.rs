//! What a lookup asks for, read by the rules of each API (Red5 Pro documentation, REST API 4.0,
//! "Read Stream"; Stream Manager 2.0, Streams API).

use crate::seen::Action;
use crate::stream::raw_param;

/// The generation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// REST API 4.0.
    V1,
    /// Streams API.
    V2,
}

/// A lookup.
pub(super) struct Question<'q> {
    pub(super) api: Api,
    pub(super) action: Action,
    /// The node group; of 1.x none, which has no groups in its lookups.
    pub(super) group: Option<&'q str>,
    pub(super) endpoints: usize,
    pub(super) place: Place<'q>,
    /// The region that is best for the client, if the lookup names no place.
    pub(super) near: Option<&'q str>,
    pub(super) strict: bool,
    pub(super) transcode: bool,
}

/// Where the node should be; `None` is no condition.
#[derive(Clone, Copy, Default)]
pub(super) struct Place<'q> {
    /// One region; of 2.0 a list of subgroups in order of preference, joined by commas.
    pub(super) region: Option<&'q str>,
    pub(super) geozone: Option<&'q str>,
    pub(super) zone: Option<&'q str>,
}

impl Place<'_> {
    pub(super) fn is_anywhere(&self) -> bool {
        self.region.is_none() && self.geozone.is_none() && self.zone.is_none()
    }
}

impl<'q> Question<'q> {
    /// # Errors
    /// The `errorMessage` of the 400.
    pub(super) fn of_1_x(query: &'q str) -> Result<Self, &'static str> {
        let action = match raw_param(query, "action") {
            Some("broadcast") => Action::Broadcast,
            Some("subscribe") => Action::Subscribe,
            Some(_) => return Err("The action is neither broadcast nor subscribe."),
            None => return Err("An action is wanted."),
        };
        let place = Place {
            region: given(query, "region"),
            geozone: given(query, "geozone"),
            zone: given(query, "zone"),
        };
        if place.region.is_some() && place.geozone.is_some() {
            return Err("Region and geozone exclude each other.");
        }
        Self::new(Api::V1, action, None, place, query)
    }

    /// The same of 2.0, where the path holds the action and the group. A publish lookup calls the
    /// place `subgroup`, a subscribe lookup `subGroup`, and neither reads the other's spelling.
    ///
    /// # Errors
    /// The `error` of the 400.
    pub(super) fn of_2_0(
        action: Action,
        group: &'q str,
        query: &'q str,
    ) -> Result<Self, &'static str> {
        let subgroup = match action {
            Action::Broadcast => "subgroup",
            Action::Subscribe => "subGroup",
        };
        let place = Place {
            region: given(query, subgroup),
            ..Place::default()
        };
        let question = Self::new(Api::V2, action, Some(group), place, query)?;
        if question.transcode && question.endpoints > 1 {
            return Err("Endpoints is greater than one but transcode is true.");
        }
        Ok(question)
    }

    fn new(
        api: Api,
        action: Action,
        group: Option<&'q str>,
        place: Place<'q>,
        query: &'q str,
    ) -> Result<Self, &'static str> {
        let endpoints = match raw_param(query, "endpoints").map(str::parse) {
            None => 1,
            Some(Ok(number)) if number > 0 => number,
            Some(_) => return Err("The number of endpoints is not a positive integer."),
        };
        Ok(Self {
            api,
            action,
            group,
            endpoints,
            place,
            near: None,
            strict: raw_param(query, "strict") == Some("true"),
            transcode: action == Action::Broadcast && raw_param(query, "transcode") == Some("true"),
        })
    }

    /// The same from a client whose region is known; a region that the lookup names has precedence.
    pub(super) fn from(mut self, region: Option<&'q str>) -> Self {
        if self.place.is_anywhere() {
            self.near = region;
        }
        self
    }
}

fn given<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    raw_param(query, name).filter(|value| !value.is_empty())
}
