//! The two kinds of lines that the log has about clients, field by field, for the reference page. A
//! test holds them against what is written.

/// One field of a line.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// In what it is measured, or what it can hold.
    pub unit: &'static str,
    /// What it means. It is left out where it has nothing to say.
    pub meaning: &'static str,
}

const fn field(name: &'static str, unit: &'static str, meaning: &'static str) -> Field {
    Field {
        name,
        unit,
        meaning,
    }
}

/// The line about an exchange: target `access`.
pub const ACCESS: &[Field] = &[
    field(
        "id",
        "text",
        "The id of the exchange: `X-Request-Id` to the client, to the node and to the Stream Manager, and `instance` of a problem.",
    ),
    field(
        "trace",
        "hexadecimal",
        "The trace in which it was (W3C Trace Context), if it was in one.",
    ),
    field(
        "client",
        "IP address",
        "The client, as far as the trusted proxies of `proxy.trusted` name it.",
    ),
    field(
        "forwarder",
        "IP address",
        "Who stood between, if it was believed.",
    ),
    field(
        "tls",
        "true or false",
        "Whether TLS protects the connection to us.",
    ),
    field(
        "version",
        "`HTTP/1.1`, `HTTP/2.0`",
        "The version of HTTP that the client spoke.",
    ),
    field("method", "text", "The method."),
    field(
        "about",
        "label",
        "What it was about: the values of `subject` in `whipstitch_requests_total`.",
    ),
    field("stream", "`scope/name`", "The stream."),
    field(
        "path",
        "text",
        "The path, of requests for the Stream Manager only, 256 bytes of it. Never a query.",
    ),
    field("node", "address", "The node that was tried last."),
    field(
        "tries",
        "count",
        "How many nodes were tried, if there was more than one.",
    ),
    field(
        "status",
        "number",
        "The status of the answer; 0 if the client left before there was one.",
    ),
    field("reason", "word", "How it ended; see below."),
    field(
        "detail",
        "text",
        "Why the node or the Stream Manager could not be reached or did not answer (`connection refused`, `timeout after 2 s`, `HTTP status 503`), or how an answer broke off.",
    ),
    field(
        "problem",
        "word",
        "The type of the problem that the client was told of.",
    ),
    field(
        "opens_with",
        "key",
        "The configuration key that would have let it pass.",
    ),
    field(
        "received",
        "bytes",
        "Of the client's body, as far as it was read.",
    ),
    field("sent", "bytes", "Of the answer's body."),
    field(
        "tls_us",
        "µs",
        "The TLS handshake of the connection, the client's share included. In the first exchange of a connection only; over before the exchange began, and no part of `took_us`.",
    ),
    field(
        "lookup_us",
        "µs",
        "The wait for the node to be found, in memory or by the Stream Manager; all questions together.",
    ),
    field(
        "connect_us",
        "µs",
        "The wait for a new connection to the node that was tried last, even if it failed; not there if a connection was kept.",
    ),
    field(
        "first_byte_us",
        "µs",
        "From the connection to the node that was tried last, or from the request to the Stream Manager, to the header of its answer.",
    ),
    field(
        "took_us",
        "µs",
        "From the request's header to the last frame of the answer; of a WebSocket, to the 101.",
    ),
];

/// The line about a session that is over: target `session`.
pub const SESSION: &[Field] = &[
    field(
        "id",
        "text",
        "The id of the exchange that opened it, as in that one's line.",
    ),
    field(
        "trace",
        "hexadecimal",
        "The trace in which that exchange was.",
    ),
    field("session", "text", "Its id in the admin interface."),
    field("client", "IP address", "Who opened it."),
    field("kind", "`socket`, `whip`, `whep`", "What it was."),
    field(
        "scope",
        "text",
        "The application, and the room if there is one.",
    ),
    field(
        "stream",
        "`scope/name`",
        "The stream; a WebSocket need not name one.",
    ),
    field("node", "address", "The node that had it."),
    field("ended_by", "`client`, `node`, `proxy`", "Who ended it."),
    field("reason", "word", "Why; see below."),
    field(
        "close_code",
        "number",
        "The code of the client's or node's Close (RFC 6455 §7.4), if it came first and had one.",
    ),
    field("received", "bytes", "From the client, of a WebSocket."),
    field("sent", "bytes", "To the client, of a WebSocket."),
    field("age_ms", "ms", "How long it was open."),
];

#[cfg(test)]
mod tests;
