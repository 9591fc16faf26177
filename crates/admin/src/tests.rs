//! The whole service, without a socket.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use whipstitch_origin::{Breaker, Source};

use super::{limits::Limits, verdict::Sources, *};
use whipstitch_config::{Config, Origins};

struct NotFound;

impl Source for NotFound {
    fn ask<'a>(
        &'a self,
        _: &'a origin::Lookup,
        _: origin::Asker,
    ) -> futures_util::future::BoxFuture<'a, Result<origin::Candidates, origin::LookupError>> {
        Box::pin(std::future::ready(Err(origin::LookupError::NotFound(None))))
    }
}

/// A process without sessions: its drain is finished at once.
#[derive(Debug, Default)]
struct TestProcess {
    stage: AtomicU8,
    drain: OnceLock<DrainTimes>,
    last: Mutex<Option<LastReload>>,
}

impl TestProcess {
    fn reach(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }
}

impl Lifecycle for TestProcess {
    fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            2 => Stage::Draining,
            _ => Stage::Drained,
        }
    }

    fn begin_drain(&self) -> DrainTimes {
        self.reach(Stage::Drained);
        *self.drain.get_or_init(|| DrainTimes {
            began: SystemTime::now(),
            deadline: SystemTime::now() + Duration::from_secs(30),
        })
    }

    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn drain(&self) -> Option<Drain> {
        Some(Drain {
            times: *self.drain.get()?,
            exchanges: 0,
            sockets: 0,
            result: Some(Drained::Whole),
        })
    }
}

impl Reload for TestProcess {
    fn reload(&self) -> BoxFuture<'_, Report> {
        let none = || "none".to_owned();
        let report = Report {
            settings: none(),
            certificates: none(),
            session_keys: none(),
            ice_secrets: none(),
            nodes: none(),
        };
        *self.last.lock().unwrap() = Some(LastReload::new(SystemTime::now(), &report));
        Box::pin(std::future::ready(report))
    }

    fn last(&self) -> Option<LastReload> {
        self.last.lock().unwrap().clone()
    }

    fn file_faults(&self) -> FileFaults {
        FileFaults::default()
    }
}

fn admin() -> Admin {
    admin_of(Arc::default())
}

fn admin_of(process: Arc<TestProcess>) -> Admin {
    let tasks = TaskTracker::new();
    let clock = proxy::clock::WallClock::default();
    let sessions = SessionTable::new(100, true, Duration::from_hours(1), clock);
    let view = view::tests::view();
    let directory = Arc::new(view::tests::directory());
    let metrics = proxy::Metrics::register(&Registry::new()).unwrap();
    let breaker = Breaker::new(
        Arc::new(NotFound),
        tasks.clone(),
        CancellationToken::new(),
        origin::Metrics::default(),
    );
    let live_config = LiveConfig::new(Config::default(), &Origins::default());
    let connections = whipstitch_ingress::Metrics::register(&Registry::new()).unwrap();
    let permits = proxy::Permits::new(&live_config.snapshot().config.limits);
    let judge = Judge::new(Sources {
        lifecycle: process.clone(),
        reload: process.clone(),
        view: view.clone(),
        origin: origin::Metrics::default(),
        breaker: breaker.clone(),
        proxy: metrics.clone(),
        certificates: None,
        live_config: live_config.clone(),
        limits: Limits::new(connections, 100, permits),
    });
    Admin::new(Parts {
        lifecycle: process.clone(),
        reload: process,
        judge,
        terminator: Terminator::new(sessions.clone(), directory, tasks.clone()),
        view,
        sessions,
        recent: Incidents::default(),
        origin: origin::Metrics::default(),
        proxy: metrics,
        breaker,
        registries: vec![Registry::new()],
        certificates: None,
        log: Some(LogLevel::new("info", |_| Ok(()))),
        facts: Facts {
            version: "1.2.3",
            revision: None,
            started: SystemTime::now(),
            https: Vec::new(),
            http: Vec::new(),
            admin: None,
            hosts: Vec::new(),
            manager_url: "http://manager:5080".to_owned(),
            manager_api: "1",
            config_file: None,
        },
        live_config,
        history: History::default(),
        event_permits: event_permits(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    })
}

/// A page of another site, or a program, on this machine.
fn tcp() -> Listener {
    Listener::Tcp {
        local: "127.0.0.1:9090".parse().unwrap(),
        peer: "127.0.0.1:5000".parse().unwrap(),
    }
}

async fn ask(
    admin: &Admin,
    on: Listener,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:9090")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    whole(answer(admin, on, request).await).await
}

async fn answer(admin: &Admin, on: Listener, request: Request<Full<Bytes>>) -> Response<Body> {
    let service = service::service(admin, on);
    service.oneshot(request).await.unwrap()
}

async fn status(admin: &Admin, method: &str, path: &str) -> u16 {
    let (status, _) = ask(admin, Listener::Unix, method, path, "").await;
    status.as_u16()
}

async fn whole(response: Response<Body>) -> (StatusCode, Value) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let value = serde_json::from_slice(&body);
    let value = value.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    (parts.status, value)
}

#[tokio::test]
async fn each_path_and_method() {
    let process = Arc::<TestProcess>::default();
    let admin = admin_of(process.clone());
    assert_eq!(status(&admin, "GET", "/livez").await, 200);
    for path in ["/readyz", "/startupz"] {
        assert_eq!(status(&admin, "GET", path).await, 503);
    }
    process.reach(Stage::Ready);
    for path in [
        "/",
        "/livez",
        "/readyz",
        "/readyz?verbose",
        "/startupz",
        "/metrics",
        "/status",
        "/sessions",
        "/nodes",
        "/lookups",
        "/recent",
        "/history",
        "/config",
        "/streammanager/api/4.0/admin/proxy/clients",
        "/streammanager/api/4.0/admin/proxy/clients?filter=unhealthy&count=true&accessToken=x",
    ] {
        assert_eq!(status(&admin, "GET", path).await, 200, "{path}");
        assert_eq!(status(&admin, "HEAD", path).await, 200, "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert_eq!(status(&admin, method, path).await, 405, "{method} {path}");
        }
    }
    for path in [
        "/drain",
        "/reload",
        "/log-level",
        "/lookups/forget",
        "/sessions/1/end",
    ] {
        assert_eq!(status(&admin, "GET", path).await, 405, "{path}");
        assert_eq!(status(&admin, "PUT", path).await, 405, "{path}");
    }
    for path in [
        "/x",
        "/sessions/zz",
        "/sessions/1",
        "/streammanager/api/4.0/admin/proxy/clients/1",
    ] {
        assert_eq!(status(&admin, "GET", path).await, 404, "{path}");
    }
    let clients = "/streammanager/api/4.0/admin/proxy/clients";
    assert_eq!(status(&admin, "DELETE", &format!("{clients}/1")).await, 404);
    assert_eq!(
        status(&admin, "GET", &format!("{clients}?filter=some")).await,
        400
    );
    for query in [
        "sort=size",
        "order=up",
        "page=0",
        "page=-1",
        "per_page=x",
        "search=%zz",
    ] {
        assert_eq!(
            status(&admin, "GET", &format!("/sessions?{query}")).await,
            400,
            "{query}"
        );
    }
    process.reach(Stage::Draining);
    assert_eq!(status(&admin, "GET", "/readyz").await, 503);
    assert_eq!(status(&admin, "GET", "/startupz").await, 200);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_safe_headers() {
    let admin = admin();
    for path in ["/", "/status", "/livez", "/x"] {
        let request = Request::get(path).body(Full::new(Bytes::new())).unwrap();
        let response = answer(&admin, Listener::Unix, request).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-request-id"].len(), 16, "{path}");
    }
    let request = Request::get("/status").header("x-request-id", "mine");
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let response = answer(&admin, Listener::Unix, request).await;
    assert_eq!(response.headers()["x-request-id"], "mine");
}

#[tokio::test]
async fn gzip_is_sent_to_clients_that_accept_it_and_never_in_events() {
    let admin = admin();
    for (path, accept, encoding) in [
        ("/", "gzip", Some("gzip")),
        ("/page/js/main.js", "gzip, br", Some("gzip")),
        ("/status", "gzip", Some("gzip")),
        ("/", "br", None),
        ("/events", "gzip", None),
    ] {
        let request = Request::get(path).header("accept-encoding", accept);
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let response = answer(&admin, Listener::Unix, request).await;
        let found = response.headers().get("content-encoding");
        let found = found.map(|value| value.to_str().unwrap());
        assert_eq!(found, encoding, "{path} {accept}");
    }
}

#[tokio::test]
async fn a_client_that_accepts_no_coding_gets_the_status_of_the_answer() {
    for accept in ["*;q=0", "identity;q=0", "gzip;q=0, *;q=0"] {
        let admin = admin();
        for (method, path, expected) in [
            ("GET", "/readyz", 503),
            ("POST", "/drain", 202),
            ("GET", "/livez", 200),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("accept-encoding", accept);
            let request = request.header("content-type", "application/json");
            let request = request.body(Full::new(Bytes::from_static(b"{}"))).unwrap();
            let response = answer(&admin, Listener::Unix, request).await;
            assert_eq!(response.status(), expected, "{method} {path} {accept}");
            assert_eq!(response.headers().get("content-encoding"), None);
        }
    }
}

/// The names of all members, with dots between levels and `[]` after lists.
fn members(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                members(&format!("{prefix}{dot}{name}"), value, found);
            }
        }
        Value::Array(list) if list.first().is_some_and(Value::is_object) => {
            for value in list {
                members(&format!("{prefix}[]"), value, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

/// Members of objects and lists that are empty in this process are not compared.
#[tokio::test]
async fn the_table_documents_the_members_of_each_answer() {
    let process = Arc::<TestProcess>::default();
    let admin = admin_of(process.clone());
    admin.0.reload.reload().await;
    process.begin_drain();
    for route in routes::ROUTES {
        if route.method != "GET" || route.answer.is_empty() {
            continue;
        }
        let (status, value) = ask(&admin, Listener::Unix, "GET", route.path, "").await;
        if status != 200 {
            continue;
        }
        let documented: BTreeSet<&str> = route.answer.iter().map(|field| field.name).collect();
        let mut found = BTreeSet::new();
        members("", &value, &mut found);
        found.remove("");
        for name in &found {
            let list = format!("{name}[]");
            let known = documented.contains(name.as_str())
                || documented.iter().any(|field| field.starts_with(&list));
            assert!(known, "{}: {name} is not documented", route.path);
        }
        for name in documented {
            // A null object, or an empty list.
            let hidden = found.iter().any(|found| {
                name.starts_with(&format!("{found}.")) || name.starts_with(&format!("{found}["))
            });
            let parent = documented_object(route, name);
            assert!(
                found.contains(name) || hidden || parent || found.is_empty(),
                "{}: {name} is documented and missing",
                route.path
            );
        }
    }
}

/// Whether a documented member is an object with documented members of its own.
fn documented_object(route: &routes::Route, name: &str) -> bool {
    let below = format!("{name}.");
    route
        .answer
        .iter()
        .any(|field| field.name.starts_with(&below))
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_and_reads_nothing() {
    let admin = admin();
    let (status, words) = ask(&admin, tcp(), "POST", "/drain", "").await;
    assert_eq!(status, 403, "no Content-Type");
    assert!(
        words["error"].as_str().unwrap().contains("admin.socket"),
        "{words}"
    );
    for (path, expected) in [
        ("/status", 403),
        ("/sessions", 403),
        ("/metrics", 200),
        ("/livez", 200),
    ] {
        let request = Request::get(path).header("host", "rebound.example:9090");
        let request = request.body(Full::new(Bytes::new())).unwrap();
        assert_eq!(
            answer(&admin, tcp(), request).await.status(),
            expected,
            "{path}"
        );
    }
    assert_eq!(admin.0.lifecycle.drain(), None);
}

#[tokio::test]
async fn hostile_bodies_are_refused_in_words() {
    let admin = admin();
    let long = format!("{{\"level\":\"{}\"}}", "x".repeat(5_000));
    let deep = "[".repeat(4_000);
    for (path, body) in [
        ("/log-level", "{}"),
        ("/log-level", ""),
        ("/log-level", "{\"level\":1}"),
        ("/log-level", "{\"level\":\"a=b=c\"}"),
        ("/log-level", "{\"level\":\"debug\",\"for_ms\":0}"),
        ("/log-level", "{\"level\":\"debug\",\"for_ms\":86400001}"),
        ("/log-level", &long),
        ("/log-level", &deep),
        ("/drain", "{\"now\":true}"),
        ("/drain", "true"),
        ("/reload", "x"),
        ("/lookups/forget", "{\"scope\":\"live\"}"),
        ("/lookups/forget", "{\"scope\":\"live\",\"stream\":\"a/b\"}"),
    ] {
        let (status, words) = ask(&admin, Listener::Unix, "POST", path, body).await;
        assert_eq!(status, 400, "{path} {body:.60}");
        assert!(words["error"].is_string(), "{words}");
    }
    assert_eq!(admin.0.lifecycle.drain(), None);
}

#[tokio::test(start_paused = true)]
async fn changes_do_what_they_say() {
    let process = Arc::<TestProcess>::default();
    let admin = admin_of(process.clone());
    process.reach(Stage::Ready);
    let post = async |path, body| ask(&admin, Listener::Unix, "POST", path, body).await;
    let get = async |path| ask(&admin, Listener::Unix, "GET", path, "").await.1;
    let (status, now) = post("/log-level", "{\"level\":\"debug\",\"for_ms\":60000}").await;
    assert_eq!((status.as_u16(), &now["now"]), (200, &json!("debug")));
    assert_eq!(
        get("/status").await["log_level"]["until_at"],
        now["until_at"]
    );
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(
        get("/status").await["log_level"],
        json!({"now": "info", "until_at": null})
    );

    let (status, report) = post("/reload", "").await;
    assert_eq!(
        (status.as_u16(), report),
        (
            200,
            json!({"settings": "none", "certificates": "none", "session_keys": "none", "ice_secrets": "none", "nodes": "none"})
        )
    );
    assert_eq!(get("/status").await["reloads"]["last_result"], "done");
    assert_eq!(
        post("/lookups/forget", "{}").await.1,
        json!({"forgotten": 0})
    );

    let (status, times) = post("/drain", "{}").await;
    assert_eq!(status, 202);
    assert_eq!(
        post("/drain", "{\"wait\":true}").await,
        (StatusCode::OK, times)
    );
    let drained = get("/status").await;
    assert_eq!(
        (&drained["state"], &drained["drain"]["outcome"]),
        (&json!("drained"), &json!("whole"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_history_and_the_rates_are_kept() {
    let admin = admin();
    let keeping = admin.clone().record_history();
    let look = async {
        tokio::time::sleep(Duration::from_secs(26)).await;
        let (_, history) = ask(&admin, Listener::Unix, "GET", "/history", "").await;
        assert_eq!(history["step_ms"], 5_000);
        assert_eq!(history["requests"], json!([0, 0, 0, 0, 0]));
        assert_eq!(history["lookup_ms"], json!([null, null, null, null, null]));
        admin.0.stop.cancel();
    };
    tokio::join!(keeping, look);
}

#[tokio::test(start_paused = true)]
async fn sixteen_may_listen_and_hear_of_each_change() {
    let admin = admin();
    let listen = async || {
        let request = Request::get("/events")
            .body(Full::new(Bytes::new()))
            .unwrap();
        answer(&admin, Listener::Unix, request).await
    };
    let mut all = Vec::new();
    for _ in 0..MAX_LISTENERS {
        let response = listen().await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        all.push(response.into_body());
    }
    assert_eq!(listen().await.status(), 503);
    let mut one = all.pop().unwrap();
    assert_eq!(listen().await.status(), 503, "it listens still");
    let keeping = admin.clone().record_history();
    let hear = async {
        let mut names = Vec::new();
        for _ in 0..5 {
            let event = one.frame().await.unwrap().unwrap().into_data().unwrap();
            let event = String::from_utf8(event.to_vec()).unwrap();
            let (name, data) = event.split_once('\n').unwrap();
            let data = data
                .strip_prefix("data: ")
                .unwrap()
                .strip_suffix("\n\n")
                .unwrap();
            assert!(serde_json::from_str::<Value>(data).unwrap().is_object());
            names.push(name.strip_prefix("event: ").unwrap().to_owned());
        }
        // At 0, 2, 4, 5 and 6 s.
        assert_eq!(names, ["status", "status", "status", "history", "status"]);
        admin.0.stop.cancel();
        assert!(one.frame().await.is_none());
        drop(one);
    };
    tokio::join!(keeping, hear);
    assert_eq!(listen().await.status(), 200);
}
