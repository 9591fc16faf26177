//! The whole demo over real sockets.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

async fn send(authority: &str, request_line: &str, headers: &str) -> String {
    let mut connection = TcpStream::connect(authority).await.unwrap();
    let request = format!(
        "{request_line} HTTP/1.1\r\nHost: {authority}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(authority: &str, path: &str) -> String {
    send(authority, &format!("GET {path}"), "").await
}

/// What the page reads.
async fn state(authority: &str) -> Value {
    let answer = get(authority, "/demo/state").await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn authority(demo: &Demo) -> String {
    demo.http_url().replace("http://localhost", "127.0.0.1")
}

#[tokio::test]
async fn with_two_the_page_and_the_proxy_speak_its_urls() {
    let options = Options {
        api: Api::V2,
        ..Options::free_ports()
    };
    let demo = Demo::start(options).await.unwrap();
    let authority = authority(&demo);
    let urls = get(&authority, "/js/urls.js").await;
    assert!(urls.contains("/as/v1/proxy"), "{urls}");
    let lookup = "/as/v1/streams/stream/default/publish/live/demo";
    let lookup = get(&authority, lookup).await;
    assert!(lookup.contains("\"serverAddress\":\"127.0.0."), "{lookup}");
    assert_eq!(state(&authority).await["streams"], Value::Array(vec![]));
    demo.stop().await;
}

#[tokio::test]
async fn serves_the_page_through_the_proxy_until_it_is_stopped() {
    let demo = Demo::start(Options::free_ports()).await.unwrap();
    let authority = authority(&demo);
    let page = get(&authority, "/").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("<title>Whipstitch"), "{page}");
    let lookup = "/streammanager/api/4.0/event/live/demo?action=broadcast";
    let lookup = get(&authority, lookup).await;
    assert!(
        demo.nodes()
            .iter()
            .any(|node| lookup.contains(&node.ip().to_string())),
        "{lookup}"
    );
    let state = state(&authority).await;
    assert_eq!(state["statusPage"], format!("{}/", demo.admin_url()));
    assert_eq!(state["shared"], Value::Null, "all stays on loopback");

    demo.stop().await;
    assert!(
        TcpStream::connect(&authority).await.is_err(),
        "the port is free again"
    );
}

#[tokio::test]
async fn its_own_page_kills_and_revives_a_node_and_no_other_page_does() {
    let demo = Demo::start(Options::free_ports()).await.unwrap();
    let authority = authority(&demo);
    let alive = async |number: usize| state(&authority).await["nodes"][number - 1]["alive"].clone();
    let own = format!("Origin: http://{authority}\r\n");
    for strange in ["", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        let forged = format!("{strange}X-Forwarded-Host: evil.example\r\n");
        let refused = send(&authority, "POST /demo/nodes/1/kill", &forged).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{strange}: {refused}");
    }
    assert_eq!(alive(1).await, true);
    let done = send(&authority, "POST /demo/nodes/1/kill", &own).await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert_eq!(
        (alive(1).await, alive(2).await),
        (false.into(), true.into())
    );
    let lookup = "/streammanager/api/4.0/event/live/demo?action=broadcast";
    assert!(get(&authority, lookup).await.contains("127.0.0.3"));
    let done = send(&authority, "POST /demo/nodes/1/revive", &own).await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert_eq!(alive(1).await, true);
    for unknown in [
        "nodes/3/kill",
        "nodes/0/kill",
        "nodes/1/burn",
        "nodes/1",
        "x",
    ] {
        let answer = send(&authority, &format!("POST /demo/{unknown}"), &own).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{unknown}: {answer}");
    }
    assert!(demo.toggle(2).await.contains("is dead"));
    assert!(demo.toggle(2).await.contains("runs again"));
    assert!(demo.toggle(9).await.contains("no node 9"));
    demo.stop().await;
}

/// DNS rebinding: a name of another site that leads here has that site's page as its origin.
#[tokio::test]
async fn another_host_name_is_not_served() {
    let demo = Demo::start(Options::free_ports()).await.unwrap();
    let authority = authority(&demo);
    let mut connection = TcpStream::connect(&authority).await.unwrap();
    let request = "POST /demo/nodes/1/kill HTTP/1.1\r\nHost: evil.example\r\n\
                   Origin: http://evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(state(&authority).await["nodes"][0]["alive"], true);
    demo.stop().await;
}

fn in_front_of(url: String, api: Api) -> Options {
    Options {
        stream_manager: Some(url),
        api,
        ..Options::free_ports()
    }
}

/// One's own manager of either generation, with the proxy's own keys for its credentials.
#[tokio::test]
async fn the_page_stands_in_front_of_a_manager_of_ones_own() {
    for api in [Api::V1, Api::V2] {
        let cluster = Cluster::start(ClusterConfig::default()).await.unwrap();
        let options = in_front_of(cluster.manager_url(), api);
        let environment = [
            ("WHIPSTITCH_ALLOW_NODES", "127.0.0.0/8".to_owned()),
            ("WHIPSTITCH_NODE_PORT", cluster.node_port().to_string()),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        let demo = Demo::start_in(options, environment.into()).await.unwrap();
        let authority = authority(&demo);
        assert!(demo.nodes().is_empty());
        let page = get(&authority, "/").await;
        assert!(page.contains("<title>Whipstitch"), "{page}");
        let state = state(&authority).await;
        assert_eq!(state["nodes"], Value::Null, "there is nothing to kill");
        assert_eq!(state["streams"], Value::Array(vec![]));
        let own = format!("Origin: http://{authority}\r\n");
        let kill = send(&authority, "POST /demo/nodes/1/kill", &own).await;
        assert!(kill.starts_with("HTTP/1.1 404"), "{kill}");
        let options = match api {
            Api::V1 => "/live/whip/endpoint/s",
            Api::V2 => "/as/v1/proxy/whip/live/s",
        };
        let options = send(&authority, &format!("OPTIONS {options}"), "").await;
        assert!(options.starts_with("HTTP/1.1 200"), "{options}");
        demo.stop().await;
        cluster.shutdown().await;
    }
}

#[tokio::test]
async fn a_manager_that_does_not_answer_is_an_error_that_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let start = async |url: String, api| {
        let started = Demo::start_in(in_front_of(url, api), Vec::new()).await;
        match started {
            Ok(_) => panic!("it starts"),
            Err(error) => error.to_string(),
        }
    };
    let error = start(closed.clone(), Api::V1).await;
    assert!(error.contains(&closed), "{error}");
    assert!(error.contains("connection refused"), "{error}");
    let error = start("ftp://example.com".to_owned(), Api::V1).await;
    assert!(error.contains("--stream-manager"), "{error}");

    let cluster = Cluster::start(ClusterConfig::default()).await.unwrap();
    let elsewhere = format!("{}/elsewhere", cluster.manager_url());
    let error = start(elsewhere, Api::V2).await;
    assert!(error.contains("404"), "{error}");
    assert!(error.contains("--api"), "{error}");
    cluster.shutdown().await;
}
