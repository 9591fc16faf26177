//! The commands of an operator, asked of a running proxy over its socket and its address.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use whipstitch::{
    cli::{Cli, Exit},
    commands::{self, Surroundings},
    config::Config,
};
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::{Deployment, Proxy, websocket::Dialogue};

/// A proxy with an admin socket.
struct Stage {
    deployment: Deployment,
    proxy: Proxy,
    socket: PathBuf,
    _folder: TempDir,
}

impl Stage {
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

    /// What a command says of this proxy.
    async fn run(&self, line: &str) -> Exit {
        run(&format!("{line} --admin {}", self.socket.display())).await
    }

    /// The answer of a command that has nothing bad to tell.
    async fn json(&self, line: &str) -> Value {
        let exit = self.run(&format!("{line} --json")).await;
        assert_eq!((exit.code, &*exit.err), (0, ""), "{line}: {}", exit.out);
        serde_json::from_str(&exit.out).unwrap()
    }

    /// The text of a command that has nothing bad to tell.
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
        dialogue.hear().await;
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
        Ok(cli) => commands::perform(&cli, &Surroundings::default()),
        Err(exit) => exit,
    });
    done.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_one_look() {
    let stage = Stage::start().await;
    stage.publish("/live/whip/endpoint/s1").await;
    let json = stage.json("status").await;
    assert_eq!(json["state"], "ready");
    let text = stage.text("status").await;
    let https = stage.proxy.h1.addr().to_string();
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
    let admin = stage.proxy.admin.addr();
    for place in [admin.to_string(), format!("http://{admin}")] {
        assert_eq!(run(&format!("status --admin {place}")).await.code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_searched_and_ended() {
    let stage = Stage::start().await;
    for stream in ["alpha", "beta"] {
        stage
            .publish(&format!("/live/whip/endpoint/{stream}"))
            .await;
    }
    let mut dialogue = stage.socket().await;
    assert_eq!(
        stage.json("sessions").await["sessions"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let found = stage.json("sessions --search alph").await;
    assert_eq!(
        (&found["matching"], &found["sessions"][0]["stream"]),
        (&1.into(), &"alpha".into())
    );
    let text = stage.text("sessions --search alph").await;
    assert!(
        text.contains("live/alpha") && text.contains("1 session with \"alph\", among 3"),
        "{text}"
    );
    let by_name = stage.json("sessions --sort stream --limit 1").await;
    assert_eq!(by_name["sessions"].as_array().unwrap().len(), 1);

    let all = stage.json("sessions").await;
    let socket = all["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "socket");
    let id = socket.unwrap()["id"].as_str().unwrap();
    assert!(stage.text(&format!("sessions end {id}")).await.contains(id));
    let Message::Close(Some(close)) = dialogue.next().await else {
        panic!("not a Close")
    };
    assert_eq!(close.code, CloseCode::Away);
    dialogue.close().await;
    stage
        .proxy
        .until_metric("whipstitch_sockets_open", 0.0)
        .await;
    assert_eq!(stage.json("sessions").await["total"], 2);
    let gone = stage.run(&format!("sessions end {id}")).await;
    assert!(
        gone.code == 1 && gone.err.contains("session"),
        "{}",
        gone.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_lookups_and_what_is_forgotten() {
    let stage = Stage::start().await;
    stage.publish("/live/room1/whip/endpoint/s1").await;
    let nodes = stage.text("nodes").await;
    assert!(
        nodes.contains("healthy") && nodes.contains("1 node"),
        "{nodes}"
    );
    let lookups = stage.text("lookups").await;
    assert!(
        lookups.contains("live/room1/s1") && lookups.contains("1 answer"),
        "{lookups}"
    );
    assert_eq!(
        stage.text("lookups forget live/other").await,
        "0 answers forgotten\n"
    );
    assert_eq!(
        stage.text("lookups forget live/room1/s1").await,
        "1 answer forgotten\n"
    );
    assert_eq!(stage.json("lookups").await["total"], 0);
    assert_eq!(
        stage.text("lookups forget --all").await,
        "0 answers forgotten\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_waited_for() {
    let stage = Stage::start().await;
    let mut dialogue = stage.socket().await;
    let client = async {
        let close = dialogue.next().await;
        assert!(matches!(close, Message::Close(Some(_))), "{close:?}");
        dialogue.close().await;
    };
    let (drained, ()) = tokio::join!(stage.run("drain --wait"), client);
    assert_eq!((drained.code, &*drained.err), (0, ""), "{}", drained.out);
    assert!(drained.out.starts_with("drained"), "{}", drained.out);
    // It is still there, and not ready.
    assert_eq!(stage.run("status").await.code, 1);
    // Twice is no mistake.
    assert_eq!(stage.run("drain --wait").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_takes_too_long_is_bad_news() {
    // Load balancers would be waited for all that time.
    let stage = Stage::with(|config| config.shutdown.delay = Duration::from_mins(1)).await;
    let late = stage.run("drain --wait --timeout 100ms").await;
    assert_eq!(late.code, 1, "{}{}", late.out, late.err);
    assert!(late.out.starts_with("not drained after"), "{}", late.out);
    let status = stage.run("status").await;
    assert!(
        status.code == 1 && status.out.contains("draining"),
        "{}",
        status.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_failed() {
    let stage = Stage::start().await;
    assert!(stage.text("reload").await.contains("certificates"));
    let certificate = stage.deployment.certificate.file("cert.pem");
    fs::write(certificate, "no certificate").unwrap();
    let failed = stage.run("reload").await;
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("failed: "), "{}", failed.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_told_and_a_wrong_one_refused() {
    let stage = Stage::start().await;
    assert_eq!(stage.json("log-level").await["until_at"], Value::Null);
    // This process has no log that could be changed; another test asks one that has.
    assert_eq!(stage.run("log-level debug").await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_over_tcp_are_taken_from_this_machine_only() {
    let stage = Stage::start().await;
    let admin = stage.proxy.admin.addr();
    assert_eq!(
        run(&format!("lookups forget --all --admin {admin}"))
            .await
            .code,
        0
    );
    // A name that merely points here is no proof.
    let port = admin.port();
    let named = run(&format!(
        "lookups forget --all --admin localhost.localdomain:{port}"
    ))
    .await;
    assert!(named.code == 4 || named.code == 3, "{}", named.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_ended_is_not_there() {
    let stage = Stage::start().await;
    assert_eq!(stage.run("status").await.code, 0);
    let Stage { proxy, socket, .. } = stage;
    proxy.drain().await;
    let exit = run(&format!("status --admin {}", socket.display())).await;
    assert!(
        exit.code == 3 && exit.err.contains("is whipstitch running"),
        "{}",
        exit.err
    );
}
