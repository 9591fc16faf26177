//! How little and how much a number, a size or a time may be.
//!
//! No deployment needs more, and what is made of them overflows or panics beyond: a semaphore's
//! permits, an instant plus a duration, the life of a cache's entry.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use toml::Value;

use super::Finding;
use crate::{
    Config, Kind, days,
    keys::{Key, keys},
};

/// The most that a number may be.
pub const MOST_COUNT: i64 = 10_000_000;
/// The most nodes that the Stream Manager is asked for; no request tries more than a few of them.
const MOST_ENDPOINTS: i64 = 64;
/// The most that a size may be, in bytes: 1 GiB.
pub const MOST_BYTES: i64 = 1 << 30;
/// The key whose zero means that there is none of it.
const PROBE: &str = "stream_manager.probe";
/// The longest that a time may be: 365 days of 24 hours.
pub const MOST_TIME: Duration = Duration::from_hours(8760);

/// Holds every duration, number, size and port against its bounds.
pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let Ok(values) = toml::Table::try_from(config) else {
        return;
    };
    for key in keys() {
        let (section, name) = key.split();
        let value = values.get(section).and_then(|section| section.get(name));
        if let Some(what) = value.and_then(|value| out_of_bounds(key, value)) {
            found.push(Finding::new([key.path], what));
        }
    }
}

fn out_of_bounds(key: &Key, value: &Value) -> Option<String> {
    match key.kind {
        Kind::Duration if key.path == "shutdown.delay" && value.as_str() == Some("0s") => None,
        Kind::Duration if key.path == PROBE => {
            probe(value, friendly::deserialize(value.clone()).ok()?)
        }
        Kind::Duration => time(
            value,
            friendly::deserialize(value.clone()).ok()?,
            "8760h (365 days)",
        ),
        Kind::Lifetime => time(value, days::deserialize(value.clone()).ok()?, "365d"),
        Kind::Count => number(value.as_integer()?, most(key)),
        Kind::Bytes => number(value.as_integer()?, MOST_BYTES),
        Kind::Port => {
            (value.as_integer() == Some(0)).then(|| "is 0; a port is 1 to 65535".to_owned())
        }
        Kind::Url
        | Kind::Text
        | Kind::Switch
        | Kind::Address
        | Kind::Addresses
        | Kind::Networks
        | Kind::Names
        | Kind::Origins
        | Kind::NodeNames
        | Kind::Mappings
        | Kind::IceServers
        | Kind::Rules
        | Kind::Path
        | Kind::Location
        | Kind::Bearer
        | Kind::Forwarding
        | Kind::Hsts
        | Kind::Format
        | Kind::Api
        | Kind::NotLive
        | Kind::Collector
        | Kind::Ratio
        | Kind::BaseUrl
        | Kind::ByNetwork
        | Kind::Parents => None,
    }
}

/// The most that this number may be.
pub fn most(key: &Key) -> i64 {
    match key.path {
        "lookup.publish_endpoints" | "lookup.play_endpoints" => MOST_ENDPOINTS,
        _ => MOST_COUNT,
    }
}

/// The Stream Manager is not asked more often than while it is down, and not so rarely that an
/// outage goes unnoticed.
fn probe(value: &Value, time: Duration) -> Option<String> {
    let allowed = Duration::from_secs(1)..=Duration::from_hours(1);
    if time.is_zero() || allowed.contains(&time) {
        return None;
    }
    let text = value.as_str()?;
    Some(format!(
        "is {text}; it has to be from 1s to 1h, or 0s for no probes"
    ))
}

/// `most` is [`MOST_TIME`] as this kind writes it.
fn time(value: &Value, time: Duration, most: &str) -> Option<String> {
    let text = value.as_str()?;
    if time.is_zero() {
        Some("is zero; it has to be longer, such as \"1s\"".to_owned())
    } else if time > MOST_TIME {
        Some(format!("is {text}; it has to be at most {most}"))
    } else {
        None
    }
}

fn number(value: i64, most: i64) -> Option<String> {
    match value {
        ..1 => Some(format!("is {value}; it has to be at least 1")),
        _ if value > most => Some(format!("is {value}; it has to be at most {most}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_probes_is_bounded_and_zero_is_none() {
        let said = |probe| {
            let mut config = Config::default();
            config.stream_manager.probe = probe;
            let mut found = Vec::new();
            check(&config, &mut found);
            found.into_iter().map(|one| one.what).next()
        };
        for good in [0, 1, 30, 3_600] {
            assert_eq!(said(Duration::from_secs(good)), None, "{good}");
        }
        for (bad, text) in [
            (Duration::from_millis(999), "is 999ms"),
            (Duration::from_secs(3_601), "is 1h 1s"),
        ] {
            let said = said(bad).unwrap();
            assert!(said.starts_with(text), "{said}");
            assert!(
                said.ends_with("from 1s to 1h, or 0s for no probes"),
                "{said}"
            );
        }
    }
}
