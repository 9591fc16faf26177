//! The commands of an operator, asked of a running proxy over its socket and its address.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use whipstitch::{
    cli::{self, Cli, Exit},
    commands::Surroundings,
    config::Config,
};
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::{Deployment, Proxy, websocket::Dialogue};

/// A proxy with an admin socket.
struct Setup {
    deployment: Deployment,
    proxy: Proxy,
    socket: PathBuf,
    _folder: TempDir,
}

impl Setup {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let deployment = Deployment::start().await;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let mut config = deployment.config();
        config.admin.socket = Some(socket.clone());
        change(&mut config);
        Self {
            proxy: deployment.proxy_with(config),
            deployment,
            socket,
            _folder: folder,
        }
    }

    /// Runs a command against this proxy.
    async fn run(&self, line: &str) -> Exit {
        run(&format!("{line} --admin {}", self.socket.display())).await
    }

    /// The JSON output of a command that succeeds.
    async fn json(&self, line: &str) -> Value {
        let exit = self.run(&format!("{line} --json")).await;
        assert_eq!((exit.code, &*exit.err), (0, ""), "{line}: {}", exit.out);
        serde_json::from_str(&exit.out).unwrap()
    }

    /// The text output of a command that succeeds.
    async fn text(&self, line: &str) -> String {
        let exit = self.run(line).await;
        assert_eq!((exit.code, &*exit.err), (0, ""), "{line}: {}", exit.out);
        exit.out
    }

    async fn publish(&self, path: &str) {
        let offer = Publisher::new().await.unwrap().offer().await.unwrap();
        assert_eq!(self.proxy.h1.sdp("POST", path, &offer).await.status, 201);
    }

    async fn socket(&self) -> Dialogue {
        let node = self.deployment.cluster.nodes()[0].ip();
        let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
        let mut dialogue = Dialogue::open(&self.proxy.h1, &target).await.unwrap();
        dialogue.receive().await;
        dialogue
    }
}

pub(crate) async fn run(line: &str) -> Exit {
    let words: Vec<String> = ["whipstitch"]
        .into_iter()
        .chain(line.split_whitespace())
        .map(str::to_owned)
        .collect();
    // A command has a runtime of its own.
    let done = tokio::task::spawn_blocking(move || match Cli::read(words) {
        Ok(cli) => cli::perform(&cli, &Surroundings::default()),
        Err(exit) => exit,
    });
    done.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_summarises_the_proxy() {
    let setup = Setup::start().await;
    setup.publish("/live/whip/endpoint/s1").await;
    let json = setup.json("status").await;
    assert_eq!(json["state"], "ready");
    let text = setup.text("status").await;
    let https = setup.proxy.h1.addr().to_string();
    for words in [
        ": ready",
        &*https,
        "answering",
        "certificate",
        "1 WHIP and WHEP",
        "0 sockets of 7000",
        "log ",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    // The same over the address, with and without a scheme.
    let admin = setup.proxy.admin.addr();
    for place in [admin.to_string(), format!("http://{admin}")] {
        assert_eq!(run(&format!("status --admin {place}")).await.code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_searched_and_ended() {
    let setup = Setup::start().await;
    for stream in ["alpha", "beta"] {
        setup
            .publish(&format!("/live/whip/endpoint/{stream}"))
            .await;
    }
    let mut dialogue = setup.socket().await;
    assert_eq!(
        setup.json("sessions").await["sessions"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let found = setup.json("sessions --search alph").await;
    assert_eq!(
        (&found["matching"], &found["sessions"][0]["stream"]),
        (&1.into(), &"alpha".into())
    );
    let text = setup.text("sessions --search alph").await;
    assert!(text.contains("live/alpha"), "{text}");
    assert!(text.contains("1 session with \"alph\", among 3"), "{text}");
    let by_name = setup.json("sessions --sort stream --limit 1").await;
    assert_eq!(by_name["sessions"].as_array().unwrap().len(), 1);

    let all = setup.json("sessions").await;
    let socket = all["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "socket");
    let id = socket.unwrap()["id"].as_str().unwrap();
    assert!(setup.text(&format!("sessions end {id}")).await.contains(id));
    let Message::Close(Some(close)) = dialogue.next().await else {
        panic!("not a Close")
    };
    assert_eq!(close.code, CloseCode::Away);
    dialogue.close().await;
    setup
        .proxy
        .until_metric("whipstitch_sockets_open", 0.0)
        .await;
    assert_eq!(setup.json("sessions").await["total"], 2);
    let gone = setup.run(&format!("sessions end {id}")).await;
    assert_eq!(gone.code, 1, "{}", gone.err);
    assert!(gone.err.contains("session"), "{}", gone.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_lookups_are_listed_and_can_be_forgotten() {
    let setup = Setup::start().await;
    setup.publish("/live/room1/whip/endpoint/s1").await;
    let nodes = setup.text("nodes").await;
    assert!(nodes.contains("healthy"), "{nodes}");
    assert!(nodes.contains("1 node"), "{nodes}");
    let lookups = setup.text("lookups").await;
    assert!(lookups.contains("live/room1/s1"), "{lookups}");
    assert!(lookups.contains("1 answer"), "{lookups}");
    assert_eq!(
        setup.text("lookups forget live/other").await,
        "0 answers forgotten\n"
    );
    assert_eq!(
        setup.text("lookups forget live/room1/s1").await,
        "1 answer forgotten\n"
    );
    assert_eq!(setup.json("lookups").await["total"], 0);
    assert_eq!(
        setup.text("lookups forget --all").await,
        "0 answers forgotten\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_wait_returns_when_the_drain_is_over() {
    let setup = Setup::start().await;
    let mut dialogue = setup.socket().await;
    let client = async {
        let close = dialogue.next().await;
        assert!(matches!(close, Message::Close(Some(_))), "{close:?}");
        dialogue.close().await;
    };
    let (drained, ()) = tokio::join!(setup.run("drain --wait"), client);
    assert_eq!((drained.code, &*drained.err), (0, ""), "{}", drained.out);
    assert!(drained.out.starts_with("drained"), "{}", drained.out);
    // It is still running, and not ready.
    assert_eq!(setup.run("status").await.code, 1);
    // A second drain is no error.
    assert_eq!(setup.run("drain --wait").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_takes_too_long_fails() {
    // The delay for load balancers takes all that time.
    let setup = Setup::with(|config| config.shutdown.delay = Duration::from_mins(1)).await;
    let late = setup.run("drain --wait --timeout 100ms").await;
    assert_eq!(late.code, 1, "{}{}", late.out, late.err);
    assert!(late.out.starts_with("not drained after"), "{}", late.out);
    let status = setup.run("status").await;
    assert_eq!(status.code, 1, "{}", status.out);
    assert!(status.out.contains("draining"), "{}", status.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reports_what_failed() {
    let setup = Setup::start().await;
    assert!(setup.text("reload").await.contains("certificates"));
    let certificate = setup.deployment.certificate.file("cert.pem");
    fs::write(certificate, "no certificate").unwrap();
    let failed = setup.run("reload").await;
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("failed: "), "{}", failed.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_shown_and_an_unknown_one_refused() {
    let setup = Setup::start().await;
    assert_eq!(setup.json("log-level").await["until_at"], Value::Null);
    // This process has no log whose level could be changed; another test covers one that has.
    assert_eq!(setup.run("log-level debug").await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_over_tcp_are_accepted_from_this_machine_only() {
    let setup = Setup::start().await;
    let admin = setup.proxy.admin.addr();
    assert_eq!(
        run(&format!("lookups forget --all --admin {admin}"))
            .await
            .code,
        0
    );
    // A name that resolves to this machine is no proof.
    let port = admin.port();
    let named = run(&format!(
        "lookups forget --all --admin localhost.localdomain:{port}"
    ))
    .await;
    assert!(named.code == 4 || named.code == 3, "{}", named.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_fail_once_the_proxy_has_stopped() {
    let setup = Setup::start().await;
    assert_eq!(setup.run("status").await.code, 0);
    let Setup { proxy, socket, .. } = setup;
    proxy.drain().await;
    let exit = run(&format!("status --admin {}", socket.display())).await;
    assert_eq!(exit.code, 3, "{}", exit.err);
    assert!(exit.err.contains("is whipstitch running"), "{}", exit.err);
}
