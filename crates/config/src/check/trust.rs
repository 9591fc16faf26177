//! Who is believed about clients, and whether our own URLs can be told.

use ipnet::IpNet;
use whipstitch_proxy::config::Location;

use super::{Config, Finding, mapped};

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let trusted = &config.proxy.trusted;
    mapped("proxy.trusted", trusted, found);
    for (item, network) in trusted.iter().enumerate() {
        if network.prefix_len() == 0 {
            let what = format!(
                "{network} believes every client what it says of itself: its address, and the host and scheme of \
                 its URLs; write the networks that hold your load balancers"
            );
            found.push(Finding::new(["proxy.trusted"], what).at(item).warning());
        }
    }
    balancers(config, found);
    location(config, trusted, found);
    https(config, found);
}

fn balancers(config: &Config, found: &mut Vec<Finding>) {
    let listen = &config.listen;
    let key = "listen.proxy_protocol";
    mapped(key, &listen.proxy_protocol, found);
    for (item, network) in listen.proxy_protocol.iter().enumerate() {
        if network.prefix_len() == 0 {
            let what = format!(
                "{network} lets every client name any address as its own; write the networks that hold your balancers"
            );
            found.push(Finding::new([key], what).at(item).warning());
        }
    }
    if listen.proxy_protocol_optional && listen.proxy_protocol.is_empty() {
        let what = "is not used: no network in listen.proxy_protocol";
        let keys = ["listen.proxy_protocol_optional", key];
        found.push(Finding::new(keys, what).warning());
    }
}

/// What is about `https`, where no client can be known to use it.
fn https(config: &Config, found: &mut Vec<Finding>) {
    let proxy = &config.proxy;
    if !config.listen.https.is_empty() || !proxy.trusted.is_empty() {
        return;
    }
    let nowhere = "and no client is known to use https: set listen.https, or proxy.trusted for a TLS terminator";
    if proxy.https_redirect {
        let what = format!("refuses or redirects every request, {nowhere}");
        let keys = ["proxy.https_redirect", "listen.https", "proxy.trusted"];
        found.push(Finding::new(keys, what).warning());
    }
    if proxy.hsts.is_some() {
        let keys = ["proxy.hsts", "listen.https", "proxy.trusted"];
        found.push(Finding::new(keys, format!("is not sent, {nowhere}")).warning());
    }
}

fn location(config: &Config, trusted: &[IpNet], found: &mut Vec<Finding>) {
    let proxy = &config.proxy;
    let told = proxy.public_url.is_some() || !trusted.is_empty();
    match proxy.location {
        Location::Absolute if !told && config.listen.https.is_empty() => {
            let what = "is \"absolute\", and scheme and host of session URLs are unknown: set proxy.public_url, or \
                        proxy.trusted for a load balancer that sends them, or listen.https";
            let keys = ["proxy.location", "proxy.public_url", "proxy.trusted"];
            found.push(Finding::new(keys, what));
        }
        Location::Path if proxy.public_url.is_some() => {
            let what = "is not used with proxy.location = \"path\"";
            let keys = ["proxy.public_url", "proxy.location"];
            found.push(Finding::new(keys, what).warning());
        }
        Location::Auto | Location::Absolute | Location::Path => {}
    }
}
