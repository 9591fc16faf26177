//! The Stream Manager's address, and the one place that turns a path of its API into a URI.
//!
//! Lookups, the list of nodes, forwarded requests and WebSockets all ask here, so they agree on
//! four settings:
//!
//! | step | setting | `/as/v1/streams/x` becomes |
//! |---|---|---|
//! | 1. the prefix is dropped, where the path begins with it | `stream_manager.strip_prefix = "/as/v1"` | `/streams/x` |
//! | 2. the base path is put in front | the path of `stream_manager.url = "http://gateway/sm"` | `/sm/streams/x` |
//! | 3. scheme, host and port are those of `stream_manager.url` | | `http://gateway/sm/streams/x` |
//! | 4. `Host`, and over TLS the name that is verified, are another name | `stream_manager.host` | |
//!
//! Nothing else of a path changes: its escapes and double slashes reach the manager as the client
//! wrote them.

mod parts;

use std::{borrow::Cow, fmt};

use http::{
    HeaderValue, Request, Uri, header,
    request::Builder,
    uri::{Authority, PathAndQuery, Scheme},
};

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use whipstitch_signaling::{coding::IDENTITY, host::normal_authority};

pub use parts::{BaseUrlError, HostError, PathError};

/// The Stream Manager's scheme, authority and base path, and what becomes of the paths of its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or slash and segments without a slash at the end.
    path: Box<str>,
    /// The same form.
    strip: Box<str>,
    /// The name that the manager is asked for, where it differs from the URL's.
    name: Option<Authority>,
    /// That name, or the URL's.
    host: HeaderValue,
}

impl BaseUrl {
    /// Reads `http://host[:port][/path]` or the same with `https`. One slash at the end means
    /// nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        if text.contains('#') {
            return Err(BaseUrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::NotAUrl)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(BaseUrlError::NotAUrl);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(BaseUrlError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        let path = parts.path_and_query;
        if path.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(BaseUrlError::Query);
        }
        let path = parts::path(path.as_ref().map_or("/", PathAndQuery::path))?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BaseUrlError::NotAUrl)?;
        Ok(Self {
            scheme,
            authority,
            path: path.into(),
            strip: "".into(),
            name: None,
            host,
        })
    }

    /// Drops this prefix, such as `/as/v1`, from the paths that begin with it.
    ///
    /// # Errors
    /// It does not begin with a slash, has no segment, or one that is not allowed.
    pub fn without_prefix(mut self, prefix: &str) -> Result<Self, PathError> {
        self.strip = parts::prefix(prefix)?.into();
        Ok(self)
    }

    /// Asks for this host, with or without a port, in `Host` and over TLS, and not for the URL's.
    ///
    /// # Errors
    /// It is not a host.
    pub fn asking_for(mut self, host: &str) -> Result<Self, HostError> {
        let name = parts::host(host)?;
        self.host = HeaderValue::from_str(name.as_str()).map_err(|_| HostError)?;
        self.name = Some(name);
        Ok(self)
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Its port, written or implied.
    pub fn port(&self) -> u16 {
        let implied = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(implied)
    }

    /// Host and port to connect to.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The `Host` of requests.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The name or address that the manager's certificate has to hold, if it is not the URL's.
    ///
    /// # Errors
    /// No certificate can hold it.
    pub fn verified_name(&self) -> Result<Option<ServerName<'static>>, InvalidDnsNameError> {
        let Some(name) = &self.name else {
            return Ok(None);
        };
        let name = name.host();
        let name = name.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(name.to_owned()).map(Some)
    }

    /// Whether every path of a client is below a path of the manager.
    pub fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The path that the manager gets for a path of its API, with the query behind it if there is
    /// one.
    pub fn at_manager<'t>(&self, target: &'t str) -> Cow<'t, str> {
        let target = strip(target, &self.strip).unwrap_or(target);
        let slash = if target.starts_with('/') { "" } else { "/" };
        match (&*self.path, slash) {
            ("", "") => Cow::Borrowed(target),
            (path, slash) => Cow::Owned(format!("{path}{slash}{target}")),
        }
    }

    /// The same path as clients write it whether or not they leave out the prefix.
    pub fn with_prefix<'t>(&self, target: &'t str) -> Cow<'t, str> {
        match (&*self.strip, strip(target, &self.strip)) {
            ("", _) | (_, Some(_)) => Cow::Borrowed(target),
            (prefix, None) => Cow::Owned(format!("{prefix}{target}")),
        }
    }

    /// The URI for a path of the API, with the query behind it if there is one.
    ///
    /// # Errors
    /// The path has characters that none can have, or is too long.
    pub fn uri(&self, target: &str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(&*self.at_manager(target))
            .build()
    }

    /// A request for a path of the API, with the query behind it if there is one.
    pub fn get(&self, target: &str) -> Builder {
        let request = match self.uri(target) {
            Ok(uri) => Request::get(uri),
            // An error of the builder is told where the request is finished.
            Err(_) => Request::get("\0"),
        };
        // What is asked for here is read here.
        request
            .header(header::ACCEPT_ENCODING, IDENTITY)
            .header(header::HOST, &self.host)
    }

    /// What clients ask this proxy for, to get what a `Location` of the manager names: a path.
    /// `None` if it names another host, or is relative to the request, and is to stay as it is.
    pub fn at_clients(&self, location: &str) -> Option<String> {
        let path = match location.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(self.scheme.as_str()) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                [Some(&self.authority), self.name.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|own| self.is_same(own, authority))
                    .then_some(path)?
            }
            // `//host` names another host.
            None if location.starts_with('/') && !location.starts_with("//") => location,
            Some(_) | None => return None,
        };
        let path = if path.starts_with('/') {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("/{path}"))
        };
        // A path outside the base path cannot be asked for through this proxy.
        let below = strip(&path, &self.path)?;
        let slash = if below.starts_with('/') { "" } else { "/" };
        Some(format!("{}{slash}{below}", self.strip))
    }
}

impl BaseUrl {
    /// Whether this text is the same host and port, however they are written.
    fn is_same(&self, own: &Authority, text: &str) -> bool {
        let implied = Some(if self.is_https() { 443 } else { 80 });
        let named: Option<Authority> = text.parse().ok();
        let named = named.and_then(|named| normal_authority(&named, implied));
        named.is_some() && named == normal_authority(own, implied)
    }
}

/// The rest of a target that begins with this path, up to the end of a segment.
fn strip<'t>(target: &'t str, path: &str) -> Option<&'t str> {
    let rest = target.strip_prefix(path)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

#[cfg(test)]
mod tests;
