//! The members of the answers in the form of Red5's proxy, for tools made for it.

use super::{COUNT, Field, TIME, WORDS, WORDS_OR_NULL, field};

pub(in crate::routes) const CLIENTS_QUERY: &[Field] = &[
    field(
        "filter",
        WORDS,
        "`any` (default), `healthy` (both sides are connected) or `unhealthy`.",
    ),
    field(
        "count",
        "`true`",
        "Answers `count` and `timestamp` (ms since 1970) instead of the list.",
    ),
];

macro_rules! client {
    ($prefix:literal) => {
        &[
            field(concat!($prefix, "id"), WORDS, "The session's id."),
            field(concat!($prefix, "targetPort"), COUNT, "Port of the node."),
            field(
                concat!($prefix, "targetHost"),
                WORDS,
                "Address of the node.",
            ),
            field(concat!($prefix, "targetApp"), WORDS, "Scope of the stream."),
            field(
                concat!($prefix, "clientConnected"),
                "true or false",
                "Whether the client is connected.",
            ),
            field(
                concat!($prefix, "proxyConnected"),
                "true or false",
                "Whether the node is connected.",
            ),
            field(
                concat!($prefix, "clientUserAgent"),
                WORDS,
                "The client's `User-Agent`.",
            ),
            field(
                concat!($prefix, "clientAddress"),
                WORDS_OR_NULL,
                "Address of the client.",
            ),
            field(
                concat!($prefix, "secureClient"),
                "true or false",
                "Whether the client speaks TLS.",
            ),
            field(
                concat!($prefix, "creationTime"),
                TIME,
                "Start of the session.",
            ),
        ]
    };
}

pub(in crate::routes) const CLIENT: &[Field] = client!("");
pub(in crate::routes) const CLIENTS: &[Field] = client!("[].");

pub(in crate::routes) const RTC_PROXY: &[Field] = &[
    field(
        "{key}.streamGuid",
        WORDS,
        "Scope and name of the stream; only the scope if the session names none. The key holds the client and the id.",
    ),
    field(
        "{key}.status",
        WORDS,
        "`CONNECTED`, or `DISCONNECTED` while a side is missing.",
    ),
    field("{key}.sessionId", WORDS, "The session's id."),
    field("{key}.timestamp", TIME, "Start of the session."),
];
