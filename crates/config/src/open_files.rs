//! Fits the limits of connections and sessions below the limit of open files.
//!
//! Without that, clients could take every descriptor, and the admin interface could not accept a
//! probe: the process would look dead while it serves.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::Config;

/// Descriptors for everything but clients: listeners, the admin interface, lookups, files, idle
/// connections to nodes.
const RESERVE: u64 = 256;

/// One limit: its key, its value, and how many descriptors each of it takes.
type Limit<'a> = (&'static str, &'a mut usize, u64);

fn limits(config: &mut Config) -> [Limit<'_>; 4] {
    let limits = &mut config.limits;
    [
        ("connections.max", &mut config.connections.max, 1),
        ("limits.in_flight", &mut limits.in_flight, 1),
        ("limits.event_streams", &mut limits.event_streams, 1),
        // The client's socket and the node's.
        ("limits.sockets", &mut limits.sockets, 2),
    ]
}

/// What did not fit.
pub(crate) struct Lowered {
    /// All of it in words.
    pub(crate) words: String,
    /// The limits as they were configured.
    pub(crate) from: BTreeMap<&'static str, usize>,
}

/// Lowers what does not fit below `open_files`, in proportion and at least to 1. Half of a small
/// limit, and 256 of a large one, stay in reserve.
pub(crate) fn fit(config: &mut Config, open_files: u64) -> Option<Lowered> {
    let usable = open_files - RESERVE.min(open_files / 2);
    let count = |limit: &usize, each: u64| each.saturating_mul(*limit as u64);
    let needed = limits(config).iter().fold(0, |sum: u64, (_, limit, each)| {
        sum.saturating_add(count(limit, *each))
    });
    if needed <= usable {
        return None;
    }
    let mut from = BTreeMap::new();
    let mut words = format!("the limit of open files is {open_files}; lowered to fit:");
    let mut comma = "";
    for (key, limit, _) in limits(config) {
        let share = u128::from(usable) * (*limit as u128) / u128::from(needed);
        let fits = usize::try_from(share).unwrap_or(usize::MAX).max(1);
        // Writing into memory does not fail.
        let _ = write!(words, "{comma} {key} {limit} to {fits}");
        from.insert(key, std::mem::replace(limit, fits));
        comma = ",";
    }
    let needed = needed.saturating_add(RESERVE);
    let _ = write!(
        words,
        "; raise it to {needed} (LimitNOFILE= in systemd), or set these lower"
    );
    Some(Lowered { words, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_fits_below_the_limit_with_a_reserve() {
        for open_files in [0, 1, 64, 512, 1024, 20_000] {
            let mut config = Config::default();
            let said = fit(&mut config, open_files).unwrap().words;
            let sum: u64 = limits(&mut config)
                .iter()
                .map(|(_, limit, each)| each * **limit as u64)
                .sum();
            let reserve = (open_files / 2).min(RESERVE);
            // At least one of each.
            assert!(sum <= (open_files - reserve).max(5), "{open_files}: {sum}");
            assert!(config.limits.sockets >= 1 && config.connections.max >= 1);
            assert!(
                fit(&mut config, open_files.max(10)).is_none(),
                "once is enough"
            );
            assert!(said.starts_with(&format!("the limit of open files is {open_files};")));
        }
    }

    #[test]
    fn it_is_said_what_is_lowered_and_to_what() {
        let said = fit(&mut Config::default(), 64).unwrap();
        assert_eq!(said.from["limits.sockets"], 7000);
        assert_eq!(
            said.words,
            "the limit of open files is 64; lowered to fit: connections.max 4000 to 5, limits.in_flight 1000 to 1, limits.event_streams 4000 to 5, limits.sockets 7000 to 9; raise it to 23256 (LimitNOFILE= in systemd), or set these lower"
        );
        let mut enough = Config::default();
        assert!(fit(&mut enough, 23_256).is_none());
        assert_eq!(enough, Config::default());
    }
}
