use http::{HeaderMap, uri::Authority};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::{
    Exchange, RequestBody,
    words::{
        body,
        config::{Limits, Proxy, Timeouts},
        problem::Kind,
    },
};
use http::Request;
use whipstitch_origin::BaseUrl;
use whipstitch_signaling::Api;

async fn ask(
    method: &str,
    uri: &str,
    media: Option<&str>,
    sent: &'static str,
) -> Result<String, Kind> {
    ask_with(Api::V1, Proxy::default(), method, uri, media, sent).await
}

async fn ask_with(
    api: Api,
    proxy: Proxy,
    method: &str,
    uri: &str,
    media: Option<&str>,
    sent: &'static str,
) -> Result<String, Kind> {
    let base = BaseUrl::parse("http://sm").unwrap();
    ask_at((api, base), proxy, method, uri, media, sent).await
}

async fn ask_at(
    (api, base): (Api, BaseUrl),
    proxy: Proxy,
    method: &str,
    uri: &str,
    media: Option<&str>,
    sent: &'static str,
) -> Result<String, Kind> {
    let inner = service_fn(|routed: Routed<Unread>| async move {
        let text = match routed {
            Routed::Signaling(asked) => format!("{:?}", asked.ask),
            Routed::Manager(asked) => format!("{:?}", asked.ask),
        };
        Ok::<_, Error>(
            Response::builder()
                .header("asked", text)
                .body(body::empty())
                .unwrap(),
        )
    });
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(media) = media {
        request = request.header("content-type", media);
    }
    let clean = Clean {
        request: request.body(RequestBody::from(body::full(sent))).unwrap(),
        host: Authority::from_static("a"),
        websocket: method == "UPGRADE",
        exchange: Exchange::begin(&HeaderMap::new(), None),
    };
    let rules = Arc::new(Rules {
        api,
        base,
        proxy,
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    });
    let response = RoutingLayer { rules }.layer(inner).oneshot(clean).await;
    response.map_err(|error| Kind::of(&error)).map(|response| {
        match response.headers().get("asked") {
            Some(asked) => asked.to_str().unwrap().to_owned(),
            None => response.status().as_u16().to_string(),
        }
    })
}

#[tokio::test]
async fn each_method_at_each_url() {
    let sdp = Some("application/sdp");
    let endpoint = "/live/whip/endpoint/s1?a=b";
    let session = "/live/whip/resource/s1/token";
    assert!(
        ask("POST", endpoint, sdp, "v=0")
            .await
            .unwrap()
            .starts_with("Endpoint { role: Publish, key: live/s1")
    );
    assert!(
        ask("OPTIONS", endpoint, None, "")
            .await
            .unwrap()
            .starts_with("Endpoint")
    );
    assert_eq!(ask("GET", endpoint, None, "").await.unwrap(), "204");
    assert_eq!(
        ask("HEAD", "/live/whep/endpoint/s1", None, "")
            .await
            .unwrap(),
        "200"
    );
    assert_eq!(
        ask("PUT", endpoint, None, "").await.unwrap_err(),
        Kind::Method
    );
    assert!(
        ask("PATCH", session, sdp, "v=0")
            .await
            .unwrap()
            .starts_with("Session")
    );
    assert!(
        ask(
            "PATCH",
            session,
            Some("application/trickle-ice-sdpfrag"),
            "a"
        )
        .await
        .is_ok()
    );
    assert!(ask("DELETE", session, None, "").await.is_ok());
    assert_eq!(ask("GET", session, None, "").await.unwrap(), "204");
    assert_eq!(
        ask("POST", session, sdp, "v=0").await.unwrap_err(),
        Kind::Method
    );
    let tokenless = ask("DELETE", "/live/whip/resource/s1", None, "").await;
    assert!(tokenless.unwrap().ends_with("token: None }"));
}

#[tokio::test]
async fn bodies_are_of_the_right_kind() {
    let endpoint = "/live/whip/endpoint/s1";
    assert_eq!(
        ask("POST", endpoint, None, "v=0").await.unwrap_err(),
        Kind::MediaType
    );
    assert_eq!(
        ask("POST", endpoint, Some("text/plain"), "v=0")
            .await
            .unwrap_err(),
        Kind::MediaType
    );
    assert_eq!(
        ask("POST", endpoint, None, "").await.unwrap_err(),
        Kind::MediaType
    );
    assert!(
        ask("POST", "/live/whep/endpoint/s1", None, "")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_rest_is_the_managers_but_not_its_administration() {
    let event = "/streammanager/api/4.0/event/live/s1?action=broadcast";
    assert_eq!(
        ask("GET", event, None, "").await.unwrap(),
        "Any { names_nodes: true }"
    );
    assert_eq!(
        ask("GET", "/any.html", None, "").await.unwrap(),
        "Any { names_nodes: false }"
    );
    let admin = "/streammanager/api/4.0/admin/nodegroup";
    assert_eq!(
        ask("GET", admin, None, "").await.unwrap_err(),
        Kind::AdminApi
    );
    let open = Proxy {
        admin_api: true,
        ..Proxy::default()
    };
    assert!(
        ask_with(Api::V1, open, "GET", admin, None, "")
            .await
            .is_ok()
    );
}

/// A path that changes on its way is judged by what the manager gets, too. A container reads all of
/// these as WHIP or WHEP, and the Stream Manager's own proxy for that goes to any `host=`.
#[tokio::test]
async fn signalling_in_disguise_is_not_the_managers() {
    for uri in [
        "/live/whip//endpoint/s1?host=10.9.9.9",
        "/live/whip;x/endpoint/s1?host=10.9.9.9",
        "/live/whip/./endpoint/s1",
        "/live/%2577hep/endpoint/s1",
        "/live/whep/x/../resource/s1",
    ] {
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            let answer = ask(method, uri, Some("application/sdp"), "v=0").await;
            assert_eq!(answer, Err(Kind::BadPath), "{method} {uri}");
        }
    }
}

#[tokio::test]
async fn no_address_of_the_manager_opens_its_administration() {
    for (api, url, prefix, uri, refused) in [
        (
            Api::V2,
            "http://sm",
            "/as/v1",
            "/admin/nodegroup",
            Kind::AdminApi,
        ),
        (
            Api::V2,
            "http://sm",
            "/as/v1",
            "/x/../admin/y",
            Kind::AdminApi,
        ),
        (
            Api::V2,
            "http://sm",
            "/as/v1",
            "/as/v1/as/v1/admin/x",
            Kind::AdminApi,
        ),
        (
            Api::V2,
            "http://sm",
            "/as/v1",
            "/proxy/forward/",
            Kind::ForwardProxy,
        ),
        (
            Api::V2,
            "http://sm",
            "/as/v1",
            "/proxy/whip/live/s1",
            Kind::ForwardProxy,
        ),
        (Api::V2, "http://sm/as", "", "/v1/admin/x", Kind::AdminApi),
        (
            Api::V1,
            "http://sm/streammanager",
            "",
            "/api/4.0/admin/x",
            Kind::AdminApi,
        ),
        (
            Api::V1,
            "http://sm/streammanager",
            "/sm",
            "/sm/api/4.0/admin/x",
            Kind::AdminApi,
        ),
        (Api::V1, "http://gw/sm", "", "/../other/", Kind::BadPath),
        (
            Api::V1,
            "http://gw/sm",
            "",
            "/a/%2e%2e;/%2e%2e/other/",
            Kind::BadPath,
        ),
    ] {
        let mut base = BaseUrl::parse(url).unwrap();
        if !prefix.is_empty() {
            base = base.without_prefix(prefix).unwrap();
        }
        let asked = ask_at((api, base.clone()), Proxy::default(), "GET", uri, None, "").await;
        assert_eq!(asked.unwrap_err(), refused, "{url} {prefix} {uri}");
        let page = ask_at((api, base), Proxy::default(), "GET", "/a/b.html", None, "").await;
        assert_eq!(page.unwrap(), "Any { names_nodes: false }", "{url}");
    }
}

#[tokio::test]
async fn requests_are_forwarded_only_if_that_is_open() {
    let nodes = || Proxy {
        forward: crate::words::config::Forwarding::Nodes,
        ..Proxy::default()
    };
    let url = "/as/v1/proxy/forward/?target=http://10.0.0.7:5080/";
    let forwarded = "/as/v1/proxy/%66orward/?target=http://10.0.0.7:5080/";
    for (api, proxy, method, uri) in [
        (Api::V2, Proxy::default(), "GET", url),
        (Api::V1, nodes(), "GET", url),
        (Api::V2, nodes(), "UPGRADE", url),
        (Api::V2, nodes(), "GET", forwarded),
        // Without a token.
        (Api::V2, nodes(), "GET", url),
    ] {
        let refused = ask_with(api, proxy, method, uri, None, "").await;
        assert_eq!(refused.unwrap_err(), Kind::ForwardProxy, "{method} {uri}");
    }
    let patch = ask_with(Api::V2, nodes(), "PATCH", url, None, "").await;
    assert_eq!(patch.unwrap_err(), Kind::Method);
}

#[tokio::test]
async fn websockets_are_the_managers_but_not_its_proxies() {
    for api in [Api::V1, Api::V2] {
        let ask = |uri| ask_with(api, Proxy::default(), "UPGRADE", uri, None, "");
        assert_eq!(
            ask("/conference-api/1.0/ws/a").await.unwrap(),
            "ManagerSocket"
        );
        assert_eq!(ask("/as/v1/admin/x").await.unwrap_err(), Kind::AdminApi);
        for uri in [
            "/streammanager/x",
            "//streammanager/",
            "/x/..;/streammanager/",
        ] {
            assert_eq!(ask(uri).await.unwrap_err(), Kind::BadHandshake, "{uri}");
        }
    }
    let healthz = ask("UPGRADE", "/as/v1/admin/healthz", None, "").await;
    assert_eq!(healthz.unwrap_err(), Kind::AdminApi);
}

#[tokio::test]
async fn only_the_event_api_itself_names_nodes() {
    for (path, names_nodes) in [
        ("/streammanager/api/4.0/event/live/room1/s1", true),
        ("/streammanager/api/4.0/event/list", true),
        ("/streammanager/api/../../uploads/event/x.json", false),
        ("/streammanager/api/4.0/../../uploads/event/x", false),
        ("/streammanager/api/4.0/event/../../../x", false),
        ("/streammanager/api/4.0/event/%2e%2e/x", false),
        ("/streammanager/api//event/x", false),
        ("/x/streammanager/api/4.0/event/x", false),
    ] {
        let asked = ask("GET", path, None, "").await.unwrap();
        assert_eq!(
            asked,
            format!("Any {{ names_nodes: {names_nodes} }}"),
            "{path}"
        );
    }
    assert_eq!(
        ask("CONNECT", "/x", None, "").await.unwrap_err(),
        Kind::Method
    );
}

#[tokio::test]
async fn a_socket_names_its_node_and_scope() {
    let asked = ask(
        "UPGRADE",
        "/streammanager/?id=s1&host=10.0.0.1&app=live&password=x",
        None,
        "",
    )
    .await
    .unwrap();
    assert_eq!(asked, r#"Socket(SocketQuery { scope: "live", .. })"#);
    let undefined = ask(
        "UPGRADE",
        "/streammanager/?id=s1&host=undefined&app=live",
        None,
        "",
    )
    .await;
    assert_eq!(undefined.unwrap_err(), Kind::BadQuery);
}

#[tokio::test]
async fn two_has_all_methods_at_one_url() {
    let sdp = Some("application/sdp");
    let ask =
        |method, uri, media, sent| ask_with(Api::V2, Proxy::default(), method, uri, media, sent);
    let url = "/as/v1/proxy/whip/live/s1";
    for (method, media, sent) in [("OPTIONS", None, ""), ("POST", sdp, "v=0")] {
        let asked = ask(method, url, media, sent).await.unwrap();
        assert_eq!(
            asked, "Endpoint { role: Publish, key: live/s1, form: Guid }",
            "{method}"
        );
    }
    for (method, media, sent) in [("PATCH", sdp, "v=0"), ("DELETE", None, "")] {
        let asked = ask(method, url, media, sent).await.unwrap();
        let session = "Session { role: Publish, key: live/s1, token: None }";
        assert_eq!(asked, session, "{method}");
    }
    let sealed = "/as/v1/proxy/whep/live/s1/session:abc";
    assert!(
        ask("DELETE", sealed, None, "")
            .await
            .unwrap()
            .contains("token: Some(\"abc\")")
    );
    for (method, uri, media, sent, kind) in [
        ("PUT", url, None, "", Kind::Method),
        ("POST", sealed, sdp, "v=0", Kind::Method),
        ("POST", url, None, "v=0", Kind::MediaType),
        ("POST", "/as/v1/proxy/whip/s1", sdp, "v=0", Kind::BadName),
        (
            "GET",
            "/as/v1/proxy/forward/?target=x",
            None,
            "",
            Kind::ForwardProxy,
        ),
        (
            "POST",
            "/as/v1/proxy/forward/",
            sdp,
            "v=0",
            Kind::ForwardProxy,
        ),
        (
            "UPGRADE",
            "/as/v1/proxy/forward/",
            None,
            "",
            Kind::ForwardProxy,
        ),
        ("GET", "/as/v1/admin/x", None, "", Kind::AdminApi),
    ] {
        let refused = ask(method, uri, media, sent).await.unwrap_err();
        assert_eq!(refused, kind, "{method} {uri}");
    }
    let lookup = "/as/v1/streams/stream/default/publish/live/s1";
    let asked = ask("GET", lookup, None, "").await.unwrap();
    assert_eq!(asked, "Any { names_nodes: true }");
}

#[tokio::test]
async fn a_socket_of_two_names_its_stream() {
    let ask = |method, uri| ask_with(Api::V2, Proxy::default(), method, uri, None, "");
    let url = "/as/v1/proxy/ws/subscribe/live/room/s1?id=subscriber-1";
    let asked = ask("UPGRADE", url).await.unwrap();
    assert_eq!(asked, r#"Socket(SocketQuery { scope: "live/room", .. })"#);
    assert_eq!(ask("GET", url).await.unwrap_err(), Kind::BadHandshake);
    let undefined = format!("{url}&host=undefined");
    let refused = ask("UPGRADE", undefined.leak()).await.unwrap_err();
    assert_eq!(refused, Kind::BadQuery);
}

#[tokio::test]
async fn switched_off_only_the_manager_is_left() {
    let off = || Proxy {
        enabled: false,
        ..Proxy::default()
    };
    let post = ask_with(
        Api::V1,
        off(),
        "POST",
        "/live/whip/endpoint/s1",
        Some("application/sdp"),
        "v=0",
    )
    .await;
    assert_eq!(post.unwrap_err(), Kind::Disabled);
    let get = ask_with(Api::V1, off(), "GET", "/live/whip/endpoint/s1", None, "").await;
    assert_eq!(get.unwrap_err(), Kind::Disabled);
    let socket = ask_with(
        Api::V1,
        off(),
        "UPGRADE",
        "/streammanager/?id=s1&host=10.0.0.1&app=live",
        None,
        "",
    )
    .await;
    assert_eq!(socket.unwrap_err(), Kind::Disabled);
    assert!(
        ask_with(
            Api::V1,
            off(),
            "GET",
            "/streammanager/api/4.0/event/live/s1",
            None,
            ""
        )
        .await
        .is_ok()
    );
}
