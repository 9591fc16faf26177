//! Where the Stream Manager is.

use std::fmt;

use http::uri::{Authority, Scheme, Uri};
use thiserror::Error;

/// The Stream Manager's scheme and authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
}

impl BaseUrl {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
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
        if parts
            .path_and_query
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(BaseUrlError::Path);
        }
        Ok(Self { scheme, authority })
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Its port, written or implied.
    pub fn port(&self) -> u16 {
        let implied = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(implied)
    }

    /// Host and port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// What is wrong with a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// No scheme, no host, or characters that a URL cannot have.
    #[error("is not a URL such as http://127.0.0.1:5080")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// Has a user or password.
    #[error("must not hold a user or password")]
    UserInfo,
    /// Has a path or a query.
    #[error("must end after host and port")]
    Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_url_is_scheme_host_and_port() {
        assert_eq!(
            BaseUrl::parse("http://sm:5080/").unwrap().to_string(),
            "http://sm:5080"
        );
        for (text, port) in [
            ("http://sm:5080", 5080),
            ("http://sm", 80),
            ("https://[::1]", 443),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().port(), port, "{text}");
        }
        for (text, error) in [
            ("", BaseUrlError::NotAUrl),
            ("sm:5080", BaseUrlError::NotAUrl),
            ("ftp://sm", BaseUrlError::Scheme),
            ("http://a:b@sm", BaseUrlError::UserInfo),
            ("http://sm/streammanager", BaseUrlError::Path),
            ("http://sm/?x", BaseUrlError::Path),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
        }
    }
}
