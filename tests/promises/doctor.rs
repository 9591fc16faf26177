//! `whipstitch doctor`: its findings about the real proxy and about servers that break a rule, and
//! its exit codes.

mod exits;
mod media;
mod mistakes;
mod replicas;

use std::{net::SocketAddr, sync::Mutex};

use bytes::Bytes;
use clap::Parser as _;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use whipstitch::{cli::Exit, commands::doctor};
use whipstitch_doctor::Options;
use whipstitch_minicluster::{Config as ClusterConfig, Fault};
use whipstitch_tests::Deployment;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// `whipstitch doctor` with these arguments.
async fn doctor(line: &str) -> Exit {
    let line = Line::parse_from(std::iter::once("doctor").chain(line.split_whitespace()));
    doctor::run(&line.options, CancellationToken::new()).await
}

/// The same with `--json`: the exit code and the document.
async fn examined(line: &str) -> (u8, Value) {
    let exit = doctor(&format!("{line} --json")).await;
    let document = serde_json::from_str(&exit.out);
    (exit.code, document.unwrap_or_else(|_| panic!("{exit:?}")))
}

/// The rows of a report with this result, `client: rule`.
fn rows(document: &Value, result: &str) -> Vec<String> {
    let rows = document["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["result"] == result)
        .map(|row| {
            format!(
                "{}: {}",
                row["id"].as_str().unwrap(),
                row["rule"].as_str().unwrap()
            )
        })
        .collect()
}

fn https(proxy: &whipstitch_tests::Proxy) -> String {
    format!("https://localhost:{}", proxy.h1.addr().port())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_passes_in_front_of_red5s_nodes_over_tls() {
    let deployment = Deployment::with(ClusterConfig {
        ice_server: Some(r#"<turn:t.example:3478>; rel="ice-server"; username="u"; credential="c"; credential-type="password""#.to_owned()),
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy();
    let ca = deployment.certificate.file("cert.pem");
    let (code, document) = examined(&format!("{} --ca {}", https(&proxy), ca.display())).await;
    assert_eq!(rows(&document, "failed"), [""; 0], "{document:#}");
    assert_eq!(
        (code, &document["server"]),
        (0, &"Stream Manager 1.x".into())
    );
    // Rules that have to be tried there, and not skipped.
    let ok = rows(&document, "ok");
    for row in [
        "rfc-whip: the session's URL cannot be guessed",
        "rfc-whep: PATCH with the answer gives 204",
        "red5-11: PATCH with candidates succeeds",
        "red5-11: Link is read",
        "red5-12: Session-Host can be sent back",
        "red5-15-whep: PATCH with the answer succeeds",
        "red5-15-renegotiation: another session by the same requestId, at once",
        "red5-conference: a second publisher, NAME-screenshare, beside the first",
        "red5-whep-player: a stream that is not live is refused",
        "obs: DELETE gives 200",
        "ffmpeg: a UDP host candidate in the answer",
        "whepclientsrc: PATCH with the answer gives 200 or 204",
        "eyevinn: PATCH with candidates succeeds",
        "red5-rtc: isAvailable is answered",
        "red5-rtc-play: isAvailable is answered",
    ] {
        assert!(ok.contains(&row.to_owned()), "{row}: {document:#}");
    }
    // It deleted every session that it created.
    let nodes = deployment.cluster.nodes().iter();
    assert_eq!(
        nodes
            .map(whipstitch_minicluster::Node::sessions)
            .sum::<usize>(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_passes_with_stream_manager_2() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.api = whipstitch_signaling::Api::V2;
    let proxy = deployment.proxy_with(config);
    let ca = deployment.certificate.file("cert.pem");
    let (code, document) =
        examined(&format!("{} --api 2 --ca {}", https(&proxy), ca.display())).await;
    assert_eq!(rows(&document, "failed"), [""; 0], "{document:#}");
    assert_eq!(code, 0);
    let ok = rows(&document, "ok");
    for row in [
        "red5-15: Location leads to the session",
        "red5-15-whep: PATCH with the answer succeeds",
        "red5-15-renegotiation: another session by the same requestId, at once",
        "red5-conference: a second publisher, NAME-screenshare, beside the first",
        "red5-whep-player: a stream that is not live is refused",
        "obs: POST gives 201",
        "red5-rtc: isAvailable is answered",
    ] {
        assert!(ok.contains(&row.to_owned()), "{row}: {document:#}");
    }
    let skipped = rows(&document, "skipped");
    assert!(
        skipped.contains(&"red5-11: POST succeeds".to_owned()),
        "{document:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn players_pass_where_nodes_answer_offers() {
    let deployment = Deployment::with(ClusterConfig {
        whep_answers: true,
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy();
    let players = "--client whepsrc --client mediamtx-whep --client whip-whep-js-whep --client mediamtx-reader --client rfc-whep";
    let (code, document) = examined(&format!("{} --insecure {players}", https(&proxy))).await;
    assert_eq!(rows(&document, "failed"), [""; 0], "{document:#}");
    let ok = rows(&document, "ok");
    for row in [
        "whepsrc: the body is an answer",
        "mediamtx-whep: PATCH with candidates gives 204",
        "mediamtx-reader: PATCH with If-Match: * gives 204",
    ] {
        assert!(ok.contains(&row.to_owned()), "{document:#}");
    }
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_proxy_fails_the_expected_rules() {
    let deployment = Deployment::start().await;
    let node = deployment.cluster.node(0).unwrap();
    let (code, document) = examined(&format!("http://{}", node.address())).await;
    let failed = rows(&document, "failed");
    for row in [
        // Any client that knows the name can end the stream; Red5 answers candidates with 200, and
        // gives no ETag.
        "rfc-whip: the session's URL cannot be guessed",
        "rfc-whip: PATCH with candidates gives 204 without ETag",
        "mediamtx: ETag where PATCH is allowed",
    ] {
        assert!(failed.contains(&row.to_owned()), "{row}: {document:#}");
    }
    assert_eq!(
        (code, &document["server"]),
        (1, &"no Stream Manager".into())
    );
    assert!(rows(&document, "ok").contains(&"obs: DELETE gives 200".to_owned()));
    assert_eq!(node.sessions(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_failure_is_reported_in_words() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Status(500, "no".to_owned())).await;
    }
    let exit = doctor(&format!("{} --insecure --client obs", https(&proxy))).await;
    assert_eq!(exit.code, 1, "{exit:?}");
    for words in [
        "FAILED  OBS Studio",
        "came    POST https://localhost",
        "does not try again",
        "whip-output.cpp",
    ] {
        assert!(exit.out.contains(words), "{words}: {}", exit.out);
    }
}

/// A correct server, except for the changes that `spoil` makes to its answers.
async fn spoiled(
    spoil: fn(&Request<Incoming>, &mut Response<Full<Bytes>>),
) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let service = service_fn(move |request| async move {
                let mut response = right(&request);
                spoil(&request, &mut response);
                Ok::<_, std::convert::Infallible>(response)
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service)
                .await;
        }
    };
    let tracker = tokio_util::task::TaskTracker::new();
    (addr, AbortOnDropHandle::new(tracker.spawn(serve)))
}

fn right(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:passive\r\n\
               a=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n";
    let response = Response::builder()
        .header("access-control-allow-origin", "*")
        .header(
            "access-control-allow-methods",
            "OPTIONS, POST, PATCH, DELETE",
        )
        .header(
            "access-control-allow-headers",
            "Authorization, Content-Type, If-Match, ETag",
        )
        .header(
            "access-control-expose-headers",
            "Location, Link, ETag, Access-Control-Allow-Methods",
        );
    let is_sdp = request
        .headers()
        .get("content-type")
        .is_some_and(|media| media == "application/sdp");
    let response = match request.method().as_str() {
        "POST" if is_sdp => response
            .status(201)
            .header("location", "/s/0123456789abcdef0123456789abcdef")
            .header("etag", "\"1\"")
            .header("content-type", "application/sdp")
            .body(Full::from(sdp)),
        "POST" => response.status(415).body(Full::default()),
        "PATCH" => response.status(204).body(Full::default()),
        _ => response.body(Full::default()),
    };
    response.unwrap()
}

#[tokio::test]
async fn a_server_that_breaks_one_rule_fails_at_that_rule() {
    type Spoil = fn(&Request<Incoming>, &mut Response<Full<Bytes>>);
    let cases: [(&str, Spoil); 6] = [
        ("", |_, _| {}),
        ("obs: DELETE gives 200", |request, response| {
            if request.method() == "DELETE" {
                *response.status_mut() = http::StatusCode::NO_CONTENT;
            }
        }),
        ("mediamtx: ETag where PATCH is allowed", |_, response| {
            response.headers_mut().remove("etag");
        }),
        ("eyevinn: Location leads to the session", |_, response| {
            response
                .headers_mut()
                .insert("access-control-expose-headers", "ETag".parse().unwrap());
        }),
        (
            "simple-whip-client: Location leads to the session",
            |_, response| {
                if response.headers().contains_key("location") {
                    response.headers_mut().insert(
                        "location",
                        "s/0123456789abcdef0123456789abcdef".parse().unwrap(),
                    );
                }
            },
        ),
        (
            "whip-whep-js: the page may ask and read",
            |request, response| {
                if request
                    .headers()
                    .contains_key("access-control-request-method")
                {
                    *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
                }
            },
        ),
    ];
    for (rule, spoil) in cases {
        let (addr, _server) = spoiled(spoil).await;
        let (code, document) = examined(&format!("http://{addr}/cam/whip")).await;
        let failed = rows(&document, "failed");
        if rule.is_empty() {
            assert_eq!((code, failed.as_slice()), (0, &[][..]), "{document:#}");
        } else {
            assert!(failed.contains(&rule.to_owned()), "{rule}: {failed:?}");
            assert_eq!(code, 1);
        }
    }
}

#[tokio::test]
async fn redirects_are_bounded_and_never_carry_the_token() {
    static RECEIVED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static TARGET: Mutex<String> = Mutex::new(String::new());
    let (elsewhere, _other) = spoiled(|request, _| {
        let token = request
            .headers()
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        RECEIVED.lock().unwrap().push(token.unwrap_or_default());
    })
    .await;
    *TARGET.lock().unwrap() = format!("http://{elsewhere}/s");
    let (addr, _server) = spoiled(|request, response| {
        if request.method() == "POST" {
            assert!(request.headers()["authorization"] == "Bearer secret");
            *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
            let target = TARGET.lock().unwrap().clone();
            response
                .headers_mut()
                .insert("location", target.parse().unwrap());
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret\n").unwrap();
    let line = format!(
        "http://{addr}/cam/whip --all --client obs --bearer-file {}",
        file.display()
    );
    let exit = doctor(&line).await;
    let received = RECEIVED.lock().unwrap().clone();
    assert!(!received.is_empty(), "{received:?}");
    assert!(received.iter().all(String::is_empty), "{received:?}");
    assert!(!exit.out.contains("secret"), "{}", exit.out);
    assert!(
        exit.out.contains("which does not get the token"),
        "{}",
        exit.out
    );

    // A redirect loop is abandoned after the second redirect.
    let (circle, _server) = spoiled(|_, response| {
        *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        response
            .headers_mut()
            .insert("location", "/again".parse().unwrap());
    })
    .await;
    let exit = doctor(&format!("http://{circle}/cam/whip --client obs")).await;
    assert_eq!(exit.code, 1);
    assert!(exit.out.contains("307 Temporary Redirect"), "{}", exit.out);
}

#[tokio::test]
async fn bodies_and_waits_are_bounded() {
    let (long, _server) = spoiled(|request, response| {
        if request.method() == "POST" {
            *response.body_mut() = Full::from(vec![b'v'; 256 * 1024 + 1]);
        }
    })
    .await;
    let exit = doctor(&format!("http://{long}/cam/whip --client obs")).await;
    assert_eq!(exit.code, 1);
    let words = "an answer of more than 256 KiB";
    assert!(exit.out.contains(words), "{}", exit.out);

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let exit = doctor(&format!("http://{addr} --timeout 1")).await;
    assert_eq!(exit.code, 2);
    let words = "timeout after 1 s";
    assert!(exit.err.contains(words), "{}", exit.err);
}
