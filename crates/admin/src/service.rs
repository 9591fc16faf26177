//! The layers around the router.
//!
//! The limit and the timeout of a body are in the router and not layers of tower-http: the limit
//! layer answers 413 in plain text where this interface answers 400 in JSON, and the timeout layers
//! would end `POST /drain`, which may wait for its drain.

use std::convert::Infallible;

use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Bytes};
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::{
    compression::{CompressionBody, CompressionLayer},
    map_response_body::MapResponseBodyLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
    validate_request::ValidateRequestHeaderLayer,
};
use whipstitch_proxy::trace::TraceId;

use super::{Admin, access::Listener, answer, router};

/// The body of an answer, after the layers.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The service of one connection on this listener.
#[expect(
    clippy::result_large_err,
    reason = "the layer of access control wants the answer as it is"
)]
pub(crate) fn service<B>(
    admin: &Admin,
    listener: Listener,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
+ use<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (guard, admin) = (admin.clone(), admin.clone());
    ServiceBuilder::new()
        .layer(MapResponseBodyLayer::new(boxed))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        // The compression overwrites the status with 406 where the client accepts no coding at all
        // (`*;q=0`), after the work is done: a drain would begin and be reported as refused. RFC
        // 9110, section 12.5.3 allows an answer without a coding there.
        .map_response(restore_status)
        // Not event streams and icons, by the layer's own default.
        .layer(CompressionLayer::new())
        .map_response(remember_status)
        // Browsers must take an answer for what its media type says.
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(ValidateRequestHeaderLayer::custom(
            move |request: &mut Request<B>| router::authorize(&guard, listener, request),
        ))
        .service_fn(move |request: Request<B>| {
            let admin = admin.clone();
            async move { Ok::<_, Infallible>(router::answer(&admin, request).await) }
        })
}

fn remember_status<B>(mut response: Response<B>) -> Response<B> {
    let status = response.status();
    response.extensions_mut().insert(status);
    response
}

fn restore_status<B>(mut response: Response<B>) -> Response<B> {
    if let Some(status) = response.extensions_mut().remove::<StatusCode>() {
        *response.status_mut() = status;
    }
    response
}

fn boxed(body: CompressionBody<answer::Body>) -> Body {
    body.map_err(Into::into).boxed_unsync()
}

/// Names a request whose client has not: 16 random hexadecimal digits, as the proxy's ids are.
#[derive(Clone, Copy, Debug)]
struct NewId;

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let mut id = TraceId::random().to_string();
        id.truncate(16);
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}
