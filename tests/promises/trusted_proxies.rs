//! Trusted proxies in front, which name their clients, and clients that only pretend to be one.

use http::Request;
use whipstitch::config::Config;
use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_proxy::config::Location;
use whipstitch_tests::{Client, Deployment, Proxy, Reply, http::path_of};

/// A proxy that trusts loopback, where all clients of a test are.
fn trusting(deployment: &Deployment, change: impl FnOnce(&mut Config)) -> Proxy {
    let mut config = deployment.config();
    config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    change(&mut config);
    deployment.proxy_with(config)
}

/// A publisher's POST with these header lines.
async fn publish(client: &Client, stream: &str, lines: &[(&str, &str)]) -> Reply {
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let mut request = Request::post(format!("/live/whip/endpoint/{stream}"))
        .header("content-type", "application/sdp");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    client.send(request.body(offer).unwrap()).await
}

/// What the node received in the last request's header of this name.
fn received(deployment: &Deployment, name: &str) -> String {
    let requests = deployment.cluster.seen().requests();
    let mut of_nodes = requests
        .iter()
        .filter(|request| matches!(request.server, Server::Node(_)));
    let last = of_nodes.next_back().unwrap();
    let value = last.headers.get(name);
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_names_client_scheme_and_host() {
    let deployment = Deployment::start().await;
    let proxy = trusting(&deployment, |_| {});
    let lines = [
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "live.example.com"),
    ];
    let created = publish(&proxy.plain, "s1", &lines).await;
    assert_eq!(created.status, 201);
    let location = created.header("location");
    assert!(
        location.starts_with("https://live.example.com/live/whip/resource/s1/"),
        "{location}"
    );
    assert_eq!(
        received(&deployment, "x-forwarded-for"),
        "192.0.2.7, 127.0.0.1"
    );
    assert_eq!(received(&deployment, "x-forwarded-proto"), "https");
    assert_eq!(
        received(&deployment, "x-forwarded-host"),
        "live.example.com"
    );
    let session = path_of(location);
    assert_eq!(proxy.plain.bare("DELETE", &session).await.status, 200);

    let standard = [(
        "forwarded",
        "for=192.0.2.7;proto=https;host=live.example.com",
    )];
    let created = publish(&proxy.plain, "s1", &standard).await;
    let location = created.header("location");
    assert!(
        location.starts_with("https://live.example.com/"),
        "{location}"
    );
    assert_eq!(
        received(&deployment, "forwarded"),
        "",
        "the address is sent in one form only"
    );
    assert_eq!(
        received(&deployment, "x-forwarded-for"),
        "192.0.2.7, 127.0.0.1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_trusted_proxy_are_distinguished() {
    let deployment = Deployment::start().await;
    let proxy = trusting(&deployment, |_| {});
    let mine = [("x-forwarded-for", "192.0.2.7")];
    assert_eq!(publish(&proxy.plain, "s1", &mine).await.status, 201);
    let end = |from: &str| {
        let request = Request::delete("/live/whip/resource/s1").header("x-forwarded-for", from);
        proxy.plain.send(request.body("").unwrap())
    };
    assert_eq!(end("192.0.2.8").await.status, 404, "another client's");
    assert_eq!(end("unknown").await.status, 404, "an unknown client");
    // Addresses that the client invents before its own change nothing.
    assert_eq!(end("192.0.2.8, 192.0.2.7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_of_untrusted_peers_are_ignored() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.trusted = vec!["192.0.2.0/24".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let lines = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=192.0.2.7;proto=https;host=evil.example"),
    ];
    let created = publish(&proxy.plain, "s1", &lines).await;
    let location = created.header("location");
    assert!(
        location.starts_with("/live/whip/resource/s1/"),
        "{location}"
    );
    assert_eq!(received(&deployment, "x-forwarded-for"), "127.0.0.1");
    assert_eq!(received(&deployment, "x-forwarded-proto"), "http");
    assert!(received(&deployment, "x-forwarded-host").starts_with("localhost"));
    assert_eq!(received(&deployment, "forwarded"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_host_has_to_be_one_that_is_served() {
    let deployment = Deployment::start().await;
    let proxy = trusting(&deployment, |config| {
        config.proxy.hosts = vec!["live.example.com".into()];
    });
    let proto = ("x-forwarded-proto", "https");
    let inner = ("host", "whipstitch.internal");
    let headers = [inner, proto, ("x-forwarded-host", "live.example.com")];
    let created = publish(&proxy.plain, "s1", &headers).await;
    let location = created.header("location");
    assert!(
        location.starts_with("https://live.example.com/"),
        "{location}"
    );
    let session = path_of(location);
    let end = Request::delete(&session).header("host", "live.example.com");
    assert_eq!(proxy.plain.send(end.body("").unwrap()).await.status, 200);

    let evil = ("x-forwarded-host", "evil.example");
    let ours = ("host", "live.example.com");
    let created = publish(&proxy.plain, "s1", &[ours, proto, evil]).await;
    let location = created.header("location");
    assert!(
        location.starts_with("https://live.example.com/"),
        "{location}"
    );
    let refused = publish(&proxy.plain, "s2", &[inner, proto, evil]).await;
    assert_eq!(refused.problem(), "host-not-served");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_location_can_be_set() {
    let deployment = Deployment::start().await;
    for (location, public_url, plain, tls) in [
        (Location::Auto, None, "/live/", "https://localhost:"),
        (
            Location::Absolute,
            None,
            "http://localhost:",
            "https://localhost:",
        ),
        (Location::Path, None, "/live/", "/live/"),
        (
            Location::Auto,
            Some("https://l.example"),
            "https://l.example/live/",
            "https://l.example/live/",
        ),
        (
            Location::Path,
            Some("https://l.example"),
            "/live/",
            "/live/",
        ),
    ] {
        let mut config = deployment.config();
        config.proxy.location = location;
        config.proxy.public_url = public_url.map(str::to_owned);
        let proxy = deployment.proxy_with(config);
        for (client, expected) in [(&proxy.plain, plain), (&proxy.h1, tls), (&proxy.h2, tls)] {
            let created = publish(client, "s1", &[]).await;
            assert_eq!(created.status, 201);
            let given = created.header("location");
            assert!(
                given.starts_with(expected),
                "{location:?} {public_url:?}: {given}"
            );
            let session = path_of(given);
            assert!(!session.contains('?'), "all of it is in the path: {given}");
            plays_on(&deployment, client, expected).await;
            assert_eq!(client.bare("DELETE", &session).await.status, 200);
        }
        proxy.drain().await;
    }
}

/// A player's session is found by a URL without its `requestId`, which identifies it at the node.
async fn plays_on(deployment: &Deployment, client: &Client, expected: &str) {
    let endpoint = "/live/whep/endpoint/s1?requestId=subscriber-1b31&signal=true";
    let created = client.bare("POST", endpoint).await;
    assert_eq!(created.status, 201);
    let given = created.header("location");
    assert!(given.starts_with(expected), "{given}");
    assert!(!given.contains("subscriber"), "{given}");
    assert_eq!(client.bare("DELETE", &path_of(given)).await.status, 200);
    let requests = deployment.cluster.seen().requests();
    let target = &requests.last().unwrap().target;
    assert_eq!(target, "/live/whep/resource/s1?requestId=subscriber-1b31");
}
