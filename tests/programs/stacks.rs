//! Two more WebRTC stacks, under the smallest clients: aiortc in Python, and Chromium's in Node.js.

use http::Method;
use tokio::process::Command;
use whipstitch_minicluster::Config;

use crate::{process::Process, programs, stage::Stage};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/scripts");

/// Which of the stacks.
#[derive(Clone, Copy, Debug)]
enum Stack {
    Aiortc,
    Wrtc,
}

impl Stack {
    /// One script plays and publishes.
    fn start(self, stage: &Stage, role: &str, url: &str) -> Process {
        let mut command = match self {
            Self::Aiortc => {
                let mut python = Command::new("python3");
                python.arg(format!("{SCRIPTS}/aiortc_client.py"));
                python.env("PYTHONPATH", programs().join("python"));
                // Nothing is written beside the scripts.
                python.env("PYTHONDONTWRITEBYTECODE", "1");
                python
            }
            Self::Wrtc => {
                let mut node = Command::new("node");
                node.arg(format!("{SCRIPTS}/wrtc_client.js"));
                node.env("NODE_PATH", programs().join("node/node_modules"));
                node
            }
        };
        Process::start(stage, command.args([role, url]))
    }

    /// Publishes, and plays what it publishes.
    async fn does_both(self, whep_answers: bool, stream: &str) {
        let config = Config {
            whep_answers,
            ..Config::default()
        };
        let stage = Stage::with(config).await;
        let publisher = self.start(&stage, "publish", &stage.https(stream));
        stage.watch(stream).await;
        let mut player = self.start(&stage, "play", &stage.play(stream));
        player.plays().await;
        let answers = stage.played(&Method::PATCH, stream).len();
        assert_eq!(answers, usize::from(!whep_answers));
        player.stop().await;
        stage.player_is_over(stream).await;
        publisher.stop().await;
        stage.is_over(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_publishes_and_plays_with_a_node_that_offers() {
    Stack::Aiortc.does_both(false, "aiortc-offer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_publishes_and_plays_with_a_node_that_answers() {
    Stack::Aiortc.does_both(true, "aiortc-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrtc_publishes_and_plays_with_a_node_that_offers() {
    Stack::Wrtc.does_both(false, "wrtc-offer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrtc_publishes_and_plays_with_a_node_that_answers() {
    Stack::Wrtc.does_both(true, "wrtc-answer").await;
}
