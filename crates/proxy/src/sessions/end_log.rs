//! The one log line about a session that is over.

use tracing::info;

use super::view::{SessionKind, SessionView};
use crate::words::end_reason::EndReason;

/// Says that a session is there that was closed as vanished.
pub(crate) fn log_reopened(session: &SessionView) {
    info!(
        target: "session",
        id = session.request_id(),
        session = %session.id(),
        kind = session.kind().label(),
        stream = session.stream().map(display),
        node = %session.node(),
        "a session that was taken for vanished is open again"
    );
}

/// Writes the line. `close_code` is that of a WebSocket's first Close.
pub(crate) fn log(session: &SessionView, end: EndReason, close_code: Option<u16>) {
    let (received, sent) = session.bytes().unzip();
    info!(
        target: "session",
        id = session.request_id(),
        trace = session.trace().map(display),
        session = %session.id(),
        client = session.client().map(display),
        kind = session.kind().label(),
        scope = session.scope(),
        stream = session.stream().map(display),
        node = %session.node(),
        ended_by = end.by(),
        reason = end.reason(),
        close_code,
        received,
        sent,
        age_ms = u64::try_from(session.age().as_millis()).unwrap_or(u64::MAX),
        "{}", match session.kind() {
            SessionKind::Socket => "a WebSocket session is over",
            SessionKind::Manager => "a WebSocket to the Stream Manager is over",
            SessionKind::Whip => "a WHIP session is over",
            SessionKind::Whep => "a WHEP session is over",
        },
    );
}
