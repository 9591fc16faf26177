//! The answer to a request that is refused before it has an exchange.

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS},
};

use crate::{
    Metrics,
    request::request_id::{REQUEST_ID, new_id},
    words::problem::{self, Kind},
};

/// The problem as an answer with an id of its own, which pages of any origin can read.
pub fn refusal(kind: Kind, detail: &str, metrics: &Metrics) -> Response<Bytes> {
    metrics.problem(kind);
    let id = new_id();
    let instance = id.to_str().unwrap_or_default();
    let mut response = problem::written(kind, kind.entry().status, detail, instance);
    let headers = response.headers_mut();
    let any = HeaderValue::from_static("*");
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static("X-Request-Id");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.insert(REQUEST_ID, id);
    response
}
