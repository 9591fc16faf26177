//! The figures of all rounds, and the table that they end in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::target::Kind;
use super::visit::Sample;
use super::work::Work;

/// Below this part of its core a target waited for others: what it could do a second is not known.
const SATURATED: f64 = 0.9;

/// A figure that is taken once a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    /// CPU time an operation, µs.
    Cpu(Work),
    /// Operations a second.
    Rate(Work),
    /// Part of the core used.
    Busy(Work),
    /// How long half of the operations took at most, µs.
    P50(Work),
    /// How long 99 of 100 took at most, µs.
    P99(Work),
    /// Memory of an idle socket, KiB.
    Session,
    /// Memory before any work, MB.
    Idle,
    /// Start to first answer, ms.
    Start,
    /// Size of the program, MB.
    Binary,
}

/// Every figure of every target by round.
#[derive(Debug, Default)]
pub(super) struct Book(BTreeMap<(Figure, Kind), BTreeMap<u32, f64>>);

impl Book {
    /// Writes one figure down.
    pub(super) fn note(&mut self, round: u32, kind: Kind, figure: Figure, value: f64) {
        let rounds = self.0.entry((figure, kind)).or_default();
        rounds.insert(round, value);
    }

    /// Writes a visit down.
    pub(super) fn note_visit(&mut self, round: u32, kind: Kind, work: Work, sample: Sample) {
        self.note(round, kind, Figure::Cpu(work), sample.cpu_micros);
        self.note(round, kind, Figure::Rate(work), sample.rate);
        self.note(round, kind, Figure::Busy(work), sample.busy);
        self.note(round, kind, Figure::P50(work), sample.p50_micros);
        self.note(round, kind, Figure::P99(work), sample.p99_micros);
    }

    /// Median over the rounds.
    fn value(&self, figure: Figure, kind: Kind) -> Option<f64> {
        let rounds = self.0.get(&(figure, kind))?;
        median(rounds.values().copied().collect())
    }

    /// Median of each round's own ratio to `HAProxy`: what shook a whole round cancels out.
    fn ratio(&self, figure: Figure, kind: Kind) -> Option<f64> {
        let base = self.0.get(&(figure, Kind::Haproxy))?;
        let rounds = self.0.get(&(figure, kind))?.iter();
        median(
            rounds
                .filter_map(|(round, value)| Some(value / base.get(round)?))
                .collect(),
        )
    }

    fn shown(&self, figure: Figure, kind: Kind, digits: usize) -> Option<String> {
        let value = self.value(figure, kind)?;
        let value = grouped(&format!("{value:.digits$}"));
        match self.ratio(figure, kind) {
            Some(ratio) if kind != Kind::Haproxy => Some(format!("{value} ({ratio:.2})")),
            _ => Some(value),
        }
    }

    fn cpu(&self, work: Work, kind: Kind) -> Option<String> {
        self.shown(Figure::Cpu(work), kind, 1)
    }

    fn rate(&self, work: Work, kind: Kind) -> Option<String> {
        let rate = self.shown(Figure::Rate(work), kind, 0)?;
        let saturated = self.value(Figure::Busy(work), kind)? >= SATURATED;
        Some(if saturated {
            rate
        } else {
            format!("≥ {rate}")
        })
    }

    fn latency(&self, work: Work, kind: Kind) -> Option<String> {
        let p50 = self.shown(Figure::P50(work), kind, 0)?;
        let p99 = self.shown(Figure::P99(work), kind, 0)?;
        Some(format!("{p50} / {p99}"))
    }

    /// The tables, in Markdown, of what was measured.
    pub(super) fn tables(&self, kinds: &[Kind], works: &[Work]) -> String {
        let cpu = works
            .iter()
            .map(|work| (work.title(), row(kinds, |kind| self.cpu(*work, kind))));
        let rate = works
            .iter()
            .map(|work| (work.title(), row(kinds, |kind| self.rate(*work, kind))));
        let latency = works
            .iter()
            .map(|work| (work.title(), row(kinds, |kind| self.latency(*work, kind))));
        let footprint = [
            ("KiB an idle wss session (PSS)", Figure::Session, 1),
            ("idle, MB (PSS)", Figure::Idle, 1),
            ("start to first answer, ms", Figure::Start, 0),
            ("binary, MB", Figure::Binary, 1),
        ];
        let footprint = footprint.into_iter().map(|(title, figure, digits)| {
            (title, row(kinds, |kind| self.shown(figure, kind, digits)))
        });
        [
            table("CPU µs an operation (ratio to haproxy)", kinds, cpu),
            table("operations a second (ratio to haproxy)", kinds, rate),
            table("p50 / p99, µs (ratio to haproxy)", kinds, latency),
            table("footprint (ratio to haproxy)", kinds, footprint),
        ]
        .join("\n")
    }
}

/// A row's cells, or `None` when no target has a figure there.
fn row(kinds: &[Kind], cell: impl Fn(Kind) -> Option<String>) -> Option<Vec<String>> {
    let cells: Vec<_> = kinds.iter().map(|kind| cell(*kind)).collect();
    let any = cells.iter().any(Option::is_some);
    any.then(|| {
        cells
            .into_iter()
            .map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
            .collect()
    })
}

fn table<'a>(
    title: &str,
    kinds: &[Kind],
    rows: impl Iterator<Item = (&'a str, Option<Vec<String>>)>,
) -> String {
    let mut body = String::new();
    for (name, cells) in rows.filter_map(|(name, cells)| Some((name, cells?))) {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "| {name} | {} |", cells.join(" | "));
    }
    if body.is_empty() {
        return body;
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    format!(
        "| {title} | {} |\n|---|{}\n{body}",
        names.join(" | "),
        "---|".repeat(names.len())
    )
}

/// The value in the middle, or the mean of the two there.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle - 1)?, upper))
}

/// `12345.6` as `12,345.6`.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped("7"), "7");
        assert_eq!(grouped("1234567"), "1,234,567");
        assert_eq!(grouped("12345.6"), "12,345.6");
    }

    fn book() -> Book {
        let mut book = Book::default();
        let sample = |cpu_micros, busy| Sample {
            cpu_micros,
            rate: 1e6 / cpu_micros * busy,
            busy,
            generator_busy: 0.0,
            node_busy: 0.0,
            p50_micros: cpu_micros * 10.0,
            p99_micros: cpu_micros * 20.0,
        };
        for (round, shake) in [(0, 1.0), (1, 3.0), (2, 1.0)] {
            book.note_visit(round, Kind::Haproxy, Work::Get, sample(20.0 * shake, 1.0));
            book.note_visit(
                round,
                Kind::Whipstitch,
                Work::Get,
                sample(15.0 * shake, 0.5),
            );
        }
        book.note(0, Kind::Whipstitch, Figure::Start, 9.4);
        book
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let book = book();
        assert_eq!(
            book.ratio(Figure::Cpu(Work::Get), Kind::Whipstitch),
            Some(0.75)
        );
        assert_eq!(book.ratio(Figure::Start, Kind::Whipstitch), None);
    }

    #[test]
    fn the_tables_show_what_was_measured() {
        let tables = book().tables(&[Kind::Haproxy, Kind::Whipstitch], &[Work::Get, Work::Whip]);
        assert_eq!(
            tables,
            "\
| CPU µs an operation (ratio to haproxy) | haproxy | whipstitch |
|---|---|---|
| GET 1 KB, 32 kept connections | 20.0 | 15.0 (0.75) |

| operations a second (ratio to haproxy) | haproxy | whipstitch |
|---|---|---|
| GET 1 KB, 32 kept connections | 50,000 | ≥ 33,333 (0.67) |

| p50 / p99, µs (ratio to haproxy) | haproxy | whipstitch |
|---|---|---|
| GET 1 KB, 32 kept connections | 200 / 400 | 150 (0.75) / 300 (0.75) |

| footprint (ratio to haproxy) | haproxy | whipstitch |
|---|---|---|
| start to first answer, ms | - | 9 |
"
        );
    }
}
