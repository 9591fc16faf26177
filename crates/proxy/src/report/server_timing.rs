//! `Server-Timing` (W3C Server Timing): where the time of an exchange went, for the developer tools
//! of the client.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header::ACCESS_CONTROL_ALLOW_ORIGIN};

use crate::{
    Exchange,
    request::phases::{Phase, Times},
    words::reason::Answerer,
};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Adds our phases behind those that the node may have told.
///
/// A page of another origin reads the header of an answer that it asked for with `fetch`, as CORS
/// exposes it, but its timeline holds the phases only if `Timing-Allow-Origin` lets it (W3C
/// Resource Timing §4.5). An operator who turns this on wants them seen by the pages that may use
/// the answer (`proxy.cors_origins`); a node's own value is kept.
pub(crate) fn add(headers: &mut HeaderMap, exchange: &Exchange) {
    let record = exchange.record();
    let answerer = record.answerer.get().copied().unwrap_or_default();
    let text = text(record.phases.times(), answerer, record.began.elapsed());
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(SERVER_TIMING, value);
    }
    if let Some(allowed) = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned() {
        headers.entry(TIMING_ALLOW_ORIGIN).or_insert(allowed);
    }
}

/// The phases in milliseconds. The handshake is left out: the client knows that better.
fn text(times: Times, answerer: Answerer, total: Duration) -> String {
    let answer = match answerer {
        Answerer::Manager => "manager",
        Answerer::Node | Answerer::Proxy | Answerer::Preflight => "node",
    };
    let took = |phase: Option<Phase>| phase.map(|phase| phase.took);
    let mut text = String::with_capacity(96);
    for (name, took) in [
        ("lookup", took(times.lookup)),
        ("connect", took(times.connect)),
        (answer, took(times.first_byte)),
        ("total", Some(total)),
    ] {
        if let Some(took) = took {
            let comma = if text.is_empty() { "" } else { ", " };
            let micros = took.as_micros();
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "{comma}{name};dur={}.{:03}",
                micros / 1000,
                micros % 1000
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_is_known_is_told_in_milliseconds() {
        let phase = |micros| {
            Some(Phase {
                began: Instant::now(),
                took: Duration::from_micros(micros),
            })
        };
        let times = Times {
            tls: phase(9_999),
            lookup: phase(1_200),
            connect: phase(45),
            first_byte: phase(1_004_100),
        };
        let total = Duration::from_millis(1006);
        assert_eq!(
            text(times, Answerer::Node, total),
            "lookup;dur=1.200, connect;dur=0.045, node;dur=1004.100, total;dur=1006.000"
        );
        let times = Times {
            first_byte: phase(1),
            ..Times::default()
        };
        assert_eq!(
            text(times, Answerer::Manager, total),
            "manager;dur=0.001, total;dur=1006.000"
        );
        assert_eq!(
            text(Times::default(), Answerer::Proxy, total),
            "total;dur=1006.000"
        );
    }

    #[test]
    fn what_a_node_has_told_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER_TIMING, HeaderValue::from_static("sdp;dur=3"));
        let own = HeaderValue::from_static("https://a.example");
        headers.insert(TIMING_ALLOW_ORIGIN, own.clone());
        add(&mut headers, &Exchange::begin(&HeaderMap::new(), None));
        let all: Vec<_> = headers.get_all(SERVER_TIMING).iter().collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], "sdp;dur=3");
        assert_eq!(headers[TIMING_ALLOW_ORIGIN], own);
    }
}
