//! Under which scheme and host clients reach us, for the URLs that we give.

use http::uri::Authority;

use crate::{Exchange, config::Location, forwarders::Scheme};

/// What is configured about our own URLs.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    /// `proxy.public_url`
    pub(crate) url: Option<String>,
    /// `proxy.location`
    pub(crate) location: Location,
}

impl Public {
    /// What stands before the path of a URL of ours: scheme and authority as this client sees them, or nothing.
    ///
    /// They are known if they are configured, if a trusted forwarder tells, or by our own TLS. OBS, simple-whip-client and
    /// Red5's SDK resolve a URL without them each in a way of its own, so there is one only where it would be a guess.
    pub(crate) fn base(&self, host: &Authority, exchange: &Exchange) -> String {
        if self.location == Location::Path {
            return String::new();
        }
        if let Some(url) = &self.url {
            return url.trim_end_matches('/').to_owned();
        }
        match (exchange.scheme(), self.location) {
            (Some(scheme), _) => format!("{scheme}://{host}"),
            (None, Location::Absolute) => format!("{}://{host}", Scheme::Http),
            (None, Location::Auto | Location::Path) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::{Peer, forwarders::Forwarders};

    /// For a client at a forwarder that says so, or at our own sockets.
    fn base(url: Option<&str>, location: Location, tls: bool, proto: Option<&str>) -> String {
        let peer = Peer::new("10.0.0.1:1000".parse().unwrap(), tls);
        let mut headers = HeaderMap::new();
        if let Some(proto) = proto {
            headers.insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let forwarders = Forwarders::new(&["10.0.0.0/8".parse().unwrap()]);
        let exchange = Exchange::through(&headers, Some(peer), &forwarders);
        let url = url.map(str::to_owned);
        Public { url, location }.base(&Authority::from_static("a:8443"), &exchange)
    }

    #[test]
    fn scheme_and_host_are_given_where_they_are_known() {
        let (auto, absolute, path) = (Location::Auto, Location::Absolute, Location::Path);
        let configured = Some("https://live.example/");
        for (url, location, tls, proto, expected) in [
            (None, auto, false, None, ""),
            (None, auto, true, None, "https://a:8443"),
            (None, auto, false, Some("https"), "https://a:8443"),
            (None, auto, true, Some("http"), "http://a:8443"),
            (None, auto, false, Some("gopher"), ""),
            (
                configured,
                auto,
                false,
                Some("http"),
                "https://live.example",
            ),
            (None, absolute, false, None, "http://a:8443"),
            (None, absolute, false, Some("https"), "https://a:8443"),
            (configured, absolute, false, None, "https://live.example"),
            (configured, path, true, Some("https"), ""),
        ] {
            assert_eq!(
                base(url, location, tls, proto),
                expected,
                "{location:?} {tls} {proto:?}"
            );
        }
    }
}
