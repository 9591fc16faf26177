//! `[auth]`: who may publish and play is decided before the manager or a node is asked, a session
//! stays its owner's, and neither of them gets the token.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{Request, header::AUTHORIZATION};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use whipstitch::config::Config;
use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment, Proxy,
    http::{Reply, path_of},
    websocket::{Dialogue, raw},
};

const SECRET: &str = "a secret of thirty-two bytes or more";
const SDP: &str = "application/sdp";

/// Who makes tokens, with the key in a file.
pub(crate) struct Issuer(TempDir);

impl Issuer {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("jwt.key"), SECRET).unwrap();
        Self(folder)
    }

    /// The configuration with these rules.
    pub(crate) fn config(&self, deployment: &Deployment, rules: &[&str]) -> Config {
        let mut config = deployment.config();
        config.auth.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        config.auth.key_file = Some(self.0.path().join("jwt.key"));
        config
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A token with these claims, good for a minute unless they say otherwise.
pub(crate) fn token(claims: Value) -> String {
    let mut claims = claims;
    if claims.get("exp").is_none() {
        claims["exp"] = json!(now() + 60);
    }
    let key = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    encode(&Header::default(), &claims, &key).unwrap()
}

/// A request with an offer or another body, and a bearer token unless that is empty.
pub(crate) async fn ask(
    client: &Client,
    (method, target): (&str, &str),
    bearer: &str,
    body: &str,
) -> Reply {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("origin", "https://app.example.com");
    if !bearer.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
    }
    if matches!(method, "POST" | "PATCH") {
        request = request.header("content-type", SDP);
    }
    client.send(request.body(body.to_owned()).unwrap()).await
}

async fn offer() -> String {
    Publisher::new().await.unwrap().offer().await.unwrap()
}

/// Everything that manager and nodes were sent.
fn behind(deployment: &Deployment) -> Vec<String> {
    let seen = deployment.cluster.seen().requests();
    seen.iter().map(|request| format!("{request:?}")).collect()
}

async fn start(rules: &[&str]) -> (Deployment, Proxy, Issuer) {
    let (deployment, issuer) = (Deployment::start().await, Issuer::new());
    let proxy = deployment.proxy_with(issuer.config(&deployment, rules));
    (deployment, proxy, issuer)
}

const BOTH: &[&str] = &["publish ** jwt", "play ** jwt"];

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_opens_the_door_in_header_or_query_and_goes_no_further() {
    let (deployment, proxy, issuer) = start(BOTH).await;
    let (offer, good) = (offer().await, token(json!({"sub": "alice"})));
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        let endpoint = "/live/whip/endpoint/s1?mode=live";
        let made = ask(client, ("POST", endpoint), &good, &offer).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let in_query = format!("/live/whep/endpoint/s1?token={good}&requestId=a");
        let played = ask(client, ("POST", &in_query), "", "").await;
        assert_eq!(played.status, 201, "{}", played.text());
        let session = path_of(made.header("location"));
        assert_eq!(
            ask(client, ("DELETE", &session), &good, "").await.status,
            200
        );
    }
    let all = behind(&deployment);
    assert!(
        !all.is_empty() && all.iter().all(|one| !one.contains(&good)),
        "{all:#?}"
    );
    assert!(
        all.iter()
            .any(|one| one.contains("/live/whep/endpoint/s1?requestId=a"))
    );

    let mut config = issuer.config(&deployment, BOTH);
    config.auth.pass_token = true;
    let proxy = deployment.proxy_with(config);
    deployment.cluster.seen().clear();
    let made = ask(&proxy.h1, ("POST", "/live/whip/endpoint/s2"), &good, &offer).await;
    assert_eq!(made.status, 201);
    let passed = |one: &String| one.contains(&format!("Bearer {good}"));
    assert!(behind(&deployment).iter().any(passed), "the node gets it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why_as_a_problem_that_pages_can_read() {
    let (deployment, proxy, _issuer) = start(&["publish live/** jwt", "play live/** open"]).await;
    deployment.cluster.seen().clear();
    let challenge = |error: &str| match error {
        "" => r#"Bearer realm="whipstitch""#.to_owned(),
        error => format!(r#"Bearer realm="whipstitch", error="{error}""#),
    };
    let other = EncodingKey::from_secret(&[7; 32]).unwrap();
    let forged = encode(&Header::default(), &json!({"exp": now() + 60}), &other).unwrap();
    // `{"alg":"none"}` and `{}`
    let unsigned = "eyJhbGciOiJub25lIn0.e30.";
    let s1 = "/live/whip/endpoint/s1";
    let elsewhere = "/other/whip/endpoint/s1";
    let good = token(json!({}));
    let twice = format!("{s1}?token={}", token(json!({"sub": "x"})));
    for (target, bearer, status, problem, error) in [
        (s1, String::new(), 401, "token-missing", ""),
        (
            s1,
            "undefined".to_owned(),
            401,
            "token-invalid",
            "invalid_token",
        ),
        (
            s1,
            unsigned.to_owned(),
            401,
            "token-invalid",
            "invalid_token",
        ),
        (s1, forged, 401, "token-invalid", "invalid_token"),
        (
            s1,
            token(json!({"exp": now() - 60})),
            401,
            "token-invalid",
            "invalid_token",
        ),
        (
            s1,
            token(json!({"nbf": now() + 60})),
            401,
            "token-invalid",
            "invalid_token",
        ),
        (
            s1,
            token(json!({"x": "x".repeat(40_000)})),
            401,
            "token-invalid",
            "invalid_token",
        ),
        (
            &twice,
            good.clone(),
            401,
            "token-invalid",
            "invalid_request",
        ),
        (
            s1,
            token(json!({"role": "play"})),
            403,
            "not-permitted",
            "insufficient_scope",
        ),
        (
            s1,
            token(json!({"stream": "live/s2"})),
            403,
            "not-permitted",
            "insufficient_scope",
        ),
        (elsewhere, good, 403, "not-permitted", "insufficient_scope"),
    ] {
        let refused = ask(&proxy.h1, ("POST", target), &bearer, "v=0").await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (status, problem),
            "{bearer}"
        );
        assert_eq!(refused.header("www-authenticate"), challenge(error));
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert!(
            refused
                .header("access-control-expose-headers")
                .contains("WWW-Authenticate")
        );
    }
    assert!(
        behind(&deployment).is_empty(),
        "neither manager nor node is asked for a client that is refused"
    );
    // Longer than any header may be.
    let huge = ask(&proxy.h1, ("POST", s1), &"x".repeat(65_536), "v=0").await;
    assert_eq!(huge.status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_tokens_reaches_neither_manager_nor_node() {
    let (deployment, proxy, _issuer) = start(BOTH).await;
    deployment.cluster.seen().clear();
    let mut kept = proxy.h1.keep().await;
    for number in 0..500 {
        let request = Request::post(format!("/live/whip/endpoint/made-up-{number}"))
            .header("content-type", SDP)
            .header(
                AUTHORIZATION,
                format!("Bearer eyJhbGciOiJIUzI1NiJ9.e30.{number:043}"),
            );
        let refused = kept.send(request.body("v=0".to_owned()).unwrap()).await;
        assert_eq!(refused.status, 401);
    }
    assert_eq!(behind(&deployment), Vec::<String>::new());
    assert!(
        proxy
            .metric(r#"whipstitch_auth_total{outcome="invalid"}"#)
            .await
            >= 500.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_its_owners() {
    let (_deployment, proxy, _issuer) = start(BOTH).await;
    let (alice, bob) = (token(json!({"sub": "alice"})), token(json!({"sub": "bob"})));
    let old = token(json!({"sub": "alice", "exp": now() - 7200}));
    let offer = offer().await;
    let make = async || {
        let made = ask(
            &proxy.h1,
            ("POST", "/live/whip/endpoint/s1"),
            &alice,
            &offer,
        )
        .await;
        assert_eq!(made.status, 201, "{}", made.text());
        path_of(made.header("location"))
    };
    let session = make().await;
    for (method, body) in [("PATCH", "v=0"), ("DELETE", "")] {
        let refused = ask(&proxy.h1, (method, &session), &bob, body).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (403, "not-permitted")
        );
        let refused = ask(&proxy.h1, (method, &session), "undefined", body).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (401, "token-invalid")
        );
    }
    // A URL that can be guessed needs the token.
    let bare = "/live/whip/resource/s1";
    let refused = ask(&proxy.h1, ("DELETE", bare), "", "").await;
    assert_eq!(refused.problem(), "token-missing");
    // OBS ends its session with the token that it began with, however old that is by now.
    assert_eq!(
        ask(&proxy.h1, ("DELETE", &session), &old, "").await.status,
        200
    );
    // Pages of Red5's SDK send none: the sealed URL is the right.
    let session = make().await;
    assert_eq!(
        ask(&proxy.h1, ("DELETE", &session), "", "").await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_open_and_an_explicit_options_is_not() {
    let (_deployment, proxy, _issuer) = start(BOTH).await;
    let target = "/live/whep/endpoint/s1";
    let preflight = Request::options(target)
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST");
    let answer = proxy.h1.send(preflight.body(String::new()).unwrap()).await;
    assert!(answer.status.is_success(), "{}", answer.status);
    // Its answer lists ICE servers, with credentials.
    let refused = ask(&proxy.h1, ("OPTIONS", target), "", "").await;
    assert_eq!(refused.problem(), "token-missing");
    assert_eq!(refused.header("link"), "");
    let publish = token(json!({"role": "publish"}));
    let refused = ask(&proxy.h1, ("OPTIONS", target), &publish, "").await;
    assert_eq!(refused.problem(), "not-permitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_held_to_its_token_by_what_it_says() {
    let (deployment, proxy, _issuer) = start(&["publish ** jwt", "play ** open"]).await;
    let host = deployment.cluster.nodes()[0].ip();
    let open = |id: &str, rest: &str| format!("/streammanager/?id={id}&host={host}&app=live{rest}");
    let (refused, _) = raw(&proxy.h1, &open("s1", ""), "").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let of_another = format!("&token={}", token(json!({"stream": "live/s2"})));
    let (refused, _) = raw(&proxy.h1, &open("s1", &of_another), "").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");

    // RTCPublisher, with `token` among its connection parameters.
    let good = token(json!({"role": "publish", "stream": "live/s1"}));
    let target = open("s1", &format!("&token={good}&mode=live"));
    let mut publisher = Dialogue::open(&proxy.h1, &target).await.unwrap();
    publisher.receive().await;
    let offer = offer().await;
    let message = |name: &str| json!({"handleOffer": name, "transport": "udp", "data": {"sdp": {"type": "offer", "sdp": offer}}});
    publisher.send(message("s1")).await;
    publisher
        .receive_until(|frame| frame.to_string().contains("answer"))
        .await;
    let nodes = deployment.cluster.seen().requests();
    let upgrade = nodes
        .iter()
        .find(|one| matches!(one.server, Server::Node(_)));
    assert!(!upgrade.unwrap().target.contains("token="));

    // A player that turns into a publisher is cut off, and its offer does not reach the node.
    let mut player = Dialogue::open(&proxy.h1, &open("subscriber-1", ""))
        .await
        .unwrap();
    player.receive().await;
    player.send(message("s3")).await;
    player.ended().await;
    let not_permitted = r#"whipstitch_auth_total{outcome="not_permitted"}"#;
    proxy.until_metric(not_permitted, 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_every_token_is_the_nodes_own() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let target = "/live/whip/endpoint/s1?token=theirs";
    let made = ask(&proxy.h1, ("POST", target), "ours", &offer().await).await;
    assert_eq!(made.status, 201);
    let seen = behind(&deployment);
    assert!(
        seen.iter()
            .any(|one| one.contains("token=theirs") && one.contains("Bearer ours"))
    );
    assert!(
        proxy
            .metric(r#"whipstitch_auth_total{outcome="admitted"}"#)
            .await
            < 1.0
    );
}
