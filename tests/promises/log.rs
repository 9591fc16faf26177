//! One log line per exchange, which shows where the time went.

use http::Request;
use serde_json::Value;
use whipstitch_minicluster::{Fault, Lie};
use whipstitch_tests::{Client, Deployment, Reply, kept::Kept, log, websocket};

/// The names of the phases in a line.
const PHASES: [&str; 4] = ["tls_us", "lookup_us", "connect_us", "first_byte_us"];

/// A request with an id, over a connection that is kept.
async fn ask(kept: &mut Kept, method: &str, target: &str, id: &str) -> Value {
    let request = Request::builder().method(method).uri(target);
    let request = request.header("x-request-id", id).body("").unwrap();
    let reply = kept.send(request).await;
    assert_eq!(reply.header("x-request-id"), id);
    log::line("access", id).await
}

/// The phases of a line; their sum is at most the exchange's time.
fn phases(line: &Value) -> Vec<&'static str> {
    let known: Vec<_> = PHASES
        .into_iter()
        .filter(|name| line[name].is_u64())
        .collect();
    let parts: u64 = known[..]
        .iter()
        .filter(|name| **name != "tls_us")
        .map(|name| line[name].as_u64().unwrap())
        .sum();
    assert!(parts <= line["took_us"].as_u64().unwrap(), "{line}");
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_an_exchange_shows_where_its_time_went() {
    log::capture();
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let clients: [(&str, &Client); 3] = [
        ("h1", &proxy.h1),
        ("h2", &proxy.h2),
        ("plain", &proxy.plain),
    ];
    for (name, client) in clients {
        let is_secure = name != "plain";
        let target = format!("/live/whip/endpoint/{name}");
        let mut kept = client.keep().await;
        let id = |number: u8| format!("log-phases-{name}-{number}");
        let first = ask(&mut kept, "OPTIONS", &target, &id(1)).await;
        assert_eq!(phases(&first).contains(&"tls_us"), is_secure, "{first}");
        for phase in ["lookup_us", "first_byte_us"] {
            assert!(phases(&first).contains(&phase), "{first}");
        }
        // The same node as before, over the same connection.
        let second = ask(&mut kept, "OPTIONS", &target, &id(2)).await;
        assert!(!phases(&second).contains(&"tls_us"), "{second}");
        let manager = ask(&mut kept, "GET", "/streammanager/", &id(3)).await;
        assert_eq!(phases(&manager), ["first_byte_us"], "{manager}");
        let ours = ask(&mut kept, "GET", &target, &id(4)).await;
        assert!(phases(&ours).is_empty(), "{ours}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_new_connection_counts_as_connect_time() {
    log::capture();
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (manager, node) = (deployment.cluster.manager(), &deployment.cluster.nodes()[0]);
    manager.lie(Lie::ServerAddress(node.ip().to_string()));
    let mut kept = proxy.h1.keep().await;
    let target = "/live/whip/endpoint/s1";
    let first = ask(&mut kept, "OPTIONS", target, "log-connect-1").await;
    assert!(phases(&first).contains(&"connect_us"), "{first}");
    let second = ask(&mut kept, "OPTIONS", target, "log-connect-2").await;
    assert!(!phases(&second).contains(&"connect_us"), "{second}");

    // A failed attempt counts as connect time too; and no first byte was sent.
    node.fail(Fault::Refuse).await;
    // Through a replica without a connection to the node, as that could break during this test.
    let other = deployment.proxy();
    let mut kept = other.h1.keep().await;
    let third = ask(&mut kept, "OPTIONS", target, "log-connect-3").await;
    assert_eq!(third["problem"], "node-unreachable", "{third}");
    assert!(phases(&third).contains(&"connect_us"), "{third}");
    assert!(!phases(&third).contains(&"first_byte_us"), "{third}");
    node.heal().await;

    // A WebSocket has a connection of its own, always.
    let socket = format!(
        "/streammanager/?id=subscriber-1&host={}&app=live",
        node.ip()
    );
    for number in 1..3 {
        let id = format!("log-connect-socket-{number}");
        let more = format!("X-Request-Id: {id}\r\n");
        let (head, _io) = websocket::raw(&proxy.h1, &socket, &more).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let line = log::line("access", &id).await;
        assert_eq!(
            phases(&line),
            ["tls_us", "connect_us", "first_byte_us"],
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_timing_is_sent_only_if_configured() {
    let deployment = Deployment::start().await;
    let silent = deployment.proxy();
    let target = "/live/whip/endpoint/s1";
    let reply = silent.h1.bare("OPTIONS", target).await;
    assert_eq!(reply.header("server-timing"), "");
    assert_eq!(reply.header("timing-allow-origin"), "");

    let mut config = deployment.config();
    config.proxy.server_timing = true;
    let proxy = deployment.proxy_with(config);
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        let names = |reply: &Reply| -> Vec<String> {
            let told = reply.header("server-timing").split(", ");
            let metric = |metric: &str| {
                let (name, took) = metric.split_once(";dur=").unwrap();
                took.parse::<f64>().unwrap();
                name.to_owned()
            };
            told.map(metric).filter(|name| name != "connect").collect()
        };
        let node = client.bare("OPTIONS", target).await;
        assert_eq!(names(&node), ["lookup", "node", "total"]);
        assert_eq!(node.header("timing-allow-origin"), "*");
        let exposed = node.header("access-control-expose-headers");
        assert!(exposed.contains("Server-Timing"), "{exposed}");
        assert_eq!(names(&client.get("/none").await), ["manager", "total"]);
        let problem = client.bare("POST", "/live/whep/endpoint/missing").await;
        assert_eq!(names(&problem), ["lookup", "total"]);
        assert_eq!(names(&client.get(target).await), ["total"]);
    }
}
