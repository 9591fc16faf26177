//! Access control: who may read, who may change.
//!
//! A browser on the operator's machine reaches `listen.admin`, too, and runs pages of any site.
//! Such a page must not read anything through a name of its own that resolves to 127.0.0.1 (DNS
//! rebinding), and must not change anything with a form or a request whose answer it cannot read
//! (CSRF). So a `Host` that is a name has to be a known one, and a change needs headers that a page
//! of another site cannot send without a preflight.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap,
    header::{CONTENT_TYPE, HOST, ORIGIN},
    uri::Authority,
};

/// The socket that a request arrived on.
#[derive(Clone, Copy, Debug)]
pub enum Listener {
    /// The Unix socket: its file permissions are the access control.
    Unix,
    /// The address `listen.admin`.
    Tcp {
        /// The address that is listened on.
        local: SocketAddr,
        /// The address of the client.
        peer: SocketAddr,
    },
}

const READ: &str = "this Host name is not known here; use an IP address or localhost, or add the name to admin.hosts";
const CHANGE: &str = "changes are taken on the Unix socket (admin.socket), or on a loopback address from the same machine \
    with Host localhost or a loopback address, Content-Type application/json, and no Origin of another site";

impl Listener {
    /// Whether the client may read.
    ///
    /// # Errors
    /// Words for the client.
    pub(crate) fn may_read(
        self,
        headers: &HeaderMap,
        hosts: &[String],
    ) -> Result<(), &'static str> {
        match self {
            Self::Unix => Ok(()),
            Self::Tcp { .. } => {
                let host = host(headers).ok_or(READ)?;
                let known = ip(&host).is_some()
                    || is_localhost(&host)
                    || hosts
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(host.host()));
                if known { Ok(()) } else { Err(READ) }
            }
        }
    }

    /// Whether the client may change something.
    ///
    /// # Errors
    /// Words for the client.
    pub(super) fn may_change(self, headers: &HeaderMap) -> Result<(), &'static str> {
        let Self::Tcp { local, peer } = self else {
            return Ok(());
        };
        let is_loopback = |addr: SocketAddr| addr.ip().to_canonical().is_loopback();
        let host = host(headers).filter(|host| {
            is_localhost(host) || ip(host).is_some_and(|ip| ip.to_canonical().is_loopback())
        });
        let allowed = is_loopback(local)
            && is_loopback(peer)
            && host.is_some_and(|host| is_same_origin(headers, &host))
            && is_json(headers);
        if allowed { Ok(()) } else { Err(CHANGE) }
    }
}

/// The `Host`, if there is exactly one and it has no user name.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut all = headers.get_all(HOST).iter();
    let host: Authority = all.next()?.to_str().ok()?.parse().ok()?;
    let plain = !host.as_str().contains('@') && all.next().is_none();
    plain.then_some(host)
}

fn is_localhost(host: &Authority) -> bool {
    host.host().eq_ignore_ascii_case("localhost")
}

fn ip(host: &Authority) -> Option<IpAddr> {
    let host = host.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// Whether every `Origin` is the host itself. Programs send none; the status page sends ours.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok();
        let rest = origin.and_then(|origin| origin.strip_prefix("http://"));
        rest.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let Some(Ok(value)) = all.next().map(|value| value.to_str()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && all.next().is_none()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        let mut all = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            all.append(name, value);
        }
        all
    }

    fn tcp(local: &str, peer: &str) -> Listener {
        Listener::Tcp {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn only_known_host_names_may_read() {
        let on = tcp("0.0.0.0:9090", "192.0.2.1:1");
        let hosts = ["proxy-1.example.com".to_owned()];
        let reads = |fields: &[_]| on.may_read(&headers(fields), &hosts).is_ok();
        for host in [
            "127.0.0.1:9090",
            "10.0.0.1",
            "[::1]:9090",
            "localhost:9090",
            "LOCALHOST",
            "Proxy-1.example.com:9090",
        ] {
            assert!(reads(&[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "a@localhost",
            "",
            "localhost:x/",
            "2130706433x",
        ] {
            assert!(!reads(&[("host", host)]), "{host}");
        }
        assert!(!reads(&[]));
        assert!(!reads(&[("host", "localhost"), ("host", "localhost")]));
        assert!(Listener::Unix.may_read(&HeaderMap::new(), &[]).is_ok());
    }

    #[test]
    fn changes_need_loopback_and_no_foreign_origin() {
        let json = ("content-type", "application/json; charset=utf-8");
        let loopback = tcp("127.0.0.1:9090", "127.0.0.1:5000");
        let changes = |on: Listener, fields: &[_]| on.may_change(&headers(fields)).is_ok();
        let local = ("host", "localhost:9090");
        assert!(changes(loopback, &[local, json]));
        assert!(changes(
            loopback,
            &[local, json, ("origin", "http://localhost:9090")]
        ));
        assert!(changes(
            tcp("[::1]:9090", "[::1]:5000"),
            &[("host", "[::1]:9090"), json]
        ));
        for fields in [
            &[local][..],
            &[json],
            &[local, ("content-type", "text/plain")],
            &[local, ("content-type", "application/x-www-form-urlencoded")],
            &[local, json, json],
            &[local, json, ("origin", "https://localhost:9090")],
            &[local, json, ("origin", "http://localhost:9091")],
            &[local, json, ("origin", "http://evil.example")],
            &[local, json, ("origin", "null")],
            &[("host", "10.0.0.1:9090"), json],
            &[("host", "evil.example"), json],
        ] {
            assert!(!changes(loopback, fields), "{fields:?}");
        }
        assert!(!changes(
            tcp("0.0.0.0:9090", "127.0.0.1:5000"),
            &[local, json]
        ));
        assert!(!changes(
            tcp("127.0.0.1:9090", "192.0.2.1:5000"),
            &[local, json]
        ));
        assert!(changes(Listener::Unix, &[]));
    }
}
