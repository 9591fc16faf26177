//! Header names and values that matter here.

use http::{
    HeaderMap, HeaderName, HeaderValue,
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

/// What the `Content-Type` says: `None` if it is absent, `Some(None)` if it is neither of
/// [`Media`].
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

/// Writes the `Content-Type` of a WHIP or WHEP body as those compare it who compare text:
/// `application/sdp`, in small letters and without parameters (`MediaMTX`,
/// internal/protocols/whip/client.go). Only the `valid-until` of a counter-offer stays
/// (draft-ietf-wish-whep §4.2). Any other type stays as it is.
pub fn make_plain(headers: &mut HeaderMap) {
    let plain = match media(headers) {
        Some(Some(Media::Sdp)) => SDP,
        Some(Some(Media::SdpFragment)) => SDP_FRAGMENT,
        _ => return,
    };
    let valid = headers.get(CONTENT_TYPE).and_then(valid_until);
    let plain = match valid {
        Some(valid) => HeaderValue::try_from(format!("{plain}; {valid}")),
        None => Ok(HeaderValue::from_static(plain)),
    };
    if let Ok(plain) = plain {
        headers.insert(CONTENT_TYPE, plain);
    }
}

/// The parameter with its value, as it is written. Its value, a date, holds a comma and no
/// semicolon.
fn valid_until(value: &HeaderValue) -> Option<&str> {
    let mut params = value.to_str().ok()?.split(';').skip(1).map(str::trim);
    params.find(|param| {
        let name = param.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("valid-until")
    })
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// All but `Connection` itself.
const HOP_BY_HOP: [HeaderName; 9] = [
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes out what belongs to one connection only (RFC 9110 §7.6.1): the fields that `Connection`
/// names, and the ones that are hop-by-hop by definition.
///
/// Own headers have to be added *after* this, or a client could name them in `Connection` and have
/// them removed.
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
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether a field belongs to one connection only, by definition.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION || HOP_BY_HOP.contains(name)
}

#[cfg(test)]
mod tests {
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
    fn media_types_are_written_as_clients_compare_them() {
        let date = "valid-until=\"Mon, 30 Nov 2026 10:00:00 GMT\"";
        let counter = format!("application/sdp; {date}");
        let odd = format!("Application/SDP;charset=\"utf-8\" ; {date}; x=1");
        for (written, plain) in [
            ("application/sdp", "application/sdp"),
            ("Application/SDP ; charset=UTF-8", "application/sdp"),
            ("application/sdp;charset=\"a;b\"", "application/sdp"),
            (
                "application/trickle-ice-sdpfrag;x=1",
                "application/trickle-ice-sdpfrag",
            ),
            ("text/html; charset=utf-8", "text/html; charset=utf-8"),
            (&counter, &counter),
            (&odd, &counter),
        ] {
            let value = HeaderValue::from_str(written).unwrap();
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            make_plain(&mut headers);
            assert_eq!(headers[CONTENT_TYPE], plain, "{written}");
        }
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
