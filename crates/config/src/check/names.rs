//! URLs and host names: what they may hold. No message repeats a URL, since one may hold a
//! password.

use http::uri::Authority;
use whipstitch_origin::{BaseUrl, BaseUrlError};
use whipstitch_proxy::config::Forwarding;
use whipstitch_signaling::{Api, stream::check_node_group};

use super::{Config, Finding, manager};

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    match &config.stream_manager.url {
        None => found.push(Finding::new(
            ["stream_manager.url"],
            "is missing: the base URL of the Stream Manager, such as \"http://127.0.0.1:5080\" (--stream-manager, \
             WHIPSTITCH_STREAM_MANAGER)",
        )),
        Some(url) => url_of("stream_manager.url", url, found, |path| {
            // Scheme and authority are judged apart, so that each mistake is told.
            match BaseUrl::parse(&format!("http://h{path}")) {
                Err(BaseUrlError::NotAUrl) => Some("has a path with a character that no URL may have".to_owned()),
                judged => judged.err().map(|error| error.to_string()),
            }
        }),
    }
    if let Some(url) = &config.proxy.public_url {
        url_of("proxy.public_url", url, found, |path| {
            let what = "has to end after the host and port: no path, no query";
            (!path.is_empty()).then(|| what.to_owned())
        });
    }
    manager::check(config, found);
    let version = &config.stream_manager.api_version;
    if version.is_empty()
        || !version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    {
        let what = "is not a version such as \"4.0\"";
        found.push(Finding::new(["stream_manager.api_version"], what));
    }
    if let Err(error) = check_node_group(&config.stream_manager.node_group) {
        let what = format!("is not a node group such as \"default\": {error}");
        found.push(Finding::new(["stream_manager.node_group"], what));
    }
    if config.stream_manager.api == Api::V1 && config.proxy.forward != Forwarding::Refuse {
        let what = "is not used with stream_manager.api = \"1\": only Stream Manager 2.0 has a forward proxy";
        found.push(Finding::new(["proxy.forward", "stream_manager.api"], what).warning());
    }
    for (key, names) in [
        ("proxy.hosts", &config.proxy.hosts),
        ("admin.hosts", &config.admin.hosts),
    ] {
        for (item, name) in names.iter().enumerate() {
            if let Some(what) = host_name(name) {
                found.push(Finding::new([key], what).at(item));
            }
        }
    }
}

/// `scheme://authority`, and behind it what `judge` lets pass, with every mistake of its own.
fn url_of(
    key: &'static str,
    url: &str,
    found: &mut Vec<Finding>,
    judge: impl FnOnce(&str) -> Option<String>,
) {
    let mut wrong = |what: &str| found.push(Finding::new([key], what));
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("has to start with http:// or https://");
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        wrong("has to start with http:// or https://");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some(what) = judge(path) {
        wrong(&what);
    }
    if authority.contains('@') {
        wrong("must not hold a user name or password");
    } else if !has_good_port(authority) {
        wrong("has no valid host and port after the scheme");
    }
}

/// `http` takes any text for a port until it is asked for.
fn has_good_port(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let bare = authority.as_str() == authority.host();
    !authority.host().is_empty() && (bare || authority.port_u16().is_some_and(|port| port != 0))
}

/// What is wrong with an entry of `proxy.hosts` or `admin.hosts`.
fn host_name(name: &str) -> Option<String> {
    if name.contains("://") {
        return Some(format!("{name:?} has a scheme; write the host name alone"));
    }
    if name.contains('*') {
        return Some(format!(
            "{name:?}: there are no wildcards; write each name in full"
        ));
    }
    let Ok(authority) = name.parse::<Authority>() else {
        return Some(format!("{name:?} is not a host name"));
    };
    if authority.as_str() == authority.host() && !name.is_empty() {
        return None;
    }
    Some(format!(
        "{name:?} is more than a host name; write it without a port"
    ))
}
