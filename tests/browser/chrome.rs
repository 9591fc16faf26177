//! Headless Chromium under chromedriver.

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use fantoccini::{
    Client, ClientBuilder,
    actions::{InputSource, MouseActions, PointerAction},
    wd::TimeoutConfiguration,
};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

const INSTALL: &str = "the browser tests need Chromium and its driver: `apt-get install chromium chromium-driver` (Debian), \
                       or run the tests without `--features browser`";
const START_WITHIN: Duration = Duration::from_secs(30);

/// The colour scheme that the page sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Theme {
    Light,
    Dark,
}

/// One browser with a profile of its own; dropping this ends both.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Driver,
    _profile: TempDir,
}

/// chromedriver, on a port of its choice.
struct Driver {
    port: u16,
    _process: Child,
}

impl Drop for Driver {
    /// Chromium outlives a chromedriver that is killed, so a test that panics asks it to stop both.
    fn drop(&mut self) {
        let Ok(mut connection) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return;
        };
        let _ = connection.set_read_timeout(Some(START_WITHIN));
        let _ = write!(
            connection,
            "GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let _ = connection.read_to_end(&mut Vec::new());
    }
}

impl Browser {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One with more flags.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let chromium = find(&["chromium", "chromium-browser", "google-chrome"]);
        let driver = Driver::start().await;
        let profile = tempfile::Builder::new()
            .prefix("whipstitch-chromium-")
            .tempdir()
            .expect("a directory for the profile");
        let own = format!("--user-data-dir={}", profile.path().display());
        let mut flags = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--use-fake-device-for-media-stream=device-count=2",
            "--use-fake-ui-for-media-stream",
            "--window-size=1280,900",
            &own,
        ];
        flags.extend(more);
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": flags },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("an object").clone())
            .connect(&driver.url())
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}; {INSTALL}"));
        let patience =
            TimeoutConfiguration::new(Some(Duration::from_secs(40)), Some(START_WITHIN), None);
        client.update_timeouts(patience).await.expect("time limits");
        Self {
            client,
            driver,
            _profile: profile,
        }
    }

    /// Emulates a screen of this size, in CSS pixels.
    pub(crate) async fn screen(&self, width: u32, height: u32, theme: Theme) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        let scheme = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Moves the pointer into the corner, off whatever was clicked last.
    pub(crate) async fn pointer_away(&self) {
        let away = PointerAction::MoveTo {
            duration: None,
            x: 0.0,
            y: 0.0,
        };
        let actions = MouseActions::new("mouse".to_owned()).then(away);
        self.client
            .perform_actions(actions)
            .await
            .expect("the pointer moves");
    }

    /// Fails if the page has logged an error, or the browser one about it.
    pub(crate) async fn console_is_quiet(&self) {
        let log = self.ask("se/log", json!({ "type": "browser" })).await;
        let errors: Vec<_> = log
            .as_array()
            .expect("a list")
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .collect();
        assert!(errors.is_empty(), "errors in the console: {errors:#?}");
    }

    pub(crate) async fn close(self) {
        self.client.close().await.expect("the browser closes");
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.ask(
            "goog/cdp/execute",
            json!({ "cmd": command, "params": parameters }),
        )
        .await;
    }

    /// A command of chromedriver beyond the standard.
    async fn ask(&self, path: &str, body: Value) -> Value {
        let session = self
            .client
            .session_id()
            .await
            .expect("an answer")
            .expect("a session");
        let request = Request::post(format!("{}/session/{session}/{path}", self.driver.url()))
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let response = Http::builder(TokioExecutor::new())
            .build_http()
            .request(request)
            .await
            .expect("chromedriver answers");
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a whole answer")
            .to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert!(status.is_success(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Driver {
    async fn start() -> Self {
        let mut process = Command::new(find(&["chromedriver"]))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver does not start: {error}; {INSTALL}"));
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.expect("its output is text") {
                let port = line
                    .split_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.'));
                if let Some(port) = port.and_then(|port| port.parse().ok()) {
                    return Some(port);
                }
            }
            None
        };
        let port = timeout(START_WITHIN, port)
            .await
            .expect("chromedriver starts in time")
            .expect("chromedriver names its port");
        Self {
            port,
            _process: process,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn find(names: &[&str]) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = names
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)));
    all.into_iter()
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no {} in PATH: {INSTALL}", names.join(" or ")))
}
