//! Messages about trusted proxies, and about the form of session URLs.

use insta::assert_snapshot;

use super::{Case, RIGHT};

const PLAIN: &str = r#"
    stream_manager.url = "http://127.0.0.1:5080"
    listen.http = ["127.0.0.1:8080"]
"#;

/// What is said of `[proxy]` with these lines.
fn said(listen: &str, lines: &str) -> String {
    let text = Case::file(&format!("{listen}\n[proxy]\n{lines}\n")).printed();
    let of_proxy = text.lines().filter(|line| line.contains("proxy."));
    of_proxy.collect::<Vec<_>>().join("\n")
}

#[test]
fn absolute_urls_need_somebody_who_tells_the_origin() {
    let absolute = r#"location = "absolute""#;
    assert_snapshot!(said(PLAIN, absolute), @r#"whipstitch.toml:6: proxy.location: is "absolute", and scheme and host of session URLs are unknown: set proxy.public_url, or proxy.trusted for a load balancer that sends them, or listen.https"#);
    for more in [
        r#"public_url = "https://live.example.com""#,
        r#"trusted = ["10.0.0.0/8"]"#,
    ] {
        assert_eq!(said(PLAIN, &format!("{absolute}\n{more}")), "");
    }
    assert_eq!(said(RIGHT, absolute), "");
    assert_snapshot!(said(RIGHT, "location = \"path\"\npublic_url = \"https://a.example\""), @r#"warning: whipstitch.toml:8: proxy.public_url: is not used with proxy.location = "path""#);
    assert_snapshot!(said(RIGHT, "location = \"relative\""), @r#"whipstitch.toml:7: proxy.location: "relative" is not "auto", "absolute" or "path""#);
}

#[test]
fn whom_to_believe_is_a_list_of_networks() {
    assert_snapshot!(said(RIGHT, r#"trusted = ["10.0.0.1", "fd00::/8"]"#), @r#"whipstitch.toml:7: proxy.trusted: "10.0.0.1" is not a network, such as "10.0.0.0/8" or "fd00::/8"; for this one address write "10.0.0.1/32""#);
    assert_snapshot!(said(RIGHT, r#"trusted = ["0.0.0.0/0", "fd00::/8"]"#), @"warning: whipstitch.toml:7: proxy.trusted: 0.0.0.0/0 believes every client what it says of itself: its address, and the host and scheme of its URLs; write the networks that hold your load balancers");
    assert_snapshot!(said(RIGHT, r#"trusted = ["::ffff:10.0.0.0/104"]"#), @"whipstitch.toml:7: proxy.trusted: ::ffff:10.0.0.0/104 has no effect; write 10.0.0.0/8");
}

#[test]
fn https_needs_clients_that_use_it() {
    let both = "https_redirect = true\nhsts = \"max-age=60\"";
    let warned = said(PLAIN, both);
    for what in [
        "warning: whipstitch.toml:6: proxy.https_redirect: refuses or redirects every request",
        "warning: whipstitch.toml:7: proxy.hsts: is not sent",
    ] {
        assert!(warned.contains(what), "{warned}");
    }
    assert_eq!(said(RIGHT, both), "");
    let behind = format!("{both}\ntrusted = [\"10.0.0.0/8\"]");
    assert_eq!(said(PLAIN, &behind), "");
    for (value, why) in [
        ("\"includeSubDomains\"", "max-age is missing"),
        ("60", "60 is not a value of Strict-Transport-Security"),
    ] {
        let refused = said(RIGHT, &format!("hsts = {value}"));
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn who_may_name_a_client_is_a_list_of_networks_too() {
    for (listen, what) in [
        (
            r#"proxy_protocol = ["::/0"]"#,
            "warning: whipstitch.toml:2: listen.proxy_protocol: ::/0 lets every client name any address",
        ),
        (
            r#"proxy_protocol = ["::ffff:10.0.0.0/104"]"#,
            "listen.proxy_protocol: ::ffff:10.0.0.0/104 has no effect; write 10.0.0.0/8",
        ),
        (
            "proxy_protocol_optional = true",
            "warning: whipstitch.toml:2: listen.proxy_protocol_optional: is not used",
        ),
    ] {
        let file = format!("listen.{listen}\n{}", RIGHT.trim_start());
        let file = format!("\n{file}");
        let printed = Case::file(&file).printed();
        assert!(printed.contains(what), "{printed}");
    }
}
