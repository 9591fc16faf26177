//! Whether a request was made by a page of this very origin. Another site's page can send a POST
//! here, but not under this origin.

use http::{HeaderMap, header::ORIGIN};

/// The host that the client asked the proxy for; the proxy drops what a client writes there itself.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// Compares `Origin`, which a browser sends with every POST, with the host that was asked for.
pub(super) fn is(headers: &HeaderMap) -> bool {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = of(ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    match (origin, of(FORWARDED_HOST)) {
        (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_the_same_host_and_port() {
        for (origin, host, same) in [
            (Some("https://localhost:8443"), Some("localhost:8443"), true),
            (
                Some("https://localhost:8444"),
                Some("localhost:8443"),
                false,
            ),
            (Some("https://evil.example"), Some("localhost:8443"), false),
            (Some("null"), Some("localhost:8443"), false),
            (None, Some("localhost:8443"), false),
            (Some("https://localhost:8443"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("origin", origin), (FORWARDED_HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is(&headers), same, "{origin:?} at {host:?}");
        }
    }
}
