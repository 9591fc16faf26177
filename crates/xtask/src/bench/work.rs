//! The works: what clients do, over and over, and how many do it at once.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;

use super::http1::Connection;
use super::tls::Dialer;
use super::{frame, http2, wire};

/// Streams that each HTTP/2 connection carries at once.
const STREAMS: usize = 4;
/// Of each of 32 clients, which makes 2,000 a second.
const PACE: Duration = Duration::from_millis(16);
/// Bytes of a signalling message.
const SMALL: usize = 125;
/// Bytes of a message that does not fit a small buffer.
const LARGE: usize = 16 * 1024;

/// What the clients of a visit do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Work {
    /// GET on kept connections
    Get,
    /// GET at 2,000 a second: how long it takes where nothing is full
    GetPaced,
    /// GET over HTTP/2
    GetH2,
    /// WHIP POST on kept connections
    Whip,
    /// WHIP POST over HTTP/2
    WhipH2,
    /// Trickle ICE: PATCH of one session a client
    Patch,
    /// WHIP POST, and the DELETE of its session
    Ended,
    /// A whole session: WHIP POST, PATCH, DELETE
    Session,
    /// Preflight of a browser: OPTIONS
    Preflight,
    /// New connection, full handshake, GET
    Handshake,
    /// WebSocket echo of a small message
    EchoSmall,
    /// WebSocket echo of a large message
    EchoLarge,
    /// New connection, full handshake, upgrade, echo
    Socket,
}

/// What the clients of one visit share: a count of what they did.
#[derive(Debug)]
pub(super) struct Score {
    /// How long each operation took that was done, µs.
    done: Mutex<Vec<u32>>,
    /// One permit for each client that has done its first.
    pub(super) ready: Semaphore,
}

impl Score {
    /// Nothing done yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            done: Mutex::default(),
            ready: Semaphore::new(0),
        })
    }

    fn first(&self) {
        self.ready.add_permits(1);
    }

    fn one(&self, began: Instant) {
        let micros = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.lock().push(micros);
    }

    /// Operations done so far.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How long those took, µs, that were done after the first `before`; in order of length.
    pub(super) fn latencies(&self, before: usize) -> Vec<u32> {
        let mut since = self.lock().get(before..).unwrap_or_default().to_vec();
        since.sort_unstable();
        since
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the clients of a visit.
#[derive(Clone)]
pub(super) struct Client {
    /// How to reach the target.
    pub(super) dialer: Dialer,
    /// Where it is.
    pub(super) target: SocketAddr,
    /// Which of the clients: each has a stream of its own.
    pub(super) index: usize,
    /// Where it counts.
    pub(super) score: Arc<Score>,
}

impl Work {
    /// In words.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Get => "GET 1 KB, 32 kept connections",
            Self::GetPaced => "GET 1 KB at 2,000/s, 32 kept connections",
            Self::GetH2 => "GET 1 KB over h2, 8 x 4",
            Self::Whip => "WHIP POST 4 KB → 201 3 KB, 32 kept connections",
            Self::WhipH2 => "WHIP POST over h2, 8 x 4",
            Self::Patch => "WHIP PATCH, 32 kept connections",
            Self::Ended => "WHIP POST + DELETE, 32 kept connections",
            Self::Session => "WHIP session: POST, PATCH, DELETE",
            Self::Preflight => "preflight OPTIONS, 32 kept connections",
            Self::Handshake => "new connection, full handshake + GET",
            Self::EchoSmall => "WebSocket echo 125 B, 32 connections",
            Self::EchoLarge => "WebSocket echo 16 KB, 16 connections",
            Self::Socket => "wss opened (handshake, upgrade, echo)",
        }
    }

    /// Connections at once.
    pub(super) fn clients(self) -> usize {
        match self {
            Self::Get
            | Self::GetPaced
            | Self::Whip
            | Self::Patch
            | Self::Ended
            | Self::Session
            | Self::Preflight
            | Self::EchoSmall => 32,
            Self::Handshake | Self::EchoLarge | Self::Socket => 16,
            Self::GetH2 | Self::WhipH2 => 8,
        }
    }
}

impl Client {
    /// Works until an error, or until no task waits for it.
    pub(super) async fn work(self, work: Work) -> io::Result<Infallible> {
        match work {
            Work::Get => self.kept(&wire::get(), 200).await,
            Work::Whip => self.kept(&wire::post(self.index), 201).await,
            Work::GetPaced => self.paced().await,
            Work::Patch => self.patches().await,
            Work::Ended => self.sessions(Trickle::Never).await,
            Work::Session => self.sessions(Trickle::Once).await,
            Work::Preflight => self.kept(&wire::preflight(self.index), 204).await,
            Work::GetH2 => {
                let request = http2::get().map_err(io::Error::other)?;
                self.streams(request, StatusCode::OK, wire::PAGE_LENGTH)
                    .await
            }
            Work::WhipH2 => {
                let request = http2::post(self.index).map_err(io::Error::other)?;
                self.streams(request, StatusCode::CREATED, wire::ANSWER_LENGTH)
                    .await
            }
            Work::Handshake => self.handshakes().await,
            Work::EchoSmall => self.echoes(SMALL).await,
            Work::EchoLarge => self.echoes(LARGE).await,
            Work::Socket => self.sockets().await,
        }
    }

    /// A WebSocket that has echoed a small message.
    pub(super) async fn socket(&self) -> io::Result<Connection> {
        let mut connection = self.open().await?;
        connection.upgrade(&wire::upgrade(self.index)).await?;
        self.echo_once(&mut connection).await?;
        Ok(connection)
    }

    /// One small message there and back.
    pub(super) async fn echo_once(&self, connection: &mut Connection) -> io::Result<()> {
        let (frame, echo) = message(SMALL);
        connection.echo(&frame, &echo).await
    }

    async fn open(&self) -> io::Result<Connection> {
        Connection::open(&self.dialer, self.target).await
    }

    async fn kept(&self, request: &[u8], status: u16) -> io::Result<Infallible> {
        let mut connection = self.open().await?;
        expect(&mut connection, request, status).await?;
        self.score.first();
        loop {
            let began = Instant::now();
            expect(&mut connection, request, status).await?;
            self.score.one(began);
        }
    }

    /// GET at a pace of its own, which no answer slows down.
    async fn paced(&self) -> io::Result<Infallible> {
        let request = wire::get();
        let mut connection = self.open().await?;
        expect(&mut connection, &request, 200).await?;
        self.score.first();
        // Clients begin one after the other, spread over the period.
        let offset = PACE.mul_f64(f64::from(u32::try_from(self.index).unwrap_or(0)) / 32.0);
        let mut due = tokio::time::Instant::now() + offset;
        loop {
            tokio::time::sleep_until(due).await;
            // From when it was due: what is late because of an earlier one counts as slow.
            let began = due.into_std();
            expect(&mut connection, &request, 200).await?;
            self.score.one(began);
            due += PACE;
        }
    }

    /// One session, and candidates for it without end.
    async fn patches(&self) -> io::Result<Infallible> {
        let mut connection = self.open().await?;
        let session = create(&mut connection, &wire::post(self.index)).await?;
        let patch = wire::patch(&session);
        expect(&mut connection, &patch, 204).await?;
        self.score.first();
        loop {
            let began = Instant::now();
            expect(&mut connection, &patch, 204).await?;
            self.score.one(began);
        }
    }

    /// Sessions from their POST to their DELETE, one after the other.
    async fn sessions(&self, trickle: Trickle) -> io::Result<Infallible> {
        let mut connection = self.open().await?;
        let post = wire::post(self.index);
        self.score.first();
        loop {
            let began = Instant::now();
            let session = create(&mut connection, &post).await?;
            if matches!(trickle, Trickle::Once) {
                expect(&mut connection, &wire::patch(&session), 204).await?;
            }
            expect(&mut connection, &wire::delete(&session), 200).await?;
            self.score.one(began);
        }
    }

    async fn streams(
        &self,
        request: Request<Full<Bytes>>,
        status: StatusCode,
        length: usize,
    ) -> io::Result<Infallible> {
        let (mut first, driver) = http2::open(&self.dialer, self.target).await?;
        let streams = async {
            first.expect(request.clone(), status, length).await?;
            self.score.first();
            let [a, b, c, d] = std::array::from_fn::<_, STREAMS, _>(|_| {
                self.stream(first.clone(), &request, status, length)
            });
            let (never, ..) = tokio::try_join!(a, b, c, d)?;
            Ok::<Infallible, io::Error>(never)
        };
        tokio::select! {
            outcome = streams => outcome,
            closed = driver => Err(closed.err().map_or(io::ErrorKind::UnexpectedEof.into(), io::Error::other)),
        }
    }

    async fn stream(
        &self,
        mut stream: http2::Streams,
        request: &Request<Full<Bytes>>,
        status: StatusCode,
        length: usize,
    ) -> io::Result<Infallible> {
        loop {
            let began = Instant::now();
            stream.expect(request.clone(), status, length).await?;
            self.score.one(began);
        }
    }

    async fn handshakes(&self) -> io::Result<Infallible> {
        let request = wire::get();
        self.score.first();
        loop {
            let began = Instant::now();
            let mut connection = self.open().await?;
            expect(&mut connection, &request, 200).await?;
            connection.close().await?;
            self.score.one(began);
        }
    }

    async fn echoes(&self, length: usize) -> io::Result<Infallible> {
        let (frame, echo) = message(length);
        let mut connection = self.socket().await?;
        self.score.first();
        loop {
            let began = Instant::now();
            connection.echo(&frame, &echo).await?;
            self.score.one(began);
        }
    }

    async fn sockets(&self) -> io::Result<Infallible> {
        self.score.first();
        loop {
            let began = Instant::now();
            self.socket().await?.close().await?;
            self.score.one(began);
        }
    }
}

/// Whether a session gets candidates between its POST and its DELETE.
#[derive(Debug, Clone, Copy)]
enum Trickle {
    Never,
    Once,
}

/// Makes a session; where it is, as a path.
async fn create(connection: &mut Connection, post: &[u8]) -> io::Result<String> {
    let answer = connection.exchange(post).await?;
    let location = super::http1::header(&answer.head, "location").filter(|_| answer.status == 201);
    let location = location.and_then(|location| std::str::from_utf8(location).ok());
    let location = location.and_then(|location| location.parse::<http::Uri>().ok());
    let path = location.and_then(|location| Some(location.path_and_query()?.to_string()));
    path.ok_or_else(|| io::Error::other(format!("{} without a session", answer.status)))
}

/// A message as a client sends it, and as the node sends it back.
fn message(length: usize) -> (Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = (b' '..b'~').cycle().take(length).collect();
    (frame::from_client(&payload), frame::echo_of(&payload))
}

async fn expect(connection: &mut Connection, request: &[u8], status: u16) -> io::Result<()> {
    let answer = connection.exchange(request).await?;
    if answer.status == status {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(io::Error::other(format!("{}: {body}", answer.status)))
}
