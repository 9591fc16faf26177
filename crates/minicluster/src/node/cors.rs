//! The CORS filter in front of a node's WHIP and WHEP servlets (red5pro-common, `CorsFilter`).

use std::future::Future;

use http::HeaderValue;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};

use crate::reply::Reply;

pub(crate) async fn wrap(answer: impl Future<Output = Reply>) -> Reply {
    let mut answer = answer.await;
    let headers = answer.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            "HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Accept, Content-Type, Link, Location, Origin, X-Requested-With",
        ),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "*, Authorization"),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
