//! Header names and values that matter here.

use http::{
    HeaderMap, HeaderName,
    header::{
        CONNECTION, CONTENT_TYPE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// A session description (RFC 8866).
pub const SDP: &str = "application/sdp";
/// A fragment of one, for trickle ICE (RFC 8840).
pub const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The body of a WHIP or WHEP request, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// [`SDP`].
    Sdp,
    /// [`SDP_FRAGMENT`].
    SdpFragment,
}

/// What the `Content-Type` says: `None` if it is absent, `Some(None)` if it is neither of [`Media`].
pub fn media(headers: &HeaderMap) -> Option<Option<Media>> {
    let value = headers.get(CONTENT_TYPE)?;
    let essence = value
        .to_str()
        .ok()
        .and_then(|text| text.split(';').next())
        .unwrap_or_default()
        .trim();
    Some(if essence.eq_ignore_ascii_case(SDP) {
        Some(Media::Sdp)
    } else if essence.eq_ignore_ascii_case(SDP_FRAGMENT) {
        Some(Media::SdpFragment)
    } else {
        None
    })
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Takes out what belongs to one connection only (RFC 9110 §7.6.1): the fields that `Connection` names, and the ones
/// that are hop-by-hop by definition.
///
/// Own headers have to be added *after* this, or a client could name them in `Connection` and have them removed.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        HTTP2_SETTINGS,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn media_types_are_read_without_their_parameters() {
        let of = |value: &str| {
            media(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_str(value).unwrap(),
            )]))
        };
        assert_eq!(media(&HeaderMap::new()), None);
        assert_eq!(of("application/sdp"), Some(Some(Media::Sdp)));
        assert_eq!(of("Application/SDP; charset=utf-8"), Some(Some(Media::Sdp)));
        assert_eq!(
            of("application/trickle-ice-sdpfrag"),
            Some(Some(Media::SdpFragment))
        );
        assert_eq!(of("application/json"), Some(None));
        assert_eq!(of("application/sdpx"), Some(None));
    }

    #[test]
    fn what_connection_names_goes_too() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
    }
}
