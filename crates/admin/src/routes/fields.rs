//! The members of requests and answers.

mod red5;
mod status;

use super::Field;

pub(super) use self::{
    red5::{CLIENT, CLIENTS, CLIENTS_QUERY, RTC_PROXY},
    status::STATUS,
};

const fn field(name: &'static str, kind: &'static str, meaning: &'static str) -> Field {
    Field {
        name,
        kind,
        meaning,
    }
}

const TIME: &str = "number, ms since 1970";
const TIME_OR_NULL: &str = "number or null, ms since 1970";
const MS_OR_NULL: &str = "number or null, ms";
const COUNT: &str = "number";
const WORDS: &str = "text";
const WORDS_OR_NULL: &str = "text or null";

pub(super) const READY_QUERY: &[Field] = &[field(
    "verbose",
    "present or not",
    "Adds a line for each part, and says which of them count.",
)];

pub(super) const SESSIONS_QUERY: &[Field] = &[
    field(
        "search",
        "text, at most 256 bytes",
        "Part of id, kind, scope, stream, node, client or user agent; upper and lower case are the same.",
    ),
    field(
        "sort",
        WORDS,
        "`age` (default), `rate`, `bytes`, `activity` or `stream`.",
    ),
    field(
        "order",
        WORDS,
        "`asc` or `desc`; by default the oldest, the busiest, the latest or A first.",
    ),
    PAGE,
    PER_PAGE,
    field("kind", WORDS, "Only `whip`, `whep`, `socket` or `manager`."),
    field(
        "of",
        "text, at most 256 bytes",
        "Only of this stream, as `scope/name`, or of the WebSockets of this scope.",
    ),
];

const PAGE: Field = field("page", "number, from 1", "The page; 1 by default.");
const PER_PAGE: Field = field(
    "per_page",
    "number, 1 to 500",
    "Rows of a page; 100 by default.",
);

pub(super) const STREAMS_QUERY: &[Field] = &[
    field(
        "search",
        "text, at most 256 bytes",
        "Part of scope and name; upper and lower case are the same.",
    ),
    PAGE,
    PER_PAGE,
];

pub(super) const STREAMS: &[Field] = &[
    field("total", COUNT, "Streams with a session."),
    field("matching", COUNT, "Those that match the search."),
    field("page", "number", "The page."),
    field("pages", COUNT, "How many pages there are."),
    field("streams[].scope", WORDS, "The scope."),
    field(
        "streams[].stream",
        WORDS_OR_NULL,
        "The name; null for the WebSockets of a scope, which name none.",
    ),
    field(
        "streams[].publisher",
        "object or null",
        "The youngest: `began_at`, `node`, `client`, `agent`.",
    ),
    field(
        "streams[].publishers",
        COUNT,
        "WHIP sessions, and WebSockets that publish.",
    ),
    field("streams[].viewers", COUNT, "WHEP sessions."),
    field(
        "streams[].sockets",
        COUNT,
        "WebSockets that name no stream: viewers.",
    ),
    field("streams[].nodes", "list of text", "Their nodes, at most 8."),
    field("streams[].began_at", TIME, "Start of the oldest session."),
];

macro_rules! session {
    ($prefix:literal $(, $head:expr)*) => {
        &[
            $($head,)*
            field(concat!($prefix, "id"), WORDS, "The session's id on this replica."),
            field(concat!($prefix, "kind"), WORDS, "`whip`, `whep`, `socket` or `manager`."),
            field(concat!($prefix, "state"), WORDS, "`open`; `unclaimed`: its client does not have the whole answer to its POST yet; `closing`: a DELETE for it is in flight; `orphaned`: no client has it, and the proxy ends it; `closed`: it ended while the list was made."),
            field(concat!($prefix, "scope"), WORDS, "Scope of the stream."),
            field(concat!($prefix, "stream"), WORDS_OR_NULL, "Name of the stream; null for a WebSocket that names none."),
            field(concat!($prefix, "node"), WORDS, "Address and port of its node."),
            field(concat!($prefix, "client"), WORDS_OR_NULL, "Address of the client."),
            field(concat!($prefix, "agent"), WORDS_OR_NULL, "The client's `User-Agent`."),
            field(concat!($prefix, "tls"), "true or false", "Whether the client speaks TLS."),
            field(concat!($prefix, "began_at"), TIME, "Its start."),
            field(concat!($prefix, "from_client_bytes"), "number or null, bytes", "Bytes of a WebSocket; null for WHIP and WHEP."),
            field(concat!($prefix, "from_node_bytes"), "number or null, bytes", "The same in the other direction."),
            field(concat!($prefix, "rate_bps"), "number or null, bit/s", "Both directions, in the last 5 s."),
            field(concat!($prefix, "last_activity_at"), TIME, "When the client of a WHIP or WHEP session was last heard of: its last request. The last frame of a WebSocket."),
        ]
    };
}

pub(super) const SESSION: &[Field] = session!("");
pub(super) const SESSIONS: &[Field] = session!(
    "sessions[].",
    field("total", COUNT, "Sessions."),
    field("matching", COUNT, "Those that match the search."),
    field("page", COUNT, "This page, from 1."),
    field("pages", COUNT, "Pages."),
    field(
        "not_ended_by_client",
        COUNT,
        "WHIP and WHEP sessions of the whole list: their clients have not ended them, and may have vanished."
    ),
    field(
        "vanished.state",
        WORDS,
        "Whether publishers that vanished can be found: `known`, `failing`, or `unknown` before the Stream Manager's list was asked for."
    ),
    field("vanished.error", WORDS_OR_NULL, "Why they cannot be found.")
);

pub(super) const NODES: &[Field] = &[
    field("total", COUNT, "Nodes."),
    field(
        "nodes[].address",
        WORDS,
        "Address, as the Stream Manager names it.",
    ),
    field(
        "nodes[].named_seconds_ago",
        "number or null, s",
        "Since when the Stream Manager has not named it; null if that was too long ago.",
    ),
    field(
        "nodes[].sessions_sent",
        COUNT,
        "Sessions for which it was the first candidate.",
    ),
    field("nodes[].failures", COUNT, "Failed requests."),
    field(
        "nodes[].state",
        WORDS,
        "`healthy`, `ejected` (tried only if there is no other) or `returning` (one attempt a second).",
    ),
    field(
        "nodes[].ejected_for_seconds",
        "number or null, s",
        "Rest of the ejection.",
    ),
    field(
        "nodes[].ejected_until_at",
        TIME_OR_NULL,
        "The end of the ejection.",
    ),
    field(
        "nodes[].unhealthy_since_at",
        TIME_OR_NULL,
        "Since when it is not healthy.",
    ),
    field("nodes[].ejections", COUNT, "Ejections in a row."),
    field(
        "nodes[].sessions",
        COUNT,
        "Active sessions of this replica.",
    ),
    field(
        "nodes[].connect_p50_ms",
        MS_OR_NULL,
        "Median time to connect, to a power of two.",
    ),
    field(
        "nodes[].connect_p99_ms",
        MS_OR_NULL,
        "99th percentile of it.",
    ),
    field(
        "nodes[].last_error",
        WORDS_OR_NULL,
        "Cause of the last failure, such as `timeout after 2 s`.",
    ),
    field("nodes[].last_error_at", TIME_OR_NULL, "When that was."),
];

pub(super) const LOOKUPS: &[Field] = &[
    field("total", COUNT, "Cached lookups."),
    field("lookups[].role", WORDS, "`publish` or `play`."),
    field("lookups[].stream", WORDS, "Scope and name."),
    field(
        "lookups[].hints",
        "list of text",
        "Keys of the client's query that are part of the lookup; never their values.",
    ),
    field(
        "lookups[].network",
        WORDS_OR_NULL,
        "Network of the clients that share the entry; null if all do.",
    ),
    field("lookups[].answer", WORDS, "`found` or `not_found`."),
    field("lookups[].age_seconds", "number, s", "Age of the entry."),
    field(
        "lookups[].state",
        WORDS,
        "`fresh`, `aging`, `stale` or `gone`.",
    ),
    field("lookups[].uses", COUNT, "Sessions that used it."),
    field(
        "lookups[].uses_left",
        "number or null",
        "Further uses; null without a limit.",
    ),
    field(
        "lookups[].candidates",
        "list of text",
        "Addresses of nodes, in their order.",
    ),
];

macro_rules! incidents {
    ($($list:literal),*) => {
        &[$(
            field(concat!($list, "[].at"), TIME, "When it was."),
            field(concat!($list, "[].kind"), WORDS_OR_NULL, "Type of the problem, see [problems.md](problems.md); null for an answer of the node or of the Stream Manager."),
            field(concat!($list, "[].status"), COUNT, "Status of the answer."),
            field(concat!($list, "[].subject"), WORDS, "What was requested."),
            field(concat!($list, "[].stream"), WORDS_OR_NULL, "The stream."),
            field(concat!($list, "[].node"), WORDS_OR_NULL, "The node."),
            field(concat!($list, "[].client"), WORDS_OR_NULL, "Address of the client."),
            field(concat!($list, "[].id"), WORDS, "Id of the request, as in the access log."),
        )*
        field("problems[].kind", WORDS, "A type of problem that clients were told of."),
        field("problems[].status", COUNT, "Its status."),
        field("problems[].title", WORDS, "Its title."),
        field("problems[].cure", WORDS, "What to do."),
        field("problems[].count", COUNT, "How often since the start, the most frequent first."),
        ]
    };
}

pub(super) const RECENT: &[Field] = incidents!("refusals", "errors");

pub(super) const HISTORY: &[Field] = &[
    field("step_ms", "number, ms", "Length of a step."),
    field(
        "requests",
        "list of numbers",
        "Answered requests in each step.",
    ),
    field("errors", "list of numbers", "Those answered with 5xx."),
    field("sessions", "list of numbers", "Sessions at its end."),
    field(
        "lookup_ms",
        "list of numbers or null, ms",
        "Mean duration of a call to the Stream Manager; null without a call.",
    ),
];

pub(super) const CONFIG: &[Field] = &[
    field("[].key", WORDS, "The key, as `section.key`."),
    field(
        "[].value",
        "any",
        "Its active value, as in the file; null if it is not set and has no default.",
    ),
    field(
        "[].from",
        WORDS,
        "Its source: `default`, `file:LINE`, `environment NAME` or `command line`.",
    ),
    field(
        "[].lowered_from",
        COUNT,
        "The limit as it was set, where it was lowered to fit the limit of open files; else null.",
    ),
];

pub(super) const DRAIN_BODY: &[Field] = &[field(
    "wait",
    "true or false",
    "Answer when the drain is finished; false by default.",
)];
pub(super) const DRAIN: &[Field] = &[
    field("began_at", TIME, "Start of the drain."),
    field("deadline_at", TIME, "Its latest end."),
];

pub(super) const RELOAD: &[Field] = &[
    field(
        "settings",
        WORDS,
        "`unchanged`, `reloaded: KEYS`, `a restart is needed for KEYS`, `failed: WHY` or `none`.",
    ),
    field(
        "certificates",
        WORDS,
        "`unchanged`, `reloaded`, `failed: WHY` or `none`.",
    ),
    field("session_keys", WORDS, "The same."),
    field("ice_secrets", WORDS, "The same."),
    field("nodes", WORDS, "`asked`: the poll is requested; or `none`."),
];

pub(super) const LOG_LEVEL_BODY: &[Field] = &[
    field(
        "level",
        WORDS,
        "The filter, in the syntax of `log.filter`. Required.",
    ),
    field(
        "for_ms",
        "number, ms",
        "Its duration: 1 s to 24 h, 10 minutes by default.",
    ),
];
pub(super) const LOG_LEVEL: &[Field] = &[
    field("now", WORDS, "The active filter."),
    field("until_at", TIME, "When the configured filter is restored."),
];

pub(super) const FORGET_BODY: &[Field] = &[
    field("scope", WORDS, "Scope of the stream; with `stream`."),
    field("stream", WORDS, "Its name; with `scope`."),
];
pub(super) const FORGET: &[Field] = &[field("forgotten", COUNT, "Dropped entries.")];

pub(super) const END: &[Field] = &[
    field("id", WORDS, "The session's id."),
    field("kind", WORDS, "Its kind."),
];
