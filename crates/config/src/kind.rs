//! The kinds of values a key can hold: what is allowed, in words, and how a flag's text becomes a
//! value.

use std::net::IpAddr;

use toml::Value;
use whipstitch_auth::Rule;
use whipstitch_origin::Mapping;
use whipstitch_proxy::config::Hsts;
use whipstitch_signaling::{ice::IceUrl, web_origin::WebOrigin};

/// What a key holds. serde decides whether a value is right; a kind says in words what would have
/// been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scheme and authority.
    Url,
    /// The same with a path, which may be left out.
    BaseUrl,
    /// Any text.
    Text,
    /// A time span of hours or less.
    Duration,
    /// A time span that may be given in days.
    Lifetime,
    /// How many, from 1 on.
    Count,
    /// A size in bytes, from 1 on.
    Bytes,
    /// A TCP port.
    Port,
    /// On or off.
    Switch,
    /// One socket address.
    Address,
    /// Socket addresses.
    Addresses,
    /// IP networks.
    Networks,
    /// Host names.
    Names,
    /// Origins of web pages.
    Origins,
    /// Names of nodes, and ends of such names.
    NodeNames,
    /// Public addresses with the private ones that belong to them.
    Mappings,
    /// URLs of ICE servers.
    IceServers,
    /// Entries of `auth.rules`.
    Rules,
    /// The name of a file.
    Path,
    /// A [`whipstitch_proxy::config::Location`].
    Location,
    /// A [`whipstitch_proxy::config::Bearer`].
    Bearer,
    /// A [`whipstitch_proxy::config::Forwarding`].
    Forwarding,
    /// A [`whipstitch_proxy::config::Hsts`].
    Hsts,
    /// A [`super::LogFormat`].
    Format,
    /// A [`whipstitch_signaling::Api`].
    Api,
    /// A [`whipstitch_proxy::config::NotLiveStatus`].
    NotLive,
    /// The URL of a collector of spans.
    Collector,
    /// A [`whipstitch_proxy::trace::Ratio`].
    Ratio,
    /// A [`whipstitch_proxy::trace::Parents`].
    Parents,
    /// A [`whipstitch_origin::ByNetwork`].
    ByNetwork,
}

impl Kind {
    /// The name of the type in the reference.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Url | Self::BaseUrl | Self::Collector => "URL",
            Self::Text | Self::Hsts => "text",
            Self::Duration | Self::Lifetime => "duration",
            Self::Count | Self::Ratio => "number",
            Self::Bytes => "bytes",
            Self::Port => "port",
            Self::Switch => "true or false",
            Self::Address => "address",
            Self::Addresses => "addresses",
            Self::Networks => "networks",
            Self::Names | Self::NodeNames => "names",
            Self::Origins => "origins",
            Self::Mappings => "pairs of addresses",
            Self::IceServers => "URLs",
            Self::Rules => "rules",
            Self::Path => "file",
            Self::Location => "`auto`, `absolute` or `path`",
            Self::Bearer => "`pass` or `query`",
            Self::Forwarding => "`refuse` or `nodes`",
            Self::Format => "`auto`, `text` or `json`",
            Self::Api => "`1` or `2`",
            Self::NotLive => "`409` or `404`",
            Self::Parents => "`forwarders`, `anyone` or `nobody`",
            Self::ByNetwork => "`auto`, `off` or prefix lengths",
        }
    }

    /// What one value of this kind has to be, to follow "is not".
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Url | Self::BaseUrl => r#"a URL such as "http://127.0.0.1:5080""#,
            Self::Text => r#"text in quotes, such as "info""#,
            Self::Duration => {
                r#"a duration: a number and its unit, such as "500ms", "10s", "5m" or "2h""#
            }
            Self::Lifetime => r#"a duration: a number and its unit, such as "30m", "12h" or "7d""#,
            Self::Count => "a whole number from 1 on, without quotes",
            Self::Bytes => "a number of bytes, whole and without quotes, such as 65536",
            Self::Port => "a port: a whole number from 1 to 65535, without quotes",
            Self::Switch => "true or false, without quotes",
            Self::Address | Self::Addresses => {
                r#"an IP address with a port, such as "0.0.0.0:8443" or "[::]:8443""#
            }
            Self::Networks => r#"a network, such as "10.0.0.0/8" or "fd00::/8""#,
            Self::Names => r#"a host name in quotes, such as "live.example.com""#,
            Self::Origins => {
                r#"an origin as browsers write it, such as "https://app.example.com" or "null""#
            }
            Self::NodeNames => {
                r#"a host name, or with a dot in front the end of host names, such as ".nodes.example.com""#
            }
            Self::Mappings => {
                r#"a public and a private address, such as "203.0.113.7=10.0.0.7" or "198.51.100.0/24=10.1.2.0/24""#
            }
            Self::IceServers => {
                r#"the URL of an ICE server, such as "stun:stun.example.com" or "turn:turn.example.com:3478?transport=udp""#
            }
            Self::Rules => {
                r#"a rule: role, pattern of scopes and method, such as "publish live/** jwt""#
            }
            Self::Path => r#"the name of a file in quotes, such as "/etc/whipstitch/tls.crt""#,
            Self::Location => r#""auto", "absolute" or "path""#,
            Self::Bearer => r#""pass" or "query""#,
            Self::Forwarding => r#""refuse" or "nodes""#,
            Self::Hsts => r#"a value of Strict-Transport-Security, such as "max-age=31536000""#,
            Self::Format => r#""auto", "text" or "json""#,
            Self::NotLive => "409 or 404, without quotes",
            Self::Collector => r#"a URL such as "http://127.0.0.1:4318""#,
            Self::Ratio => "a number from 0 to 1, without quotes, such as 0.1",
            Self::Parents => r#""forwarders", "anyone" or "nobody""#,
            Self::ByNetwork => {
                r#""auto", "off", or the prefix lengths of an IPv4 network (1 to 32) and an IPv6 network (1 to 128), such as "16/32""#
            }
            Self::Api => r#""1" for Stream Manager 1.x or "2" for Stream Manager 2.0, in quotes"#,
        }
    }

    /// Whether the key takes a list.
    pub(super) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Addresses
                | Self::Networks
                | Self::Names
                | Self::Origins
                | Self::NodeNames
                | Self::Mappings
                | Self::IceServers
                | Self::Rules
        )
    }

    /// The value that a flag or an environment variable means: lists are separated by commas. Text
    /// that does not fit stays text, to be refused with the same words as in a file.
    pub(super) fn value_of(self, text: &str) -> Value {
        let text = text.trim();
        let as_text = || Value::String(text.to_owned());
        match self {
            list if list.is_list() => Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            ),
            Self::Count | Self::Bytes | Self::Port | Self::NotLive => {
                text.parse().map_or_else(|_| as_text(), Value::Integer)
            }
            Self::Ratio => text.parse().map_or_else(|_| as_text(), Value::Float),
            Self::Switch => text.parse().map_or_else(|_| as_text(), Value::Boolean),
            Self::Url
            | Self::BaseUrl
            | Self::Text
            | Self::Duration
            | Self::Lifetime
            | Self::Address
            | Self::Path
            | Self::Location
            | Self::Bearer
            | Self::Forwarding
            | Self::Hsts
            | Self::Format
            | Self::Api
            | Self::Collector
            | Self::Parents
            | Self::ByNetwork
            // Lists, which are above.
            | Self::Addresses
            | Self::Networks
            | Self::Names
            | Self::Origins
            | Self::NodeNames
            | Self::Mappings
            | Self::IceServers
            | Self::Rules => as_text(),
        }
    }

    /// What is probably missing from a value that was refused.
    pub(super) fn hint(self, refused: &Value) -> Option<String> {
        match (self, refused) {
            (Self::Address | Self::Addresses, Value::String(text)) => address_hint(text),
            (Self::Mappings, Value::String(text)) => {
                text.parse::<Mapping>().err().map(|error| error.to_string())
            }
            (Self::Origins, Value::String(text)) => {
                text.parse::<WebOrigin>().err().map(|error| error.to_string())
            }
            (Self::IceServers, Value::String(text)) => {
                text.parse::<IceUrl>().err().map(|error| error.to_string())
            }
            (Self::Rules, Value::String(text)) => {
                let error = text.parse::<Rule>().err()?;
                Some(format!("it {error}"))
            }
            (Self::Hsts, Value::String(text)) => {
                text.parse::<Hsts>().err().map(|error| error.to_string())
            }
            (Self::Api, Value::String(text)) if text.starts_with(['1', '2']) => {
                Some("write the first digit alone".to_owned())
            }
            (Self::Api, Value::String(text)) if text.contains('.') => Some(
                "the version of its REST API, such as \"4.0\", belongs into stream_manager.api_version"
                    .to_owned(),
            ),
            (Self::NodeNames, Value::String(text)) if text.contains('*') => {
                Some("there are no wildcards: write a dot in front".to_owned())
            }
            (Self::Networks, Value::String(text)) => {
                let address: IpAddr = text.parse().ok()?;
                let whole = if address.is_ipv4() { 32 } else { 128 };
                Some(format!("for this one address write \"{address}/{whole}\""))
            }
            (Self::Duration, Value::String(text)) if text.ends_with(['d', 'w']) => {
                Some("days are not understood here: write hours".to_owned())
            }
            (Self::Duration | Self::Lifetime, Value::String(text)) if is_digits(text) => {
                Some(format!("add the unit, as in \"{text}s\""))
            }
            (Self::Duration | Self::Lifetime, Value::Integer(number)) => {
                Some(format!("add the unit, as in \"{number}s\""))
            }
            _ => None,
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn address_hint(text: &str) -> Option<String> {
    if text.contains("://") {
        return Some("write the address alone, without a scheme".to_owned());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = if address.is_ipv6() {
            format!("[{address}]")
        } else {
            address.to_string()
        };
        return Some(format!("the port is missing, as in \"{host}:8443\""));
    }
    if is_digits(text) {
        return Some(format!("the address is missing, as in \"0.0.0.0:{text}\""));
    }
    let (host, port) = text.rsplit_once(':')?;
    if !is_digits(port) {
        return None;
    }
    if port.parse::<u16>().is_err() {
        return Some("ports end at 65535".to_owned());
    }
    if host.is_empty() || host == "*" {
        return Some(format!(
            "for every address write \"0.0.0.0:{port}\" or \"[::]:{port}\""
        ));
    }
    if host.contains(':') {
        return Some("an IPv6 address stands in brackets".to_owned());
    }
    Some("names are not looked up here: write the IP address".to_owned())
}
