//! Environment variables and flags → settings.

use std::ffi::OsString;

use super::{
    Mistake, Place,
    compose::Setting,
    keys::{CONFIG_VARIABLE, Key, keys},
    nearest::nearest,
    retired,
};

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) config: Option<OsString>,
    pub(super) settings: Vec<Setting>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

/// Reads the variables that start with `WHIPSTITCH_`. An empty one counts as not set, as is the custom of container
/// manifests; an unknown one is at most a warning, since Kubernetes sets variables of such names for Services.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("WHIPSTITCH_")) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        if name == CONFIG_VARIABLE {
            environment.config = Some(value.clone());
            continue;
        }
        let place = Place::Environment(name.to_owned());
        let Some(key) = keys().find(|key| key.variable == name) else {
            if let Some(retired) = retired::variable(name) {
                let warning = Mistake::new(place, retired.path, retired.why);
                environment.warnings.push(warning);
            } else if let Some(meant) = meant(name) {
                let what = format!("no such setting; did you mean {meant}?");
                environment.warnings.push(Mistake::new(place, "", what));
            }
            continue;
        };
        match value.to_str() {
            None => environment
                .mistakes
                .push(Mistake::new(place, key.path, "is not UTF-8")),
            Some(value) if value.starts_with("tcp://") => {
                let what = "holds what Kubernetes sets for a Service of this name; set `enableServiceLinks: false` in the Pod";
                environment
                    .mistakes
                    .push(Mistake::new(place, key.path, what));
            }
            Some(value) => environment.settings.push(setting(key, value, place)),
        }
    }
    environment
}

/// The known variable that was probably meant: one letter away, or named after section and key.
fn meant(name: &str) -> Option<&'static str> {
    let spelled_out = |key: &&Key| {
        let rest = name.strip_prefix("WHIPSTITCH_").unwrap_or(name);
        rest.eq_ignore_ascii_case(&key.path.replace('.', "_"))
    };
    let spelled_out = keys().find(spelled_out).map(|key| key.variable);
    spelled_out.or_else(|| {
        nearest(
            name,
            keys().map(|key| key.variable).chain([CONFIG_VARIABLE]),
            1,
        )
    })
}

/// The settings in flags: pairs of the flag, with its dashes, and its text.
pub(super) fn flags(given: &[(&'static str, String)]) -> Vec<Setting> {
    given
        .iter()
        .filter_map(|(flag, text)| {
            let key = keys().find(|key| key.flag == Some(flag))?;
            Some(setting(key, text, Place::Flag((*flag).to_owned())))
        })
        .collect()
}

fn setting(key: &'static Key, text: &str, place: Place) -> Setting {
    Setting {
        key,
        value: key.kind.value_of(text),
        place,
        items: Vec::new(),
    }
}
