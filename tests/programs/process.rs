//! A client in a process of its own, which plays or publishes until its standard input ends.

use std::{fs::File, io::Read, process::Stdio};

use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use whipstitch_tests::Deployment;

use crate::setup::{PATIENCE, Setup};

/// One such client; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    complaints: NamedTempFile,
}

impl Process {
    /// Starts it. Over TLS it trusts the setup's throw-away certificate, and verifies it as any
    /// other.
    pub(crate) fn start(setup: &Setup, command: &mut Command) -> Self {
        Self::run(&setup.deployment, command)
    }

    /// The same, without a setup.
    pub(crate) fn run(deployment: &Deployment, command: &mut Command) -> Self {
        let complaints = NamedTempFile::new().unwrap();
        let certificate = deployment.certificate.file("cert.pem");
        let mut child = command
            .env("SSL_CERT_FILE", &certificate)
            .env("NODE_EXTRA_CA_CERTS", &certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.reopen().unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            complaints,
        }
    }

    /// Waits for its next line.
    pub(crate) async fn line(&mut self) -> String {
        let line = self.lines.next_line().await.unwrap();
        line.expect("it has something to say")
    }

    /// Waits until it has played enough audio and video.
    pub(crate) async fn plays(&mut self) {
        let playing = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line == "playing" {
                    return true;
                }
            }
            false
        };
        let playing = timeout(PATIENCE, playing).await;
        assert!(playing.expect("it plays in time"), "it plays");
    }

    /// Stops it as its user would.
    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.expect("it ends in time").unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Waits until it gives up by itself; returns its error output.
    pub(crate) async fn gives_up(mut self) -> String {
        // `wait` closes the standard input, which would end it.
        let _input = self.child.stdin.take();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        assert!(!ended.expect("it ends in time").unwrap().success());
        self.complaints()
    }

    fn complaints(&self) -> String {
        let mut words = Vec::new();
        let mut file = File::open(self.complaints.path()).unwrap();
        file.read_to_end(&mut words).unwrap();
        String::from_utf8_lossy(&words).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.complaints());
        }
    }
}
