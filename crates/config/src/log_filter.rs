//! Filters of the log, read strictly.
//!
//! tracing takes any word that is no level for a target: `debgu` would be everything of a module of
//! that name and nothing of all others, so a slip of the fingers would silence the log. A directive
//! without `=` has to be a level or a target of this program.

use thiserror::Error;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, ParseError},
};

use crate::nearest;

/// What directives are about: kinds of lines, and the crates whose modules they are.
const TARGETS: [&str; 12] = [
    "access",
    "session",
    "whipstitch",
    "whipstitch_admin",
    "whipstitch_auth",
    "whipstitch_cli",
    "whipstitch_config",
    "whipstitch_ingress",
    "whipstitch_origin",
    "whipstitch_proxy",
    "whipstitch_signaling",
    "whipstitch_telemetry",
];
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Reads a filter.
///
/// # Errors
/// The directive that is none.
pub fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    for directive in text.split(',') {
        let word = directive.trim();
        // What stands in brackets is a span, whatever it is called.
        if word.is_empty() || word.contains(['=', '[']) || is_known(word) {
            continue;
        }
        return Err(FilterError::Word {
            word: word.chars().take(64).collect(),
            meant: nearest(
                &word.to_ascii_lowercase(),
                LEVELS.into_iter().chain(TARGETS),
                2,
            ),
        });
    }
    Ok(EnvFilter::builder().parse(text)?)
}

fn is_known(word: &str) -> bool {
    let crate_name = word.split("::").next().unwrap_or(word);
    word.parse::<LevelFilter>().is_ok() || TARGETS.contains(&crate_name)
}

/// Why a text is no filter.
#[derive(Debug, Error)]
pub enum FilterError {
    /// tracing does not take it.
    #[error("{0}")]
    Syntax(#[from] ParseError),
    /// A word that is neither a level nor a target of ours.
    #[error("{word:?} is neither a level (error, warn, info, debug, trace, off) nor a target of whipstitch{}; for another target write its level, too, as in {word}=debug", hint(*meant))]
    Word {
        /// The word.
        word: String,
        /// What was probably meant.
        meant: Option<&'static str>,
    },
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_level_or_a_target_of_ours() {
        for good in [
            "info",
            "INFO",
            "off",
            "3",
            "info,whipstitch_origin=debug",
            "info,access=off",
            "session",
            "info,whipstitch_proxy::destinations::splice",
            "warn,hyper=trace",
            "[span]=debug",
            "info,whipstitch[exchange]",
            "info,",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for (bad, meant) in [
            ("debgu", Some("debug")),
            ("Infoo", Some("info")),
            ("inof", None),
            ("infos,access=off", Some("info")),
            ("info,acces", Some("access")),
            ("info,whipstich_origin", Some("whipstitch_origin")),
            ("hyper", None),
            ("info,warn whipstitch_proxy", None),
            ("verbose", None),
        ] {
            let Err(FilterError::Word { meant: found, .. }) = parse(bad) else {
                panic!("{bad}");
            };
            assert_eq!(found, meant, "{bad}");
        }
        for bad in ["info,]", "a=b=c", "whipstitch=debgu"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_targets_are_those_of_the_crates_that_are_linked() {
        let manifest = include_str!("../../whipstitch/Cargo.toml");
        let linked = manifest
            .lines()
            .filter_map(|line| line.split_once(['.', ' ']))
            .map(|(name, _)| name.replace('-', "_"))
            .filter(|name| name.starts_with("whipstitch"));
        for name in linked.filter(|name| name != "whipstitch_doctor") {
            assert!(TARGETS.contains(&&*name), "{name}");
        }
    }
}
