//! The members of `GET /status`.

use super::{COUNT, Field, MS_OR_NULL, TIME, TIME_OR_NULL, WORDS, WORDS_OR_NULL, field};

pub(in crate::routes) const STATUS: &[Field] = &[
    field("version", WORDS, "Version of the build."),
    field(
        "revision",
        WORDS_OR_NULL,
        "Commit of the build; null if unknown.",
    ),
    field("started_at", TIME, "Start of the process."),
    field("now_at", TIME, "Time of this answer."),
    field(
        "state",
        WORDS,
        "`starting`, `ready`, `draining` or `drained`.",
    ),
    field(
        "drain",
        "object or null",
        "The drain; null if none has begun.",
    ),
    field("drain.began_at", TIME, "Its start."),
    field("drain.deadline_at", TIME, "Its latest end."),
    field("drain.exchanges", COUNT, "Requests that have not ended."),
    field(
        "drain.sockets",
        COUNT,
        "WebSocket sessions that have not ended.",
    ),
    field(
        "drain.outcome",
        WORDS_OR_NULL,
        "`whole`, or `cut` if the deadline came first; null until the drain is finished.",
    ),
    field(
        "listeners.https",
        "list of text",
        "Addresses that speak TLS.",
    ),
    field(
        "listeners.http",
        "list of text",
        "Addresses that speak plain HTTP.",
    ),
    field(
        "listeners.admin",
        WORDS_OR_NULL,
        "Address of the admin interface.",
    ),
    field("certificates[].file", WORDS, "File of the certificate."),
    field(
        "certificates[].names",
        "list of text",
        "Its names, at most 100.",
    ),
    field(
        "certificates[].not_after_at",
        TIME_OR_NULL,
        "The end of its validity; null if it cannot be read.",
    ),
    field(
        "certificates[].days_left",
        "number or null, days",
        "Whole days until then; below zero after it.",
    ),
    field("manager.url", WORDS, "The Stream Manager's URL."),
    field("manager.api", WORDS, "Its generation: `1` or `2`."),
    field(
        "manager.state",
        WORDS,
        "`unknown` before the first call, `answering` or `failing`.",
    ),
    field(
        "manager.breaker",
        WORDS,
        "The circuit breaker: `closed` or `open`.",
    ),
    field(
        "manager.last_answer_ms",
        MS_OR_NULL,
        "Duration of the last answered call.",
    ),
    field(
        "manager.last_error",
        WORDS_OR_NULL,
        "Cause of the last failed call, such as `connection refused`.",
    ),
    field("manager.last_error_at", TIME_OR_NULL, "When that was."),
    field(
        "manager.failing_since_at",
        TIME_OR_NULL,
        "Since when no call is answered; null while calls are.",
    ),
    field(
        "manager.node_list",
        "object or null",
        "Polls of the list of nodes; null without polls, and before the first one.",
    ),
    field("manager.node_list.state", WORDS, "`known` or `failing`."),
    field("manager.node_list.since_at", TIME, "Since when."),
    field(
        "manager.node_list.nodes",
        "number or null",
        "Nodes in the last good poll.",
    ),
    field(
        "manager.node_list.error",
        WORDS_OR_NULL,
        "Cause of the failure.",
    ),
    field(
        "manager.login",
        "object or null",
        "Logins at a Stream Manager 2.0; null without a login.",
    ),
    field(
        "manager.login.state",
        WORDS,
        "`accepted`, `refused` or `failing`.",
    ),
    field("manager.login.since_at", TIME, "Since when."),
    field(
        "manager.login.error",
        WORDS_OR_NULL,
        "Cause of the failure.",
    ),
    field(
        "manager.login.token_ends_at",
        TIME_OR_NULL,
        "The end of the token.",
    ),
    field("cache.entries", COUNT, "Cached lookups."),
    field("cache.hits", COUNT, "Lookups answered by the cache."),
    field(
        "cache.misses",
        COUNT,
        "Lookups that asked the Stream Manager.",
    ),
    field("cache.stale", COUNT, "Lookups answered by a stale entry."),
    field(
        "cache.hit_rate",
        "number or null, 0 to 1",
        "Share of hits and stale answers; null before the first lookup.",
    ),
    field("sessions.http", COUNT, "WHIP and WHEP sessions."),
    field("sessions.sockets", COUNT, "WebSocket sessions."),
    field("sessions.limit_sockets", COUNT, "`limits.sockets`."),
    field(
        "sessions.forgotten",
        COUNT,
        "HTTP sessions that are no longer listed because there were too many.",
    ),
    field("requests.in_flight", COUNT, "Requests in flight."),
    field(
        "requests.total",
        COUNT,
        "Answered requests since the start.",
    ),
    field("requests.errors", COUNT, "Those answered with 5xx."),
    field("log_level.now", WORDS, "The active filter."),
    field(
        "log_level.until_at",
        TIME_OR_NULL,
        "The end of a temporary filter.",
    ),
    field("config_file", WORDS_OR_NULL, "The configuration file."),
    field(
        "reloads",
        "object or null",
        "The last reload; null before the first.",
    ),
    field("reloads.last_at", TIME, "When it was."),
    field("reloads.last_result", WORDS, "`done` or `failed`."),
];
