//! The names of spans: few, whatever clients send, so that spans can be counted by them.

use http::Method;

use crate::request::exchange::Subject;

/// The method as an attribute, and as it stands in the name of a span (OpenTelemetry, semantic
/// conventions for HTTP spans).
pub(super) fn method(method: &Method) -> (&'static str, &'static str) {
    let known = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => return ("_OTHER", "HTTP"),
    };
    (known, known)
}

/// The template of the URLs that this is one of; none for those of the Stream Manager, which we do
/// not know.
pub(super) fn route(subject: Subject, path: &str) -> Option<&'static str> {
    let is_of_2_0 = path.starts_with("/as/v1/proxy/");
    Some(match (subject, is_of_2_0) {
        (Subject::WhipEndpoint, false) => "/{scope}/whip/endpoint/{stream}",
        (Subject::WhipEndpoint, true) => "/as/v1/proxy/whip/{scope}/{stream}",
        (Subject::WhipSession, false) => "/{scope}/whip/resource/{stream}/{token}",
        (Subject::WhipSession, true) => "/as/v1/proxy/whip/{scope}/{stream}/session:{token}",
        (Subject::WhepEndpoint, false) => "/{scope}/whep/endpoint/{stream}",
        (Subject::WhepEndpoint, true) => "/as/v1/proxy/whep/{scope}/{stream}",
        (Subject::WhepSession, false) => "/{scope}/whep/resource/{stream}/{token}",
        (Subject::WhepSession, true) => "/as/v1/proxy/whep/{scope}/{stream}/session:{token}",
        (Subject::Extension, false) => "/{scope}/{protocol}/extension/{stream}/{token}",
        (Subject::Extension, true) => "/as/v1/proxy/{protocol}/{scope}/{stream}/extension:{token}",
        (Subject::Socket, false) => "/streammanager",
        (Subject::Socket, true) => "/as/v1/proxy/ws/{action}/{scope}/{stream}",
        (Subject::Manager | Subject::Unknown, _) => return None,
    })
}
