//! The admin listener: `/livez`, `/readyz`, `/metrics`, `/nodes`, `/lookups`. Read-only, and on an address of its own.

mod view;

use std::{convert::Infallible, future::ready};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use serde::Serialize;
use tower::service_fn;
use whipstitch_ingress::HttpService;

pub(crate) use self::view::View;
use crate::readiness::Readiness;

/// The service of the admin listener.
pub(crate) fn service(
    readiness: Readiness,
    view: View,
    registries: Vec<Registry>,
) -> impl HttpService<Full<Bytes>> {
    service_fn(move |request: Request<Incoming>| {
        let answer = answer(
            request.method(),
            request.uri().path(),
            &readiness,
            &view,
            &registries,
        );
        ready(Ok::<_, Infallible>(answer))
    })
}

fn answer(
    method: &Method,
    path: &str,
    readiness: &Readiness,
    view: &View,
    registries: &[Registry],
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "this URL allows GET and HEAD only\n",
        );
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/livez" => text(StatusCode::OK, "alive\n"),
        "/readyz" if readiness.is_ready() => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/metrics" => metrics(registries),
        "/nodes" => json(&view.nodes()),
        "/lookups" => json(&view.lookups()),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /livez, /readyz, /metrics, /nodes and /lookups\n",
        ),
    }
}

fn metrics(registries: &[Registry]) -> Response<Full<Bytes>> {
    let families: Vec<_> = registries.iter().flat_map(Registry::gather).collect();
    match TextEncoder::new().encode_to_string(&families) {
        Ok(encoded) => {
            let mut response = text(StatusCode::OK, encoded);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
            response
        }
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the metrics cannot be encoded: {error}\n"),
        ),
    }
}

fn json(rows: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(rows) {
        Ok(encoded) => {
            let mut response = text(StatusCode::OK, encoded);
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            response
        }
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("this cannot be encoded: {error}\n"),
        ),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_and_method() {
        let (readiness, view) = (Readiness::default(), view::tests::view());
        let status = |method: Method, path| {
            answer(&method, path, &readiness, &view, &[])
                .status()
                .as_u16()
        };
        assert_eq!(status(Method::GET, "/livez"), 200);
        assert_eq!(status(Method::GET, "/readyz"), 503);
        readiness.ready();
        assert_eq!(status(Method::GET, "/readyz"), 200);
        assert_eq!(status(Method::GET, "/metrics"), 200);
        assert_eq!(status(Method::GET, "/nodes"), 200);
        assert_eq!(status(Method::GET, "/lookups"), 200);
        assert_eq!(status(Method::GET, "/"), 404);
        assert_eq!(status(Method::POST, "/livez"), 405);
    }
}
