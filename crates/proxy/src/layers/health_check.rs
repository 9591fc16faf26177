//! The health check of load balancers, `GET /as/v1/admin/healthz` of Stream Manager 2.0.
//!
//! Red5's terraform modules set it up (every 10 to 30 s, 200 expected). It goes to the Stream
//! Manager whatever else is closed: with `proxy.enabled` or `proxy.admin_api` off; for any `Host`,
//! since a balancer asks by IP address; and while `limits.in_flight` is used up, since a balancer
//! that takes a busy proxy out only makes the others busier. Only this one path passes, written
//! plainly, with GET and HEAD, and within a limit of its own.

use http::{Method, Request};

const PATH: &str = "/as/v1/admin/healthz";
/// Most health checks at once.
pub(crate) const CAPACITY: usize = 64;

/// Whether this is one. `websocket` says whether it asks to become a WebSocket.
pub(crate) fn is_one<B>(request: &Request<B>, websocket: bool) -> bool {
    !websocket
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && request.uri().path() == PATH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_path_is_one() {
        for (method, uri, one) in [
            ("GET", "/as/v1/admin/healthz", true),
            ("HEAD", "/as/v1/admin/healthz?a=b", true),
            ("POST", "/as/v1/admin/healthz", false),
            ("OPTIONS", "/as/v1/admin/healthz", false),
            ("GET", "/as/v1/admin/healthz/", false),
            ("GET", "/as/v1/admin/healthz/../nodegroup", false),
            ("GET", "/as/v1/admin/healthz;x", false),
            ("GET", "/as/v1/admin/%68ealthz", false),
            ("GET", "//as/v1/admin/healthz", false),
        ] {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(is_one(&request, false), one, "{method} {uri}");
            assert!(!is_one(&request, true), "{method} {uri}");
        }
    }
}
