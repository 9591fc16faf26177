//! Two more WebRTC stacks, under the smallest clients: aiortc in Python, and Chromium's in Node.js.

use http::Method;
use tokio::process::Command;
use whipstitch_minicluster::Config;

use crate::{process::Process, programs, setup::Setup};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/scripts");

/// Which of the stacks.
#[derive(Clone, Copy, Debug)]
enum Stack {
    Aiortc,
    Wrtc,
}

impl Stack {
    /// One script plays and publishes.
    fn start(self, setup: &Setup, role: &str, url: &str) -> Process {
        let mut command = match self {
            Self::Aiortc => {
                let mut python = Command::new("python3");
                python.arg(format!("{SCRIPTS}/aiortc_client.py"));
                python.env("PYTHONPATH", programs().join("python"));
                // Python writes no files beside the scripts.
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
        Process::start(setup, command.args([role, url]))
    }

    /// Publishes, and plays what it publishes.
    async fn does_both(self, whep_answers: bool, stream: &str) {
        let config = Config {
            whep_answers,
            ..Config::default()
        };
        let setup = Setup::with(config).await;
        let publisher = self.start(&setup, "publish", &setup.https(stream));
        setup.watch(stream).await;
        let mut player = self.start(&setup, "play", &setup.play(stream));
        player.plays().await;
        let answers = setup.played(&Method::PATCH, stream).len();
        assert_eq!(answers, usize::from(!whep_answers));
        player.stop().await;
        setup.player_is_over(stream).await;
        publisher.stop().await;
        setup.is_over(stream).await;
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
