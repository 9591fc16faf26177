//! Environment variables and flags → settings.

use std::{
    cmp::Reverse,
    ffi::{OsStr, OsString},
};

use super::{
    Mistake, SettingSource,
    compose::Setting,
    keys::{CONFIG_VARIABLE, Key, keys},
    nearest::nearest,
    retired,
};

/// What the names of our variables begin with.
const PREFIX: &str = "WHIPSTITCH_";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) config: Option<OsString>,
    pub(super) settings: Vec<Setting>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

/// Reads the variables that start with `WHIPSTITCH_`. An empty one counts as not set, as is the
/// custom of container manifests; an unknown one is a warning with the nearest name, unless
/// Kubernetes or the build sets it.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        if name == CONFIG_VARIABLE {
            environment.config = Some(value.clone());
            continue;
        }
        let place = SettingSource::Environment(name.to_owned());
        let Some(key) = keys().find(|key| key.variable == name) else {
            if let Some(retired) = retired::variable(name) {
                let warning = Mistake::new(place, retired.path, retired.why);
                environment.warnings.push(warning);
            } else if !is_set_by_others(name, value) {
                let what = match (meant(name), anything_like(name)) {
                    (Some(meant), _) => format!("no such setting; did you mean {meant}?"),
                    (None, Some(near)) => format!("no such setting; the nearest is {near}"),
                    (None, None) => "no such setting".to_owned(),
                };
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
        let rest = name.strip_prefix(PREFIX).unwrap_or(name);
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

/// The known variable that begins with the same words, or differs in the fewest letters.
fn anything_like(name: &str) -> Option<&'static str> {
    let known = || keys().map(|key| key.variable).chain([CONFIG_VARIABLE]);
    let rest = |variable: &'static str| variable.strip_prefix(PREFIX).unwrap_or(variable);
    let asked = name.strip_prefix(PREFIX)?;
    let same_words = |variable: &'static str| {
        let words = rest(variable).split('_').zip(asked.split('_'));
        words.take_while(|(known, asked)| known == asked).count()
    };
    let related = known()
        .filter(|variable| same_words(variable) > 0)
        .max_by_key(|variable| (same_words(variable), Reverse(variable.len())));
    related.or_else(|| {
        let near = nearest(asked, known().map(rest), usize::MAX)?;
        known().find(|variable| rest(variable) == near)
    })
}

/// Whether this is none of an operator's: cargo sets what our build script says for what it runs,
/// and the kubelet sets addresses of a Service of our name (Kubernetes documentation, Service,
/// environment variables).
fn is_set_by_others(name: &str, value: &OsStr) -> bool {
    const SCHEMES: [&str; 3] = ["tcp://", "udp://", "sctp://"];
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    if name.starts_with("WHIPSTITCH_BUILD_") || name == "WHIPSTITCH_REVISION" {
        return true;
    }
    let value = value.to_string_lossy();
    let is_one_port = || {
        // …_PORT_8443_TCP, and the same with _PROTO, _PORT and _ADDR.
        let (_, rest) = name.split_once("_PORT_")?;
        let mut parts = rest.split('_');
        let (port, protocol) = (parts.next()?, parts.next()?);
        Some(port.parse::<u16>().is_ok() && PROTOCOLS.contains(&protocol))
    };
    SCHEMES.iter().any(|scheme| value.starts_with(scheme))
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || is_one_port().unwrap_or(false)
}

/// The settings in flags: pairs of the flag, with its dashes, and its text.
pub(super) fn flags(given: &[(&'static str, String)]) -> Vec<Setting> {
    given
        .iter()
        .filter_map(|(flag, text)| {
            let key = keys().find(|key| key.flag == Some(flag))?;
            Some(setting(key, text, SettingSource::Flag((*flag).to_owned())))
        })
        .collect()
}

fn setting(key: &'static Key, text: &str, place: SettingSource) -> Setting {
    Setting {
        key,
        value: key.kind.value_of(text),
        place,
        items: Vec::new(),
    }
}
