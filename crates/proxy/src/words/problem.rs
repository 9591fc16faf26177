//! Every problem that a client can be told of: `application/problem+json` (RFC 9457), and the
//! catalogue behind the reference page.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use whipstitch_auth::{Refused, Why};
use whipstitch_origin::{LookupError, ManagerFault};
use whipstitch_signaling::tag::Unmatched;

use crate::{
    Body, BodyError, Error,
    words::{
        body,
        config::NotLiveStatus,
        error::{BadRequest, Denied, NodeFault},
    },
};

/// Seconds after which a client may try again.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// What comes before a slug in `type`.
pub const TYPE_PREFIX: &str = "urn:whipstitch:problem:";

macro_rules! kinds {
    ($($kind:ident $slug:literal $status:ident $title:literal $cause:literal $cure:literal)*) => {
        /// The type of a problem: one status, one title, one entry in the reference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the catalogue says it")]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// Every kind, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The entry of the reference page.
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$kind => Entry {
                        slug: $slug, status: StatusCode::$status, title: $title, cause: $cause, cure: $cure,
                    }),*
                }
            }
        }
    };
}

/// What the reference page says about a problem.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The end of `type`, a value in metrics and logs, and the anchor on the reference page.
    pub slug: &'static str,
    /// The status of the answer.
    pub status: StatusCode,
    /// `title`.
    pub title: &'static str,
    /// When it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

kinds! {
    BadMessage "bad-message" BAD_REQUEST "The request is not HTTP"
        "The request line or a field of the header breaks HTTP/1.1, or another protocol is spoken than the port speaks; `detail` says which. `whipstitch_requests_refused_total` counts it by reason."
        "Speak HTTP/1.1 on the plain port, and HTTP/2 or HTTP/1.1 over TLS on the other; list a balancer that sends the PROXY protocol in `listen.proxy_protocol`, or switch it off there."
    HeaderTooLarge "header-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The header is too large"
        "The header of the request is longer than 64 KiB, or has more than 100 fields. The limit is the same over HTTP/1.1 and HTTP/2."
        "Send less: most often cookies have piled up, or a proxy in front adds to a field each time round."
    TargetTooLong "uri-too-long" URI_TOO_LONG "The request target is too long"
        "Path and query together are longer than 32 KiB."
        "Send less in the query."
    HeaderTooSlow "header-too-slow" REQUEST_TIMEOUT "The header did not arrive in time"
        "The header of the request was not complete within `connections.header_timeout` of its first byte."
        "Look at the client's uplink; raise `connections.header_timeout` if it is that slow."
    BadHost "bad-host" BAD_REQUEST "The request does not name one host"
        "The request has no `Host`, several, or a target that names another host."
        "Send one `Host` header; do not use this proxy as a forward proxy."
    BadPath "bad-path" BAD_REQUEST "The path is not allowed"
        "The path has a segment `.` or `..`, and `stream_manager.url` has a path, which these would leave; or it is a WHIP or WHEP path in disguise (a double slash, an escape, a `;parameter`), which the Stream Manager would take for one. `detail` says which."
        "Send the path that is meant, written plainly."
    BadName "bad-name" BAD_REQUEST "The scope or stream name is not allowed"
        "A scope or stream name in a WHIP or WHEP URL breaks the rule that `detail` names."
        "Use letters, digits, `.`, `_`, `~` and `-`, at most 128 in a segment and 8 segments in a scope."
    BadQuery "bad-query" BAD_REQUEST "The query is not allowed"
        "A query key is missing, doubled, too long, or not what `detail` says it has to be. `host=undefined` means that the page did not use the `serverAddress` of the Stream Manager's answer."
        "Correct the key that `detail` names."
    BadHandshake "bad-handshake" BAD_REQUEST "The WebSocket handshake is not valid"
        "A WebSocket was meant, and the request does not open one: `Upgrade` or `Connection` is missing, it came over HTTP/1.0, or version, key or method are not those of RFC 6455. Most often a proxy in front takes the fields away. Nothing of it is passed on."
        "Mend what `detail` names. nginx needs `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade` and `proxy_set_header Connection \"upgrade\"`; a client has to speak version 13."
    BadAuthorization "bad-authorization" BAD_REQUEST "The Authorization header cannot be passed on"
        "`proxy.bearer` is `query`, and the request has several `Authorization` headers, or a bearer token that makes a query longer than a node takes."
        "Send one `Authorization: Bearer` with a token of at most 6 kB."
    MediaType "media-type" UNSUPPORTED_MEDIA_TYPE "The Content-Type is not supported"
        "A POST that is not `application/sdp`, or a PATCH that is neither that nor `application/trickle-ice-sdpfrag`."
        "Set the `Content-Type` that `detail` names."
    CounterOffer "counter-offer" BAD_REQUEST "A counter-offer is not answered with an offer"
        "A player got the node's own offer as a counter-offer (406), and made another offer, of less media, over the same connection instead of answering it. It does not know counter-offers (draft-ietf-wish-whep, §4.2), and would repeat the offer. The unused session is ended, unless a trusted proxy (`proxy.trusted`) is between, where a connection does not identify a client."
        "Answer the 406 with a PATCH at its `Location`, or POST without a body, so that the node offers in its 201."
    UnexpectedBody "unexpected-body" BAD_REQUEST "The request may not have a body"
        "A GET, HEAD, OPTIONS or DELETE has a body. Some servers leave such a body unread and take it for another request, so it is not passed on."
        "Send it without one."
    Expectation "expectation-failed" EXPECTATION_FAILED "The expectation cannot be met"
        "The request has an `Expect` that is not `100-continue`, or more than one."
        "Leave `Expect` out, or send `Expect: 100-continue`."
    BodyTooLarge "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "The body is longer than `limits.sdp_bytes` (WHIP, WHEP) or `limits.body_bytes` (anything else)."
        "Send less, or raise the limit."
    BodyTooSlow "body-too-slow" REQUEST_TIMEOUT "The body did not arrive in time"
        "The body of a WHIP or WHEP request did not arrive within `timeouts.body`, or a piece of another one did not."
        "Look at the client's uplink; raise `timeouts.body` if it is that slow."
    BodyBroken "body-broken" BAD_REQUEST "The body broke off"
        "The body ended before its announced length, or is not framed as HTTP says."
        "Look at the client, and at what is between it and this proxy."
    PreconditionRequired "precondition-required" PRECONDITION_REQUIRED "If-Match is missing"
        "A trickle or an ICE restart came without `If-Match`, the session has an entity tag, and `proxy.strict_etags` is on."
        "Send the `ETag` of the answer to the POST, or `*` to restart ICE; or set `proxy.strict_etags = false`."
    PreconditionFailed "precondition-failed" PRECONDITION_FAILED "If-Match is not the tag of this session"
        "The `If-Match` of a trickle or an ICE restart is another session's, and `proxy.strict_etags` is on."
        "Send the `ETag` of the last answer that had one; or set `proxy.strict_etags = false`."
    Method "method" METHOD_NOT_ALLOWED "The method is not allowed here"
        "The method has no meaning at this URL; `Allow` lists those that have."
        "Use one of them. A session is made at `…/endpoint/…` and changed or ended at its `Location`."
    HostNotServed "host-not-served" MISDIRECTED_REQUEST "This host name is not served here"
        "The host name is not in `proxy.hosts`."
        "Add it there, or send the request to the right server."
    HttpsRequired "https-required" FORBIDDEN "Only https is served here"
        "The request came over plain HTTP, and `proxy.https_redirect` is on. A GET or HEAD is redirected; other methods and WebSockets are refused, as most clients do not follow, and one that does has sent its token in the clear already."
        "Begin the client's URL with `https://`, or with `wss://`. Behind a TLS terminator: its networks in `proxy.trusted`, and `X-Forwarded-Proto` from it."
    NoChallenge "acme-challenge" NOT_FOUND "There is no such challenge"
        "A path below `/.well-known/acme-challenge/` was asked for over plain HTTP, and `proxy.https_redirect` is on. It is not redirected, and no certificate was ordered from here."
        "Let the ACME client answer on port 80 itself, or prove the name by DNS."
    OriginNotAllowed "origin-not-allowed" FORBIDDEN "Pages of this origin may not use this proxy"
        "A preflight or a WebSocket of a browser came from a page whose origin is not in `proxy.allowed_origins`, or a preflight did not say which it is. For preflights `proxy.cors_origins` counts too; for WebSockets the host that is asked is allowed."
        "Add the origin there as the browser writes it in `Origin`: scheme, host, and a port that is not the default one."
    AdminApi "admin-api" FORBIDDEN "The administration API is not open here"
        "The path is one of the Stream Manager's administration API, and `proxy.admin_api` is off."
        "Reach the Stream Manager directly, or set `proxy.admin_api = true`."
    ForwardProxy "forward-proxy" FORBIDDEN "This is not forwarded from here"
        "The path is that of Stream Manager 2.0's forward proxy, `/as/v1/proxy/forward/`, which sends requests wherever they say, and `proxy.forward` is `refuse`, or the request has no `Authorization: Bearer`; or it is another path below `/as/v1/proxy` that is not served."
        "Set `proxy.forward = \"nodes\"` if pages need it: requests for nodes of the cluster, with the token of their user, then reach the Stream Manager, which signs them. For other targets there is no setting."
    NodeNotAllowed "node-not-allowed" FORBIDDEN "This node may not be reached"
        "`host`, or the host of `target`, is an address that the Stream Manager has not named within `nodes.named_for` nor names now for the stream, or a special one, and no network of `nodes.allow` holds it."
        "Ask the Stream Manager's API through this proxy first, as Red5's SDK does; or add the network to `nodes.allow`."
    TokenMissing "token-missing" UNAUTHORIZED "A token is needed"
        "`auth.rules` wants a token for this role and scope, and the request brings none: neither `Authorization: Bearer` nor the query key `token`. A URL of a session that holds no sealed token needs one, too."
        "Configure the token in the client: OBS calls it Bearer Token; pages put `token` among Red5's connection parameters."
    TokenInvalid "token-invalid" UNAUTHORIZED "The token is not accepted"
        "The token is malformed, has expired, is signed with another key, or is for another audience or of another issuer; `detail` says which. Or the request brings two."
        "Get a new token. If all are refused, compare `auth.key_file` or `auth.jwks_file`, `auth.issuer` and `auth.audience` with what the issuer writes, and look at the clocks."
    NotPermitted "not-permitted" FORBIDDEN "This is not permitted"
        "The claims `role` or `stream` of the token do not permit what was asked for, the session is another client's, or no entry of `auth.rules` admits a client to this role and scope; `detail` says which."
        "Get a token for this role and stream; or add a rule. The first one that fits counts."
    AuthUnavailable "auth-unavailable" SERVICE_UNAVAILABLE "It cannot be decided whether this is permitted"
        "There are no keys to check tokens with; `detail` says what is missing."
        "Try again after `Retry-After` seconds; look at the log for `auth`."
    UnknownSession "unknown-session" NOT_FOUND "There is no such session"
        "`detail` says which: a newer session of the same stream has taken the place at the node; the URL is older than `sessions.lifetime`; its token was altered, or was sealed with a key that this replica does not have; the session of an extension has ended; or the URL has no token, and this client made no session of this stream here, or more than one."
        "Use the `Location` of the answer to the last POST. If the token cannot be opened, and there are several replicas or there was a restart, set `sessions.key_file` to the same file for all. If a newer session has taken the place, two publishers use one name, or an encoder came back before it ended its former session: nothing needs to be done about that. If only other replicas' sessions are refused, look at their clocks: they may differ by 30 s."
    NotLive "not-live" CONFLICT "The stream is not live"
        "The Stream Manager knows no publisher of the stream that a player asks for. The status is that of `proxy.not_live_status`."
        "Try again after `Retry-After` seconds; check scope and name."
    NoNode "no-node" SERVICE_UNAVAILABLE "No node can take the stream"
        "The Stream Manager has no node for a new publisher."
        "Look at the node group: is a node in service, and is it full?"
    ManagerUnavailable "manager-unavailable" SERVICE_UNAVAILABLE "The Stream Manager does not answer"
        "A lookup got no usable answer: no connection, no answer within `stream_manager.timeout`, an error status, or something that is not JSON of the event API."
        "Check `stream_manager.url` and the manager's health; `whipstitch_stream_manager_up` is 0 while this lasts."
    NodeRefused "node-refused" BAD_GATEWAY "The Stream Manager returned a node address that is not allowed"
        "The `serverAddress` of its answer is neither an IP address nor a name that `nodes.allow_names` holds, or a name that cannot be resolved, or a special address such as loopback or a name that stands for one, or an address of this proxy or of the Stream Manager itself."
        "Correct the node's registration; add the name to `nodes.allow_names`, or the network to `nodes.allow` on a single-host set-up."
    NodeUnreachable "node-unreachable" BAD_GATEWAY "The node cannot be reached"
        "The connection to the node was refused, broke, or did not come about within `timeouts.connect`; and no other node could be tried, or all failed."
        "Check that the node is up and that `nodes.port` is open from here. The Stream Manager is asked anew at the next request."
    NodeTimeout "node-timeout" GATEWAY_TIMEOUT "The node did not answer in time"
        "The node took the request but sent no header before `timeouts.answer` was over, which the lookup, the connections and every node that was tried share."
        "Look at the node's load."
    NodeAnswer "node-answer" BAD_GATEWAY "The node's answer cannot be used"
        "The node redirected, completed the WebSocket handshake wrongly, sent a session description that broke off, or could not start a playback (a 406 without an offer, which players would take for one)."
        "Look at the node's log with the request id in `instance`."
    ManagerUnreachable "manager-unreachable" BAD_GATEWAY "The Stream Manager cannot be reached"
        "A request for the Stream Manager itself could not be passed on, or it completed the handshake of a WebSocket wrongly."
        "Check `stream_manager.url` and the manager's health."
    ManagerTimeout "manager-timeout" GATEWAY_TIMEOUT "The Stream Manager did not answer in time"
        "A request for the Stream Manager itself got no header within `timeouts.manager_answer`."
        "Look at the manager's load."
    Disabled "signaling-disabled" SERVICE_UNAVAILABLE "Signalling is switched off"
        "`proxy.enabled` is false: only the Stream Manager's pages and API are served."
        "Set `proxy.enabled = true`."
    SlotPending "slot-pending" SERVICE_UNAVAILABLE "A POST for the same stream is not answered yet"
        "A DELETE came while the node had not answered a POST for the same stream. Its session would have taken the slot, so the DELETE could have ended a stream that just began: it waited for a second, and was not sent."
        "Send the DELETE again after `Retry-After` seconds. If it stays so, look at the node: it does not answer POSTs."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "There is no room for more"
        "The limit that `detail` names is reached."
        "Try again after `Retry-After` seconds; add replicas or raise the limit."
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong inside the proxy"
        "A defect. `whipstitch_panics_total` counts it."
        "Please report it with the log around the request id in `instance`."
}

impl Kind {
    /// The kind of an error. One arm a cause, so that a new one cannot be forgotten.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Request(bad) => match bad {
                BadRequest::Host(_) => Self::BadHost,
                BadRequest::Path | BadRequest::Disguised => Self::BadPath,
                BadRequest::Name(_) => Self::BadName,
                BadRequest::Socket(_)
                | BadRequest::Forward(_)
                | BadRequest::Hints(_)
                | BadRequest::Address(_) => Self::BadQuery,
                BadRequest::Handshake(_) => Self::BadHandshake,
                BadRequest::Authorization(_) => Self::BadAuthorization,
                BadRequest::MediaType { .. } => Self::MediaType,
                BadRequest::Content => Self::UnexpectedBody,
                BadRequest::Expectation => Self::Expectation,
                BadRequest::Counter => Self::CounterOffer,
                BadRequest::Condition(Unmatched::Missing) => Self::PreconditionRequired,
                BadRequest::Condition(Unmatched::Stale) => Self::PreconditionFailed,
            },
            Error::Body(BodyError::TooLarge { .. }) => Self::BodyTooLarge,
            Error::Body(BodyError::TooSlow(_)) => Self::BodyTooSlow,
            Error::Body(BodyError::Broken(_)) => Self::BodyBroken,
            Error::Method { .. } => Self::Method,
            Error::Denied(denied) => match denied {
                Denied::Host => Self::HostNotServed,
                Denied::PlainHttp => Self::HttpsRequired,
                Denied::Origin | Denied::Page => Self::OriginNotAllowed,
                Denied::AdminApi => Self::AdminApi,
                Denied::ForwardProxy | Denied::Bearer => Self::ForwardProxy,
                Denied::Node | Denied::Target => Self::NodeNotAllowed,
                Denied::Signaling => Self::Disabled,
            },
            Error::Unauthorized(refused) => match refused {
                Refused::Missing => Self::TokenMissing,
                Refused::Invalid(_) => Self::TokenInvalid,
                Refused::NotPermitted(_) => Self::NotPermitted,
                Refused::Unavailable(_) => Self::AuthUnavailable,
            },
            Error::NoChallenge => Self::NoChallenge,
            Error::UnknownSession(_) => Self::UnknownSession,
            Error::Play(LookupError::NotFound(_)) => Self::NotLive,
            Error::Publish(LookupError::NotFound(_)) => Self::NoNode,
            Error::Play(LookupError::Manager(_)) | Error::Publish(LookupError::Manager(_)) => {
                Self::ManagerUnavailable
            }
            Error::Play(LookupError::Refused(_)) | Error::Publish(LookupError::Refused(_)) => {
                Self::NodeRefused
            }
            Error::Node(fault) => match fault {
                NodeFault::Unreachable(_) => Self::NodeUnreachable,
                NodeFault::Timeout(_) => Self::NodeTimeout,
                NodeFault::Handshake(_)
                | NodeFault::Playback
                | NodeFault::Sdp(_)
                | NodeFault::Redirect => Self::NodeAnswer,
            },
            Error::Manager(ManagerFault::Timeout(_)) => Self::ManagerTimeout,
            Error::ManagerHandshake(_)
            | Error::Manager(
                ManagerFault::Unreachable(_)
                | ManagerFault::Status(_)
                | ManagerFault::NotAnAnswer
                | ManagerFault::CircuitOpen
                | ManagerFault::TooLong,
            ) => Self::ManagerUnreachable,
            Error::SlotPending(_) => Self::SlotPending,
            Error::Overloaded { .. }
            | Error::Play(LookupError::Busy)
            | Error::Publish(LookupError::Busy) => Self::Overloaded,
            Error::Internal => Self::Internal,
        }
    }

    /// The configuration key that would have let the request pass; for the log, as clients need not
    /// know.
    pub const fn opens_with(self) -> Option<&'static str> {
        match self {
            Self::HostNotServed => Some("proxy.hosts"),
            Self::HttpsRequired | Self::NoChallenge => Some("proxy.https_redirect"),
            Self::OriginNotAllowed => Some("proxy.allowed_origins"),
            Self::AdminApi => Some("proxy.admin_api"),
            Self::ForwardProxy => Some("proxy.forward"),
            Self::NodeNotAllowed | Self::NodeRefused => Some("nodes.allow"),
            Self::Disabled => Some("proxy.enabled"),
            Self::NotPermitted => Some("auth.rules"),
            Self::PreconditionRequired | Self::PreconditionFailed => Some("proxy.strict_etags"),
            _ => None,
        }
    }

    /// Seconds after which it makes sense to try again.
    const fn retry_after(self) -> Option<HeaderValue> {
        match self {
            Self::NotLive
            | Self::NoNode
            | Self::ManagerUnavailable
            | Self::SlotPending
            | Self::AuthUnavailable
            | Self::Overloaded => Some(RETRY_AFTER),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().slug)
    }
}

/// The members of RFC 9457 §3.1.
#[derive(Serialize)]
struct Problem<'p> {
    r#type: String,
    title: &'p str,
    status: u16,
    detail: &'p str,
    instance: &'p str,
}

/// The answer for an error. `not_live` is the status where there is a choice.
pub(crate) fn response(error: &Error, instance: &str, not_live: NotLiveStatus) -> Response<Body> {
    let kind = Kind::of(error);
    let Entry { status, title, .. } = kind.entry();
    let status = match kind {
        Kind::NotLive => not_live.status(),
        _ => status,
    };
    // What the manager named is the operator's to know, not the client's.
    let detail = match error {
        Error::Publish(LookupError::Refused(_)) | Error::Play(LookupError::Refused(_)) => {
            title.to_owned()
        }
        error => error.to_string(),
    };
    let mut response = written(kind, status, &detail, instance).map(body::full);
    let headers = response.headers_mut();
    if let Some(seconds) = kind.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds);
    }
    match error {
        Error::Method { allow } => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        Error::Unauthorized(refused) => {
            if let Some(challenge) = challenge(*refused) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        Error::Request(BadRequest::Handshake(_)) => {
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            );
        }
        // The rest of the body is not read: the connection cannot be used again.
        Error::Body(_) => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// What a client is asked for (RFC 6750 §3).
const fn challenge(refused: Refused) -> Option<HeaderValue> {
    let challenge = match refused {
        Refused::Missing => r#"Bearer realm="whipstitch""#,
        Refused::Invalid(Why::Several) => r#"Bearer realm="whipstitch", error="invalid_request""#,
        Refused::Invalid(_) => r#"Bearer realm="whipstitch", error="invalid_token""#,
        Refused::NotPermitted(_) => r#"Bearer realm="whipstitch", error="insufficient_scope""#,
        Refused::Unavailable(_) => return None,
    };
    Some(HeaderValue::from_static(challenge))
}

/// A problem as its answer, without what depends on its error.
pub(crate) fn written(
    kind: Kind,
    status: StatusCode,
    detail: &str,
    instance: &str,
) -> Response<Bytes> {
    let Entry { slug, title, .. } = kind.entry();
    let problem = Problem {
        r#type: format!("{TYPE_PREFIX}{slug}"),
        title,
        status: status.as_u16(),
        detail,
        instance,
    };
    let mut response = Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_problem_says_what_why_and_where() {
        let error = Error::Play(LookupError::NotFound(Some("no such stream".into())));
        let not_found = response(&error, "00ff", NotLiveStatus::NotFound);
        assert_eq!(not_found.status(), 404);
        assert_eq!(not_found.headers()["retry-after"], "2");
        let response = response(&error, "00ff", NotLiveStatus::Conflict);
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()["retry-after"], "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        insta::assert_snapshot!(std::str::from_utf8(&body).unwrap(), @r#"{"type":"urn:whipstitch:problem:not-live","title":"The stream is not live","status":409,"detail":"the Stream Manager has no node for this stream: it says \"no such stream\"","instance":"00ff"}"#);
    }

    #[test]
    fn every_slug_is_its_own() {
        let slugs: HashSet<_> = Kind::ALL.iter().map(|kind| kind.entry().slug).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }
}
