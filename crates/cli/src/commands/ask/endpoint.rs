//! The endpoint of the running whipstitch's admin interface.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use http::uri::{Authority, Uri};

use super::{Failure, Reach};
use whipstitch_config::{Sources, keys, peek};

use crate::commands::Surroundings;

/// Its path in the packages.
const DEFAULT: &str = "/run/whipstitch/admin.sock";

/// The variable of `listen.admin`; commands accept a socket or a URL in it, too.
const VARIABLE: &str = "WHIPSTITCH_ADMIN";

/// The endpoint of the running whipstitch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP port.
    Address {
        /// Host and port.
        authority: Authority,
    },
}

impl Endpoint {
    /// From the flag, the variable, the configuration, or the default. Mistakes elsewhere in the
    /// configuration are ignored here; `whipstitch check` reports them.
    pub(super) fn find(reach: &Reach, around: &Surroundings) -> Result<Self, Failure> {
        if let Some(text) = &reach.admin {
            return Self::read(text, "--admin");
        }
        let variable = around
            .environment
            .iter()
            .find(|(name, _)| name == VARIABLE)
            .and_then(|(_, value)| value.to_str());
        if let Some(text) = variable.filter(|text| text.contains('/') && !text.starts_with("tcp:"))
        {
            return Self::read(text, VARIABLE);
        }
        let sources = Sources {
            file: reach.config.clone(),
            environment: around.environment.clone(),
            flags: Vec::new(),
            open_files: None,
        };
        let set = |path| {
            let key = keys::key(path)?;
            Some(peek(&sources, key).map_err(Failure::usage))
        };
        let text = |found: Option<Result<Option<toml::Value>, Failure>>| {
            let found = found.transpose()?.flatten();
            Ok(found.and_then(|value| value.as_str().map(str::to_owned)))
        };
        if let Some(socket) = text(set("admin.socket"))? {
            return Ok(Self::Socket(PathBuf::from(socket)));
        }
        match text(set("listen.admin"))? {
            Some(address) => Self::read(&address, "listen.admin"),
            None => Ok(Self::Socket(PathBuf::from(DEFAULT))),
        }
    }

    /// From text: a URL, an address with a port, or the name of a socket.
    fn read(text: &str, from: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Failure::usage(format_args!(
                "{from}: {what}; it has to be the name of a socket such as {DEFAULT}, an address such as 127.0.0.1:9090, or a \
                 URL such as http://127.0.0.1:9090"
            ))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::socket(path.strip_prefix("//").unwrap_or(path))
                .ok_or_else(|| wrong("no socket is named"));
        }
        if text.contains("://") {
            let uri: Uri = text.parse().map_err(|_| wrong("this is no URL"))?;
            if uri.scheme_str() != Some("http") {
                return Err(wrong("only http:// is spoken there"));
            }
            if uri.path() != "/" || uri.query().is_some() {
                return Err(wrong("the URL has a path or a query"));
            }
            let authority = uri
                .authority()
                .ok_or_else(|| wrong("the URL has no host"))?;
            return Self::address(authority.as_str())
                .ok_or_else(|| wrong("host or port are missing"));
        }
        if text.contains('/') {
            return Self::socket(text).ok_or_else(|| wrong("no socket is named"));
        }
        Self::address(text).ok_or_else(|| wrong("this is none of them"))
    }

    /// Why there is no connection.
    pub(super) fn unreachable(&self, error: &io::Error) -> Failure {
        match self {
            Self::Socket(path) => Failure::at_socket(path, error),
            Self::Address { authority } => Failure::unreachable(format_args!(
                "no answer at {authority} ({error}): is whipstitch running, and is this its listen.admin?"
            )),
        }
    }

    fn socket(path: &str) -> Option<Self> {
        (!path.is_empty()).then(|| Self::Socket(PathBuf::from(path)))
    }

    /// Host and port; loopback for the unspecified address.
    fn address(text: &str) -> Option<Self> {
        let local = match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_unspecified() => {
                let local = match address.ip() {
                    IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
                };
                SocketAddr::new(local, address.port()).to_string()
            }
            _ => text.to_owned(),
        };
        let authority: Authority = local.parse().ok()?;
        let port = authority.port_u16().filter(|port| *port != 0);
        let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        (plain && port.is_some()).then_some(Self::Address { authority })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Address { authority } => authority.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(text: &str) -> String {
        match Endpoint::read(text, "--admin") {
            Ok(Endpoint::Socket(path)) => format!("socket {}", path.display()),
            Ok(Endpoint::Address { authority }) => format!("address {authority}"),
            Err(failure) => {
                assert_eq!(failure.code, super::super::USAGE);
                "wrong".to_owned()
            }
        }
    }

    #[test]
    fn sockets_addresses_and_urls() {
        for (text, is) in [
            ("/run/a.sock", "socket /run/a.sock"),
            ("./a.sock", "socket ./a.sock"),
            ("unix:/run/a.sock", "socket /run/a.sock"),
            ("unix:///run/a.sock", "socket /run/a.sock"),
            ("127.0.0.1:9090", "address 127.0.0.1:9090"),
            ("localhost:9090", "address localhost:9090"),
            ("0.0.0.0:9090", "address 127.0.0.1:9090"),
            ("[::]:9090", "address [::1]:9090"),
            ("http://127.0.0.1:9090/", "address 127.0.0.1:9090"),
            ("https://127.0.0.1:9090", "wrong"),
            ("http://127.0.0.1:9090/status", "wrong"),
            ("http://127.0.0.1", "wrong"),
            ("http://a:b@127.0.0.1:9090", "wrong"),
            ("127.0.0.1", "wrong"),
            ("127.0.0.1:0", "wrong"),
            ("unix:", "wrong"),
            ("", "wrong"),
        ] {
            assert_eq!(read(text), is, "{text}");
        }
    }

    #[test]
    fn flag_over_variable_over_configuration_over_the_usual() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("whipstitch.toml");
        std::fs::write(&file, "nonsense = 1\n[listen]\nadmin = '0.0.0.0:9091'\n").unwrap();
        let find = |admin: Option<&str>, config: bool, variable: &str| {
            let reach = Reach {
                admin: admin.map(str::to_owned),
                config: config.then(|| file.clone()),
                json: false,
            };
            let around = Surroundings {
                environment: vec![(OsString::from(VARIABLE), OsString::from(variable))],
                ..Surroundings::default()
            };
            Endpoint::find(&reach, &around).unwrap().to_string()
        };
        assert_eq!(find(Some("/a.sock"), true, "/b.sock"), "/a.sock");
        assert_eq!(find(None, true, "/b.sock"), "/b.sock");
        // As the daemon reads it too.
        assert_eq!(find(None, true, "127.0.0.1:9092"), "127.0.0.1:9092");
        assert_eq!(find(None, true, ""), "127.0.0.1:9091");
        assert_eq!(find(None, false, ""), DEFAULT);
    }

    #[test]
    fn a_file_that_is_not_there_is_said_to_be() {
        let reach = Reach {
            config: Some("/no/such/file.toml".into()),
            ..Reach::default()
        };
        let failure = Endpoint::find(&reach, &Surroundings::default()).unwrap_err();
        assert_eq!(failure.code, super::super::USAGE);
        assert!(
            failure.what.contains("/no/such/file.toml"),
            "{}",
            failure.what
        );
    }
}
