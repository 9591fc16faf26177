//! Under which scheme and host clients reach us, for the URLs that we give.

use http::{Uri, uri::Authority};
use whipstitch_signaling::host;

use crate::{
    Exchange,
    request::trusted_proxies::Scheme,
    words::config::{Location, Proxy},
};

/// What is configured about our own URLs.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    /// `proxy.public_url`
    url: Option<String>,
    /// `proxy.location`
    location: Location,
    /// Whether `proxy.hosts` lists our names, so that a request for another one is refused before.
    is_named: bool,
    /// The hosts of both, in their one spelling.
    names: Vec<String>,
}

impl Public {
    /// As the operator has set it.
    pub(crate) fn new(proxy: &Proxy) -> Self {
        Self {
            is_named: !proxy.hosts.is_empty(),
            url: proxy.public_url.clone(),
            location: proxy.location,
            names: names(proxy),
        }
    }

    /// The hosts of our URLs, in their one spelling: what is configured, and what
    /// this client asked for.
    pub(crate) fn names(&self, asked: &Authority) -> Vec<String> {
        let asked = host::normal(asked.host());
        self.names.iter().cloned().chain([asked]).collect()
    }

    /// What stands before the path of a URL of ours: scheme and authority as this client sees them,
    /// or nothing.
    ///
    /// They are known if they are configured, from a trusted proxy, or by our own TLS. OBS,
    /// simple-whip-client and Red5's SDK resolve a URL without them each in a way of its own, so
    /// there is one only where it would be a guess.
    pub(crate) fn base(&self, host: &Authority, exchange: &Exchange) -> String {
        if self.location == Location::Path {
            return String::new();
        }
        if let Some(url) = &self.url {
            return url.trim_end_matches('/').to_owned();
        }
        match (exchange.scheme(), self.location) {
            (Some(scheme), Location::Absolute) => format!("{scheme}://{host}"),
            (None, Location::Absolute) => format!("{}://{host}", Scheme::Http),
            (Some(scheme), _) if self.is_known(host, exchange) => format!("{scheme}://{host}"),
            _ => String::new(),
        }
    }

    /// Whether it is sure that clients reach us by this host and scheme. A trusted proxy that names
    /// the scheme alone may use a host name of its own, and one that names `http` may have another
    /// before it that ends TLS.
    fn is_known(&self, host: &Authority, exchange: &Exchange) -> bool {
        let provenance = &exchange.record().provenance;
        let is_told = || provenance.host.as_ref() == Some(host) || self.is_named;
        provenance
            .scheme
            .is_none_or(|told| told == Scheme::Https && is_told())
    }
}

fn names(proxy: &Proxy) -> Vec<String> {
    let url = proxy.public_url.as_deref().unwrap_or_default();
    let url: Option<Uri> = url.parse().ok();
    let public = url.as_ref().and_then(Uri::host);
    let hosts = proxy.hosts.iter().map(String::as_str);
    hosts.chain(public).map(host::normal).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::{Peer, request::trusted_proxies::TrustedProxies};

    /// Scheme and host, as a trusted proxy names them.
    type Told = (Option<&'static str>, Option<&'static str>);

    const NOTHING: Told = (None, None);

    fn told(scheme: &'static str) -> Told {
        (Some(scheme), Some("a:8443"))
    }

    /// For a client at a trusted proxy that says so, or at our own sockets.
    fn base(url: Option<&str>, location: Location, tls: bool, told: Told) -> String {
        let peer = Peer::new("10.0.0.1:1000".parse().unwrap(), tls);
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-forwarded-proto", told.0), ("x-forwarded-host", told.1)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
        let exchange = Exchange::through(&headers, Some(peer), &proxies, None);
        let url = url.map(str::to_owned);
        let public = Public {
            url,
            location,
            is_named: false,
            names: Vec::new(),
        };
        public.base(&Authority::from_static("a:8443"), &exchange)
    }

    #[test]
    fn scheme_and_host_are_given_where_they_are_known() {
        let (auto, absolute, path) = (Location::Auto, Location::Absolute, Location::Path);
        let configured = Some("https://live.example/");
        for (url, location, tls, told, expected) in [
            (None, auto, false, NOTHING, ""),
            (None, auto, true, NOTHING, "https://a:8443"),
            (None, auto, false, told("https"), "https://a:8443"),
            // The host is a guess, then the scheme.
            (None, auto, false, (Some("https"), None), ""),
            (None, auto, false, (Some("https"), Some("b")), ""),
            (None, auto, true, told("http"), ""),
            (None, auto, false, told("gopher"), ""),
            (
                configured,
                auto,
                false,
                told("http"),
                "https://live.example",
            ),
            (None, absolute, false, NOTHING, "http://a:8443"),
            (
                None,
                absolute,
                false,
                (Some("https"), None),
                "https://a:8443",
            ),
            (None, absolute, false, told("http"), "http://a:8443"),
            (configured, absolute, false, NOTHING, "https://live.example"),
            (configured, path, true, told("https"), ""),
        ] {
            assert_eq!(
                base(url, location, tls, told),
                expected,
                "{location:?} {tls} {told:?}"
            );
        }
    }
}
