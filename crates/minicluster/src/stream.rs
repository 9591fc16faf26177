//! Names: what a stream is called, and how the two URL grammars spell it.

use serde_json::Value;

/// What identifies a stream in a cluster: its scope (`live`, `live/room1`) and its name within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The application and rooms, joined by `/`, without a slash at either end.
    pub scope: String,
    /// The name of the stream.
    pub name: String,
}

impl StreamKey {
    /// A key from its two parts; slashes around the scope are dropped.
    pub fn new(scope: &str, name: &str) -> Self {
        Self {
            scope: scope.trim_matches('/').to_owned(),
            name: name.to_owned(),
        }
    }

    /// The application: the first segment of the scope.
    pub fn app(&self) -> &str {
        self.scope.split('/').next().unwrap_or_default()
    }
}

/// Which of the two HTTP protocols a URL speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Whip,
    Whep,
}

/// `/{scope…}/{whip|whep}/{endpoint|resource}/{stream}` (Red5 Pro documentation, WHIP/WHEP
/// configuration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignalingPath {
    pub(crate) dialect: Dialect,
    pub(crate) resource: bool,
    pub(crate) key: StreamKey,
}

impl SignalingPath {
    /// Read from the right, because a scope may hold any number of segments; `None` for every other
    /// path.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_start_matches('/').rsplitn(4, '/');
        let (stream, place, dialect, scope) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let dialect = match dialect {
            "whip" => Dialect::Whip,
            "whep" => Dialect::Whep,
            _ => return None,
        };
        let resource = match place {
            "endpoint" => false,
            "resource" => true,
            _ => return None,
        };
        if stream.is_empty() || scope.split('/').any(str::is_empty) {
            return None;
        }
        let key = StreamKey::new(&percent_decode(scope), &percent_decode(stream));
        Some(Self {
            dialect,
            resource,
            key,
        })
    }
}

/// The first value of `name` in a query, exactly as it was written: Red5 splits at `&` and `=` and
/// decodes nothing (`Red5/red5-server`, WebSocket scope query parsing).
pub(crate) fn raw_param<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .find_map(|pair| match pair.split_once('=') {
            Some((key, value)) if key == name => Some(value),
            Some(_) => None,
            None => (pair == name).then_some(""),
        })
}

/// Percent-decoding of a path; escapes that are not valid stay as they are.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                hex(*high).zip(hex(*low)).map(|(h, l)| (h * 16 + l, after))
            }
            _ => None,
        };
        if let Some((value, after)) = escaped {
            out.push(value);
            rest = after;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// The text under `name` in a JSON object.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_the_right() {
        let path = SignalingPath::parse("/live/myroom/desk/whip/endpoint/my%20stream").unwrap();
        assert_eq!(path.key, StreamKey::new("live/myroom/desk", "my stream"));
        assert!(!path.resource);
        assert_eq!(path.dialect, Dialect::Whip);
        assert!(
            SignalingPath::parse("/live/whep/resource/s")
                .unwrap()
                .resource
        );
        for other in [
            "/whip/endpoint/s",
            "/live/whip/endpoint/",
            "/live/whip/place/s",
            "//whip/endpoint/s",
            "/",
            "",
        ] {
            assert_eq!(SignalingPath::parse(other), None, "{other}");
        }
    }

    #[test]
    fn query_values_stay_raw() {
        assert_eq!(raw_param("id=a%2Fb&x&id=c", "id"), Some("a%2Fb"));
        assert_eq!(raw_param("id=a&x", "x"), Some(""));
        assert_eq!(raw_param("xid=1", "id"), None);
    }

    #[test]
    fn bad_escapes_survive() {
        assert_eq!(percent_decode("a%zz%4"), "a%zz%4");
        assert_eq!(percent_decode("%ff"), "%ff");
        assert_eq!(percent_decode("%C3%A9"), "é");
    }
}
