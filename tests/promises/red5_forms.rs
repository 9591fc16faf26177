//! Clients of Red5's own proxies find the same here: URLs of the manager's application, headers for
//! nodes, the list of sessions.

use http::Request;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use whipstitch_minicluster::{Server, peer::Publisher};
use whipstitch_tests::{
    Deployment,
    http::path_of,
    raw_node::RawNode,
    websocket::{Dialogue, raw},
};

#[tokio::test(flavor = "multi_thread")]
async fn whip_at_the_managers_application_has_the_scope_of_app() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let node = deployment.cluster.nodes()[1].ip();
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let target =
        format!("/streammanager/whip/endpoint/s1?signal=true&host={node}&app=live&x=a%20b");
    let created = proxy.h1.sdp("POST", &target, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let session = path_of(created.header("location"));
    assert!(session.starts_with("/live/whip/resource/s1/"), "{session}");
    let requests = deployment.cluster.seen().requests_to(Server::Node(1));
    assert_eq!(
        requests[0].target,
        "/live/whip/endpoint/s1?signal=true&x=a%20b"
    );
    // As SDKs from 13 on delete it: the endpoint's own URL, with the connection parameters.
    let resource = "/streammanager/whip/resource/s1?app=live";
    assert_eq!(proxy.h1.bare("DELETE", resource).await.status, 200);
    for (target, detail) in [
        (
            "/streammanager/whip/endpoint/s1",
            "query key `app` is required",
        ),
        (
            "/streammanager/whep/endpoint/s1?app=",
            "query key `app` is required",
        ),
        (
            "/streammanager/whip/endpoint/s1?app=live%2F..",
            "query key `app` is not a scope",
        ),
        (
            "/streammanager/whip/endpoint/s1?app=a&app=b",
            "query key `app` must be there only once",
        ),
    ] {
        let refused = proxy.h1.sdp("POST", target, &offer).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-query")
        );
        assert!(
            refused.text().contains(detail),
            "{target}: {}",
            refused.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_a_websockets_client_address_as_the_manager_sends_it() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(31).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let direct = deployment.proxy_with(config.clone());
    config.proxy.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    let forwarded = deployment.proxy_with(config);
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.addr().ip());
    let made_up = "X-Forwarded-For-Meta-Port: 1\r\nX-Forwarded-For-Meta-Type: X\r\nX-Forwarded-For-Meta-Secure: maybe\r\n";
    let page = "Origin: https://page\r\n";
    let balancer = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n";
    for (client, more, secure, kind, port) in [
        (&direct.h1, page, "true", "WEB", true),
        (&direct.plain, "", "false", "DIRECT", true),
        (&forwarded.plain, balancer, "true", "DIRECT", false),
    ] {
        let more = format!("{made_up}{more}");
        let ((answer, _), (asked, _)) = tokio::join!(raw(client, &target, &more), node.accept(""));
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let field = |name: &str| {
            let name = format!("x-forwarded-for-meta-{name}: ");
            let mut fields = asked.lines().filter_map(|line| line.strip_prefix(&*name));
            (fields.next().map(str::to_owned), fields.next())
        };
        assert_eq!(field("secure"), (Some(secure.to_owned()), None), "{asked}");
        assert_eq!(field("type"), (Some(kind.to_owned()), None), "{asked}");
        let (told, more) = field("port");
        assert_eq!((told.is_some(), more), (port, None), "{asked}");
        assert!(
            told.is_none_or(|told| told.parse::<u16>().unwrap() > 1),
            "{asked}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_as_at_stream_manager_2_0() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let list = "/as/v1/admin/rtcproxy";
    let show = async |target: &str| -> Value {
        let shown = proxy.admin.get(target).await;
        assert_eq!(shown.status, 200, "{target}");
        serde_json::from_str(&shown.text()).unwrap()
    };
    assert_eq!(show(list).await, serde_json::json!({}));
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    for stream in ["s1", "s2"] {
        let target = format!("/live/whip/endpoint/{stream}");
        let created = proxy.h1.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{}", created.text());
    }
    let all = show(list).await;
    let all = all.as_object().unwrap();
    assert_eq!(all.len(), 2);
    let (key, first) = all
        .iter()
        .find(|(_, one)| one["streamGuid"] == "live/s1")
        .unwrap();
    let id = first["sessionId"].as_str().unwrap();
    let node = key.strip_suffix(&format!("|{id}")).unwrap();
    assert!(node.parse::<std::net::IpAddr>().is_ok(), "{key}");
    assert_eq!(first["status"], "CONNECTED");
    assert!(first["timestamp"].as_u64().unwrap() > 1_600_000_000_000);
    for means_it in [id, "live/s1", "live%2Fs1"] {
        let one = show(&format!("{list}/{means_it}")).await;
        assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), [key]);
    }
    let end = |target: String| {
        proxy.admin.send(
            Request::delete(target)
                .header("content-type", "application/json")
                .body("")
                .unwrap(),
        )
    };
    // A WebSocket without a stream shows its scope, and is addressed by its id only.
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let mut socket = Dialogue::open(&proxy.h1, &target).await.unwrap();
    let shown = show(list).await;
    let mut shown = shown.as_object().unwrap().values();
    let its = shown.find(|one| one["streamGuid"] == "live").unwrap();
    let its = its["sessionId"].as_str().unwrap();
    assert_eq!(end(format!("{list}/live")).await.status, 404);
    assert_eq!(end(format!("{list}/{its}")).await.status, 200);
    while !matches!(socket.next().await, Message::Close(_)) {}
    assert_eq!(end(format!("{list}/live/s1")).await.status, 200);
    assert_eq!(end(format!("{list}/live/other")).await.status, 404);
    let polled = async {
        // Another task sends the DELETE to the node, without a notification.
        while show(list).await.as_object().unwrap().len() > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(whipstitch_tests::deployment::SOON, polled)
        .await
        .unwrap();
    assert_eq!(proxy.admin.get(&format!("{list}/{id}")).await.status, 404);
    // The same rule as for every other change.
    let page = Request::delete(format!("{list}/live/s2"))
        .header("content-type", "application/json")
        .header("origin", "https://page");
    assert_eq!(proxy.admin.send(page.body("").unwrap()).await.status, 403);
}
