//! What is said of a span: the names of OpenTelemetry's semantic conventions for HTTP where they
//! have one. `url.path` and `url.full` hold stream names and session tokens, so they are not said;
//! of the Stream Manager's paths, what the access line says.

use std::{borrow::Cow, net::SocketAddr, sync::atomic::Ordering};

use http::Version;

use super::{
    Exchanged,
    route::{method, route},
};
use crate::request::{
    exchange::Subject,
    phases::{Phase, Times},
    trace::{Attribute, TraceContext, Value},
    trusted_proxies::Scheme,
};

/// Longest host that is told, in bytes: the longest that a name can be.
const MAX_HOST: usize = 253;

impl Exchanged<'_> {
    pub(super) fn of_server(&self, ours: &TraceContext, times: &Times) -> Vec<Attribute> {
        let (exchange, record) = (self.exchange, self.exchange.record());
        let subject = exchange.subject();
        let mut all = Vec::with_capacity(20);
        all.push(("http.request.method", method(self.method).0.into()));
        let scheme = match exchange.scheme() {
            Some(Scheme::Https) => "https",
            Some(Scheme::Http) | None => "http",
        };
        all.push(("url.scheme", scheme.into()));
        all.extend(route(subject, self.path).map(|route| ("http.route", route.into())));
        if subject == Subject::Manager {
            all.push(("url.path", self.public_path.to_owned().into()));
        }
        all.extend(
            self.status
                .map(|status| ("http.response.status_code", status.as_u16().into())),
        );
        all.extend(
            version(self.version).map(|version| ("network.protocol.version", version.into())),
        );
        if let Some(host) = ours.host.get() {
            let name = host.host();
            let name = name.get(..MAX_HOST).unwrap_or(name);
            all.push(("server.address", name.to_owned().into()));
            all.extend(host.port_u16().map(|port| ("server.port", port.into())));
        }
        let text = |key, ip: Option<std::net::IpAddr>| ip.map(|ip| (key, ip.to_string().into()));
        all.extend(text("client.address", exchange.client()));
        all.extend(text("network.peer.address", exchange.forwarder()));
        all.extend(self.error().map(|error| ("error.type", Value::Text(error))));
        all.push((
            "http.request.body.size",
            record.received.load(Ordering::Relaxed).into(),
        ));
        all.push(("http.response.body.size", self.sent.into()));
        all.push(("whipstitch.request_id", exchange.id().to_owned().into()));
        all.push(("whipstitch.about", subject.label().into()));
        all.push(("whipstitch.reason", self.reason.into()));
        all.extend(
            record
                .stream
                .get()
                .map(|key| ("whipstitch.stream", key.to_string().into())),
        );
        all.extend(
            times
                .tls
                .map(|tls| ("whipstitch.tls_us", Phase::micros(tls).into())),
        );
        all
    }

    pub(super) fn of_call(&self) -> Vec<Attribute> {
        let tries = self.exchange.tries();
        let mut all = vec![("http.request.method", method(self.method).0.into())];
        all.extend(tries.node.into_iter().flat_map(node));
        if let again @ 1.. = tries.count.saturating_sub(1) {
            all.push(("http.request.resend_count", u64::from(again).into()));
        }
        if let Some(problem) = self.exchange.record().problem.get() {
            all.push(("error.type", problem.entry().slug.into()));
        }
        all
    }

    /// Why it did not end well.
    fn error(&self) -> Option<Cow<'static, str>> {
        if let Some(problem) = self.exchange.record().problem.get() {
            return Some(problem.entry().slug.into());
        }
        match self.status {
            None => Some("client-left".into()),
            Some(status) if status.is_server_error() => Some(status.as_u16().to_string().into()),
            Some(_) => None,
        }
    }
}

/// Where a node is.
pub(crate) fn node(addr: SocketAddr) -> [Attribute; 2] {
    [
        ("server.address", addr.ip().to_string().into()),
        ("server.port", addr.port().into()),
    ]
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}
