//! Answers, and the reading of request bodies within a bound.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde_json::Value;

/// The largest request body read: several times the largest SDP a browser makes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

pub(crate) type Reply = Response<Full<Bytes>>;

/// The body of an answer that may come piece by piece.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// An answer with a complete body.
pub(crate) fn whole(reply: Reply) -> Response<ReplyBody> {
    reply.map(BodyExt::boxed_unsync)
}

/// An answer with a body of this type. A status that does not exist becomes 500.
pub(crate) fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        reply.headers_mut().insert(CONTENT_TYPE, value);
    }
    reply
}

pub(crate) fn text(status: u16, words: impl Into<String>) -> Reply {
    body(status, "text/plain;charset=UTF-8", words.into())
}

pub(crate) fn json(status: u16, value: &Value) -> Reply {
    body(status, "application/json", value.to_string())
}

pub(crate) fn empty(status: u16) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

/// Tomcat's own page for an unknown path.
pub(crate) fn tomcat_not_found() -> Reply {
    let page = "<!doctype html><html lang=\"en\"><head><title>HTTP Status 404 – Not Found</title></head>\
                <body><h1>HTTP Status 404 – Not Found</h1><p><b>Type</b> Status Report</p>\
                <p><b>Description</b> The origin server did not find a current representation for the target \
                resource or is not willing to disclose that one exists.</p></body></html>";
    body(404, "text/html;charset=utf-8", page)
}

/// The whole body as text; the error is the answer to give.
pub(crate) async fn read(incoming: Incoming) -> Result<String, Reply> {
    match Limited::new(incoming, MAX_BODY).collect().await {
        Ok(collected) => String::from_utf8(collected.to_bytes().to_vec())
            .map_err(|_| text(400, "The body is not UTF-8.")),
        Err(error) if error.is::<LengthLimitError>() => Err(text(
            413,
            format!("The body is larger than {MAX_BODY} bytes."),
        )),
        Err(_) => Err(text(400, "The body did not arrive whole.")),
    }
}
