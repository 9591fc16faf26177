//! URLs of HTTP, as far as a client needs them: to ask, and to resolve a `Location`.

use std::fmt;

/// `http` or `https`, an authority, a path and perhaps a query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether it is `https`.
    pub(crate) secure: bool,
    /// Host, and port if it is written, in lower case.
    pub(crate) authority: String,
    /// With its first slash.
    pub(crate) path: String,
    /// Without its question mark.
    pub(crate) query: Option<String>,
}

impl Url {
    /// Reads an absolute URL. `None` for other schemes, for user names, and for what is none; a
    /// fragment is dropped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.split('#').next()?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        if authority.contains('@') {
            return None;
        }
        let authority: http::uri::Authority = authority.to_ascii_lowercase().parse().ok()?;
        let (path, query) = divide(rest);
        let url = Self {
            secure,
            authority: authority.to_string(),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                without_dots(path)
            },
            query,
        };
        // A URL that cannot be written into a request cannot be followed.
        url.target().parse::<http::Uri>().ok()?;
        (!authority.host().is_empty()).then_some(url)
    }

    /// Resolves a reference against this URL (RFC 3986 §5.3), as `new URL(reference, base)`, Go's
    /// `URL.Parse` and Rust's `Url::join` do.
    pub(crate) fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim();
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme()));
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let (path, query) = divide(reference);
        let joined = if path.is_empty() {
            Self {
                query: query.or_else(|| self.query.clone()),
                ..self.clone()
            }
        } else if path.starts_with('/') {
            self.with(path, query)
        } else {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.with(&format!("{folder}/{path}"), query)
        };
        Self::parse(&joined.to_string())
    }

    /// The same server, with another path and query.
    pub(crate) fn with(&self, path: &str, query: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            query,
            ..self.clone()
        }
    }

    /// The same URL with a piece of query behind it, byte for byte; an empty piece changes nothing.
    pub(crate) fn and(&self, piece: &str) -> Self {
        let query = match &self.query {
            _ if piece.is_empty() => self.query.clone(),
            Some(query) if !query.is_empty() => Some(format!("{query}&{piece}")),
            _ => Some(piece.to_owned()),
        };
        self.with(&self.path, query)
    }

    /// The host, without port and brackets.
    pub(crate) fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, that of the scheme if none is written.
    pub(crate) fn port(&self) -> u16 {
        let written = self
            .authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        written.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Path and query, as a request line has them.
    pub(crate) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Scheme and authority: what a browser calls an origin.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    /// Whether both lead to the same server over the same scheme.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host() == other.host() && self.port() == other.port()
    }

    /// For people: values of the query can be credentials.
    pub(crate) fn shown(&self) -> String {
        let query = if self.query.is_some() { "?…" } else { "" };
        format!("{}{}{query}", self.origin(), self.path)
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.origin(), self.target())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown())
    }
}

fn divide(text: &str) -> (&str, Option<String>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (text, None),
    }
}

fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_rfc_3986_says() {
        let base = Url::parse("https://live.example.com/live/whip/endpoint/s1?token=x").unwrap();
        for (reference, resolved) in [
            ("https://n.example/a?b=c", "https://n.example/a?b=c"),
            ("http://10.0.0.5:5080/x", "http://10.0.0.5:5080/x"),
            ("//n.example/a", "https://n.example/a"),
            ("/a/b?c=d", "https://live.example.com/a/b?c=d"),
            (
                "whip/x",
                "https://live.example.com/live/whip/endpoint/whip/x",
            ),
            (
                "webrtc?id=1",
                "https://live.example.com/live/whip/endpoint/webrtc?id=1",
            ),
            (
                "../resource/s1",
                "https://live.example.com/live/whip/resource/s1",
            ),
            ("./", "https://live.example.com/live/whip/endpoint/"),
            (
                "?id=1",
                "https://live.example.com/live/whip/endpoint/s1?id=1",
            ),
            ("", "https://live.example.com/live/whip/endpoint/s1?token=x"),
            ("/a#b", "https://live.example.com/a"),
        ] {
            assert_eq!(
                base.join(reference).unwrap().to_string(),
                resolved,
                "{reference}"
            );
        }
        assert_eq!(base.join("ftp://n.example/"), None);
        assert_eq!(base.join("/a b"), None);
    }

    #[test]
    fn what_is_no_url() {
        for text in [
            "",
            "live.example.com",
            "ftp://a/",
            "https://",
            "https:///a",
            "https://u:p@a/",
            "https://a b/",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn its_parts() {
        let url = Url::parse("http://[::1]:8080/a?b=secret").unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 8080));
        assert_eq!(format!("{url:?}"), "http://[::1]:8080/a?…");
        let plain = Url::parse("HTTPS://Live.Example.com").unwrap();
        assert_eq!((plain.host(), plain.port()), ("live.example.com", 443));
        assert_eq!(plain.to_string(), "https://live.example.com/");
        assert!(plain.same_server(&Url::parse("https://live.example.com:443/x").unwrap()));
        assert_eq!(
            plain.and("a=1").and("").and("b").to_string(),
            "https://live.example.com/?a=1&b"
        );
        assert_eq!(Url::parse("http://[::1]/").unwrap().host(), "::1");
    }
}
