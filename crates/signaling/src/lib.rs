//! What the URLs, headers, statuses and session tokens of WHIP, WHEP and Red5's WebSocket
//! signalling mean.
//!
//! Pure: no I/O, no clock, no async. The caller brings the bytes and the time.
//!
//! | file | one idea |
//! |---|---|
//! | [`api`] | the two generations of the Stream Manager |
//! | [`stream`] | the name of a stream, and whether it is published or played |
//! | [`route`] | the URL grammar: what is asked for |
//! | [`query`] | raw query strings, edited without decoding |
//! | [`short`] | endpoints without the word `endpoint` |
//! | [`app_query`] | WHIP and WHEP at the Stream Manager's own application |
//! | [`forward_target`] | where the forward proxy of Stream Manager 2.0 is led to |
//! | [`socket`] | the query of Red5's WebSocket proxy |
//! | [`session`] | sealed session URLs |
//! | [`handle`] | sealed handles of nodes, for `Session-Host` and `host=` |
//! | [`extension`] | sealed URLs of protocol extensions |
//! | [`misplaced`] | a query in the wrong place |
//! | [`rewrite`] | what a node's `Location` means |
//! | [`coding`] | content codings of bodies that are parsed |
//! | [`dialect`] | what the client of a request understands |
//! | [`bearer`] | a bearer token as the query that nodes read |
//! | [`link`] | `Link`, read and written |
//! | [`ice`] | ICE servers and TURN credentials |
//! | [`web_origin`] | origins of web pages |
//! | [`owner`] | whose a session is |
//! | [`tag`] | entity tags of sessions |
//! | [`host`] | host names and addresses, one spelling of each |
//! | [`headers`] | header names and values that matter here |

pub mod api;
pub mod app_query;
pub mod bearer;
pub mod coding;
pub mod dialect;
pub mod extension;
pub mod forward_target;
pub mod handle;
pub mod headers;
pub mod host;
pub mod ice;
pub mod link;
pub mod misplaced;
pub mod owner;
pub mod query;
pub mod rewrite;
pub mod route;
pub mod session;
pub mod short;
pub mod socket;
pub mod stream;

pub mod tag;
pub mod web_origin;

pub use api::Api;
pub use forward_target::{ForwardTarget, ForwardTargetError};
pub use route::{Form, Route};
pub use stream::{NameError, Role, StreamKey};
