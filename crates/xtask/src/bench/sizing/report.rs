//! The figures, and the tables for the operator's guide.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::table::median;
use crate::Result;

/// Numbers of sessions that the second table reckons for.
const CROWDS: [u32; 4] = [1000, 4000, 7000, 20_000];
/// Messages of a session's signalling, both ways together: lookup of a stream, offer, answer,
/// candidates.
const MESSAGES: f64 = 30.0;
/// What is added to the memory that was measured: buffers of those who speak, and what an allocator
/// keeps.
const SPARE: f64 = 1.5;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    /// Memory of the process, bytes.
    Base,
    /// File descriptors of the process.
    BaseDescriptors,
    /// Memory of an idle WebSocket, bytes.
    Socket,
    /// File descriptors of one.
    SocketDescriptors,
    /// Memory of a live WHIP session, bytes.
    Session,
    /// CPU of a request on a kept connection, µs.
    Request,
    /// CPU of a full handshake, µs.
    Handshake,
    /// CPU of a resumed one, µs.
    Resumed,
    /// CPU of POST, PATCH and DELETE, µs.
    Cycle,
    /// CPU of a WebSocket from its connection to its end, µs.
    Opened,
    /// CPU of a message relayed, µs.
    Message,
}

/// What was measured, by round.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<Figure, Vec<f64>>);

impl Figures {
    /// Writes one figure down.
    pub(super) fn note(&mut self, figure: Figure, value: f64) {
        self.0.entry(figure).or_default().push(value);
    }

    fn value(&self, figure: Figure) -> Result<f64> {
        let values = self.0.get(&figure).cloned().unwrap_or_default();
        median(values).ok_or_else(|| format!("{figure:?} was not measured").into())
    }

    /// Both tables, for `deploy/sizing.md`.
    pub(super) fn tables(&self) -> Result<String> {
        Ok(format!("{}\n{}", self.costs()?, self.crowds()?))
    }

    fn costs(&self) -> Result<String> {
        let mut table =
            String::from("| what | memory | CPU time | descriptors |\n|---|--:|--:|--:|\n");
        let kb =
            |figure| -> Result<String> { Ok(format!("{:.1} kB", self.value(figure)? / 1000.0)) };
        let us = |figure| -> Result<String> {
            let value = self.value(figure)?;
            let digits = usize::from(value < 20.0);
            Ok(format!("{value:.digits$} µs"))
        };
        let base = format!("{:.0} MB", self.value(Figure::Base)? / 1e6);
        let count = |figure| -> Result<String> { Ok(format!("{:.0}", self.value(figure)?)) };
        let (one, none) = (|| "1".to_owned(), String::new);
        for (what, memory, cpu, descriptors) in [
            (
                "the process, with nothing open",
                base,
                none(),
                count(Figure::BaseDescriptors)?,
            ),
            (
                "an open WebSocket over TLS, idle",
                kb(Figure::Socket)?,
                none(),
                count(Figure::SocketDescriptors)?,
            ),
            (
                "a live WHIP or WHEP session, the lookup of its stream included",
                kb(Figure::Session)?,
                none(),
                "0".to_owned(),
            ),
            (
                "a full TLS handshake",
                none(),
                us(Figure::Handshake)?,
                one(),
            ),
            ("a resumed one", none(), us(Figure::Resumed)?, one()),
            (
                "a request that is answered here (a preflight, a `GET` of an endpoint)",
                none(),
                us(Figure::Request)?,
                none(),
            ),
            (
                "a WHIP session: lookup, `POST`, `PATCH`, `DELETE`",
                none(),
                us(Figure::Cycle)?,
                none(),
            ),
            (
                "a WebSocket: full handshake, upgrade, two messages, end",
                none(),
                us(Figure::Opened)?,
                none(),
            ),
            ("a message relayed", none(), us(Figure::Message)?, none()),
        ] {
            writeln!(table, "| {what} | {memory} | {cpu} | {descriptors} |")?;
        }
        Ok(table)
    }

    /// What a number of sessions takes if all come within one minute and end within the next.
    fn crowds(&self) -> Result<String> {
        let (base, socket) = (self.value(Figure::Base)?, self.value(Figure::Socket)?);
        let each_socket = self.value(Figure::Opened)? + self.value(Figure::Message)? * MESSAGES;
        let each_session = self.value(Figure::Handshake)? + self.value(Figure::Cycle)?;
        let memory = |each: f64, crowd: f64| (base + each * crowd) * SPARE / 1e6;
        let cores = |each: f64, crowd: f64| each * crowd / 60e6;
        let mut table = String::from(
            "| sessions | WebSockets: memory | cores, if all come in one minute | descriptors | WHIP and WHEP: memory | cores, the same |\n\
             |--:|--:|--:|--:|--:|--:|\n",
        );
        for crowd in CROWDS {
            let number = f64::from(crowd);
            writeln!(
                table,
                "| {crowd} | {:.0} MB | {:.2} | {} | {:.0} MB | {:.2} |",
                memory(socket, number),
                cores(each_socket, number),
                2 * crowd + 1000,
                memory(self.value(Figure::Session)?, number),
                cores(each_session, number),
            )?;
        }
        Ok(table)
    }
}

/// Cores and model of this machine.
pub(super) fn machine() -> String {
    let said = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = said
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unknown CPU", |rest| {
        rest.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    // Ours is one of them: the launcher has pinned this process.
    format!("{model}, one core for the proxy and {cores} for clients and node")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_reckoned_from_medians() {
        let mut figures = Figures::default();
        assert!(figures.tables().is_err());
        for (figure, value) in [
            (Figure::Base, 10e6),
            (Figure::BaseDescriptors, 20.0),
            (Figure::SocketDescriptors, 2.0),
            (Figure::Socket, 10e3),
            (Figure::Session, 1e3),
            (Figure::Request, 20.0),
            (Figure::Handshake, 400.0),
            (Figure::Resumed, 100.0),
            (Figure::Cycle, 200.0),
            (Figure::Opened, 570.0),
            (Figure::Message, 1.0),
        ] {
            for shake in [1.0, 9.0, 1.0] {
                figures.note(figure, value * shake);
            }
        }
        let tables = figures.tables().unwrap();
        assert!(
            tables.contains("| an open WebSocket over TLS, idle | 10.0 kB |  | 2 |"),
            "{tables}"
        );
        assert!(
            tables.contains("| a full TLS handshake |  | 400 µs | 1 |"),
            "{tables}"
        );
        // 1.5 × (10 MB + 1000 × 10 kB); 1000 × 600 µs in 60 s.
        assert!(
            tables.contains("| 1000 | 30 MB | 0.01 | 3000 | 16 MB | 0.01 |"),
            "{tables}"
        );
    }
}
