//! Numbers and names as people read them.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Longest text of a cell, in characters.
const LONGEST: usize = 60;

/// How long ago, or how long: the two greatest units of milliseconds.
pub(crate) fn age(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A short time, to the millisecond below ten seconds.
pub(crate) fn millis(millis: f64) -> String {
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.0} s", millis / 1_000.0)
    }
}

/// A size in bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1_024, ["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A rate in bits per second.
pub(crate) fn rate(bits: u64) -> String {
    scaled(
        bits,
        1_000,
        ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"],
    )
}

fn scaled(number: u64, step: u64, units: [&str; 5]) -> String {
    let mut divisor = 1;
    let mut units = units.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for greater in units {
        if number / divisor < step {
            break;
        }
        divisor *= step;
        unit = greater;
    }
    if divisor == 1 {
        return format!("{number} {unit}");
    }
    // A tenth is enough, and integers hold every size.
    let (whole, tenth) = (number / divisor, number % divisor * 10 / divisor);
    if whole < 100 {
        format!("{whole}.{tenth} {unit}")
    } else {
        format!("{whole} {unit}")
    }
}

/// "1 session", "2 sessions".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{number} {word}")
}

/// The day of a time in Unix milliseconds, in UTC.
pub(crate) fn date(unix_millis: i64) -> String {
    match Timestamp::from_millisecond(unix_millis) {
        Ok(time) => time.to_string().chars().take(10).collect(),
        Err(_) => "never".to_owned(),
    }
}

/// The time of day of a time in Unix milliseconds, in UTC, with the day if it is not that of `now`.
pub(crate) fn clock(unix_millis: i64, now: Option<i64>) -> String {
    let Ok(time) = Timestamp::from_millisecond(unix_millis) else {
        return "an unknown time".to_owned();
    };
    let text: String = time.to_string().chars().skip(11).take(5).collect();
    match now.map(date).filter(|today| *today == date(unix_millis)) {
        Some(_) => format!("{text} UTC"),
        None => format!("{} {text} UTC", date(unix_millis)),
    }
}

/// Text without what a terminal would obey: control characters, and those that turn the direction
/// of writing.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for one in text.chars() {
        let turns = matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if one.is_control() || turns {
            // Writing to a string does not fail.
            let _ = write!(cleaned, "{}", one.escape_unicode());
        } else {
            cleaned.push(one);
        }
    }
    cleaned
}

/// [`clean`], and no longer than a cell may be.
pub(crate) fn shortly(text: &str) -> String {
    let text = clean(text);
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_sizes_and_rates() {
        let ages = [0, 999, 61_000, 3_600_000, 90_061_000, -5].map(age);
        assert_eq!(ages, ["0s", "0s", "1m 1s", "1h 0m", "1d 1h", "0s"]);
        let sizes = [0, 1_023, 1_024, 1_600, 150 << 20, u64::MAX].map(bytes);
        assert_eq!(
            sizes,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.5 KiB",
                "150 MiB",
                "16777215 TiB"
            ]
        );
        assert_eq!(
            [999, 1_500, 2_500_000].map(rate),
            ["999 bit/s", "1.5 kbit/s", "2.5 Mbit/s"]
        );
        assert_eq!(
            [0.25, 12.3, 60_000.0].map(millis),
            ["0.2 ms", "12 ms", "60 s"]
        );
        assert_eq!(date(1_772_323_200_000), "2026-03-01");
        let six_in_the_morning = 1_772_323_200_000 + 21_660_000;
        let soon = Some(six_in_the_morning + 60_000);
        assert_eq!(clock(six_in_the_morning, soon), "06:01 UTC");
        assert_eq!(
            clock(six_in_the_morning, Some(six_in_the_morning + 86_400_000)),
            "2026-03-01 06:01 UTC"
        );
        assert_eq!(date(i64::MAX), "never");
        assert_eq!(count(1, "socket", "sockets"), "1 socket");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_a_name() {
        assert_eq!(clean("a\u{1b}[31m\u{9b}b\n"), "a\\u{1b}[31m\\u{9b}b\\u{a}");
        assert_eq!(clean("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(clean("größe"), "größe");
        assert_eq!(shortly(&"x".repeat(100)).chars().count(), 60);
    }
}
