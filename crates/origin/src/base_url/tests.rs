use http_body_util::Empty;
use proptest::prelude::*;

use super::*;

fn base(url: &str, prefix: &str) -> BaseUrl {
    let base = BaseUrl::parse(url).unwrap();
    if prefix.is_empty() {
        base
    } else {
        base.without_prefix(prefix).unwrap()
    }
}

#[test]
fn a_base_url_is_scheme_host_port_and_path() {
    for (text, shown, port) in [
        ("http://sm:5080/", "http://sm:5080", 5080),
        ("http://sm", "http://sm", 80),
        ("https://[::1]", "https://[::1]", 443),
        ("https://lb/red5/sm-1/", "https://lb/red5/sm-1", 443),
    ] {
        let base = BaseUrl::parse(text).unwrap();
        assert_eq!((&*base.to_string(), base.port()), (shown, port), "{text}");
    }
    for (text, error) in [
        ("", BaseUrlError::NotAUrl),
        ("sm:5080", BaseUrlError::NotAUrl),
        ("ftp://sm", BaseUrlError::Scheme),
        ("http://a:b@sm", BaseUrlError::UserInfo),
        ("http://sm/?x", BaseUrlError::Query),
        ("http://sm/a?", BaseUrlError::Query),
        ("http://sm/a#b", BaseUrlError::Query),
        ("http://sm//a", PathError::Empty.into()),
        ("http://sm/a//", PathError::Empty.into()),
        ("http://sm/a/../b", PathError::Dots.into()),
        ("http://sm/a%2Fb", PathError::Character('%').into()),
        ("http://sm/a;b", PathError::Character(';').into()),
    ] {
        assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
    }
}

#[test]
fn prefixes_and_hosts_are_checked() {
    let sm = || BaseUrl::parse("https://sm").unwrap();
    for (prefix, error) in [
        ("", PathError::NoSlash),
        ("as/v1", PathError::NoSlash),
        ("/", PathError::Empty),
        ("//as", PathError::Empty),
        ("/as/..", PathError::Dots),
        ("/as?x", PathError::Character('?')),
    ] {
        assert_eq!(sm().without_prefix(prefix), Err(error), "{prefix}");
    }
    for host in ["", "a b", "u@sm", "sm:", "sm:0", "sm:70000", "sm/x"] {
        assert!(sm().asking_for(host).is_err(), "{host}");
    }
    for (host, name) in [
        ("sm.example.com", "sm.example.com"),
        ("sm:8443", "sm"),
        ("[::1]:8443", "::1"),
    ] {
        let sm = sm().asking_for(host).unwrap();
        let verified = sm.verified_name().unwrap().unwrap();
        assert_eq!(verified.to_str(), name);
        let request = sm.get("/x").body(Empty::<bytes::Bytes>::new()).unwrap();
        assert_eq!(request.headers()["host"], host);
        assert_eq!(request.uri(), "https://sm/x");
    }
}

#[test]
fn a_path_of_the_api_becomes_one_of_the_manager() {
    for (url, prefix, asked, uri) in [
        ("http://sm", "", "/a?b=%20", "http://sm/a?b=%20"),
        ("http://sm/x", "", "/a?b", "http://sm/x/a?b"),
        ("http://sm/x/", "", "//a/", "http://sm/x//a/"),
        (
            "http://sm",
            "/as/v1",
            "/as/v1/streams/s",
            "http://sm/streams/s",
        ),
        (
            "http://sm/x",
            "/as/v1",
            "/as/v1/streams",
            "http://sm/x/streams",
        ),
        ("http://sm/x", "/as/v1", "/as/v1?a", "http://sm/x/?a"),
        ("http://sm", "/as/v1", "/as/v1", "http://sm/"),
        ("http://sm", "/as/v1", "/as/v12/s", "http://sm/as/v12/s"),
        ("http://sm", "/as/v1", "/as/%761/s", "http://sm/as/%761/s"),
        ("http://sm", "/as/v1", "/as/v1/as/v1/s", "http://sm/as/v1/s"),
    ] {
        let base = base(url, prefix);
        assert_eq!(base.uri(asked).unwrap(), uri, "{url} {prefix} {asked}");
    }
    let base = base("http://sm", "/as/v1");
    assert_eq!(base.with_prefix("/admin/x"), "/as/v1/admin/x");
    assert_eq!(base.with_prefix("/as/v1/admin/x"), "/as/v1/admin/x");
}

#[test]
fn a_location_of_the_manager_becomes_one_of_ours() {
    let plain = base("http://sm:5080", "");
    let moved = base("http://sm:5080/x", "/as/v1");
    let named = moved.clone().asking_for("sm.example.com").unwrap();
    for (base, location, path) in [
        (&plain, "http://sm:5080/a?b#c", Some("/a?b#c")),
        (&plain, "http://SM:5080", Some("/")),
        (&plain, "http://sm:5080?b", Some("/?b")),
        (&plain, "/a", Some("/a")),
        (&plain, "//sm:5080/a", None),
        (&plain, "a/b", None),
        (&plain, "http://sm:50801/a", None),
        (&plain, "https://sm:5080/a", None),
        (&plain, "http://other/a", None),
        (&moved, "http://sm:5080/x/login", Some("/as/v1/login")),
        (&moved, "/x?b", Some("/as/v1/?b")),
        (&moved, "/xy", None),
        (&moved, "/other", None),
        (&named, "http://sm.example.com/x/a", Some("/as/v1/a")),
        (&moved, "http://sm.example.com/x/a", None),
    ] {
        assert_eq!(base.at_clients(location).as_deref(), path, "{location}");
    }
}

proptest! {
    /// Every target leads to the configured host, and what a client asked for comes back from a
    /// `Location`.
    #[test]
    fn no_target_leads_elsewhere(target in "/[a-z0-9/?=&%.:@\\\\-]{0,40}", path in "(/[a-z]{1,4}){0,2}", prefix in "(/[a-z]{1,2}){1,2}") {
        let base = base(&format!("http://sm:5080{path}"), &prefix);
        if let Ok(uri) = base.uri(&target) {
            prop_assert_eq!(uri.authority().unwrap().as_str(), "sm:5080");
            prop_assert!(uri.path().starts_with(&format!("{path}/")), "{}", uri);
        }
        let asked = format!("{prefix}{target}");
        if let Ok(uri) = base.uri(&asked) {
            let told = base.at_clients(&uri.to_string()).unwrap();
            prop_assert_eq!(told.trim_end_matches('?'), asked.trim_end_matches('?'));
        }
    }
}
