//! Forged tokens and handles: they lead to no node, and the answer does not reveal the reason.

use std::{fs, time::Duration};

use http::Request;
use whipstitch::config::Config;
use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment,
    http::path_of,
    sdk::{Release, Sdk},
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const OTHER_KEY: &str = "HxweHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=\n";

fn with_key(deployment: &Deployment, key: &str) -> Config {
    let path = deployment.certificate.file("session.key");
    fs::write(&path, key).unwrap();
    let mut config = deployment.config();
    config.sessions.key_file = Some(path);
    config
}

async fn publish(client: &Client) -> String {
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = client.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(created.header("location"))
}

/// How many session requests reached a node.
fn reached(deployment: &Deployment) -> usize {
    let seen = deployment.cluster.seen().requests().into_iter();
    seen.filter(|request| request.server != Server::Manager && request.method != "POST")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_token_is_a_404_and_reaches_no_node() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(with_key(&deployment, KEY));
    let session = publish(&proxy.plain).await;
    let (before, token) = session.rsplit_once('/').unwrap();
    let mut forged: Vec<String> = Vec::new();
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "Q" } else { "A" };
        let mut altered = token.to_owned();
        altered.replace_range(at..=at, other);
        forged.push(format!("{before}/{altered}"));
        forged.push(format!("{before}/{}", &token[..at]));
    }
    // Cut off completely it is no token, and means the one session of this client.
    forged.retain(|url| url.len() > before.len() + 1);
    forged.extend([
        format!("{before}/{token}A"),
        format!("{before}/{}", "A".repeat(4000)),
        session.replace("/s1/", "/s2/"),
        session.replace("/live/", "/live/room/"),
        session.replace("/whip/", "/whep/"),
    ]);
    let mut kept = proxy.plain.keep().await;
    for url in &forged {
        let delete = Request::delete(url).body("").unwrap();
        let refused = kept.send(delete).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (404, "unknown-session")
        );
        assert!(refused.text().len() < 300, "the reason is not revealed");
    }

    // Unaltered, but too old, or at a proxy with another key.
    let mut config = with_key(&deployment, KEY);
    config.sessions.lifetime = Duration::from_millis(1);
    let late = deployment.proxy_with(config);
    let stranger = deployment.proxy_with(with_key(&deployment, OTHER_KEY));
    for proxy in [&late, &stranger] {
        let refused = proxy.h1.bare("DELETE", &session).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (404, "unknown-session")
        );
    }
    assert_eq!(reached(&deployment), 0);
    assert_eq!(proxy.plain.bare("DELETE", &session).await.status, 200);
    assert_eq!(reached(&deployment), 1);
}

/// The replica that answered the `OPTIONS` has another key file, or has restarted since.
#[tokio::test(flavor = "multi_thread")]
async fn a_handle_of_another_key_is_ignored_without_an_error() {
    let deployment = Deployment::start().await;
    let (before, after) = (deployment.proxy(), deployment.proxy());
    let mut sdk = Sdk::publisher(&before.h1, Release::V15, "s1", "");
    sdk.options().await;
    let foreign = sdk.host.take().unwrap();

    let publisher = Publisher::new().await.unwrap();
    let mut sdk = Sdk::publisher(&after.h1, Release::V15, "s1", "");
    sdk.host = Some(foreign.clone());
    let created = sdk.post(&publisher.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let seen = deployment.cluster.seen().requests();
    assert!(seen.iter().all(|request| !request.target.contains("host=")));

    // Without a token the request means the client's own session, as without a handle.
    let own = format!("/live/whip/resource/s1?host={foreign}");
    assert_eq!(after.h1.bare("DELETE", &own).await.status, 200);

    // An invented or altered handle is still an error, and an address still goes to the gate.
    let options = after.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await;
    let handle = options.header("session-host");
    let altered = handle.replacen(&handle[20..21], "~", 1);
    let end = if handle.ends_with('A') { "Q" } else { "A" };
    let flipped = format!("{}{end}", &handle[..handle.len() - 1]);
    for (host, status) in [
        (&*altered, 400),
        (&flipped, 400),
        (&handle[..handle.len() - 4], 400),
        ("made-up", 400),
        ("169.254.169.254", 403),
    ] {
        let target = format!("/live/whip/endpoint/s1?host={host}");
        for method in ["OPTIONS", "POST"] {
            let refused = after.h1.sdp(method, &target, "v=0").await;
            assert_eq!(refused.status, status, "{method} {host}");
        }
    }
}
