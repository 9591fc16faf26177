//! The measuring: sessions are opened and counted, the process is looked at before and after.

use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::report::{Figure, Figures};
use crate::Result;
use crate::bench::http1::{Connection, header};
use crate::bench::target::{Target, World};
use crate::bench::tls::Dialer;
use crate::bench::wire;
use crate::bench::work::{Client, Score};

/// Clients at once.
const CLIENTS: u32 = 16;
/// After which memory no longer moves.
const SETTLE: Duration = Duration::from_millis(1500);

/// A proxy under measurement.
pub(super) struct Stand<'t> {
    target: &'t Target,
    dialer: Dialer,
    /// The first stream that is not published yet.
    next: u32,
}

/// What a client does: the number of the stream, and a connection that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// A request that is answered here, on a kept connection.
    Ask,
    /// The same on a connection of its own, with a full handshake.
    AskAnew,
    /// The same with a handshake that resumes.
    AskAgain,
    /// POST of a new stream, PATCH, DELETE, on a kept connection.
    Session,
    /// A message to the node and its echo, on a socket that is kept.
    Echo,
    /// A socket on a connection of its own, one message there and back, its end.
    Socket,
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    bytes: f64,
    descriptors: f64,
}

async fn held(target: &Target) -> Result<Held> {
    sleep(SETTLE).await;
    let tree = target.child.tree()?;
    Ok(Held {
        bytes: f64::from(tree.memory_kib()?) * 1024.0,
        descriptors: f64::from(tree.descriptors()?),
    })
}

impl<'t> Stand<'t> {
    pub(super) fn new(world: &World, target: &'t Target) -> Result<Self> {
        Ok(Self {
            target,
            dialer: world.dialer.as_browsers(false)?,
            next: 0,
        })
    }

    fn client(&self, index: u32) -> Client {
        Client {
            dialer: self.dialer.clone(),
            target: self.target.address,
            index: usize::try_from(index).unwrap_or_default(),
            score: Score::new(),
        }
    }

    /// What the process and an idle WebSocket over TLS hold; the latter is the slope between an
    /// eighth of `most` and all.
    pub(super) async fn sockets(&self, most: u32, figures: &mut Figures) -> Result {
        let none = held(self.target).await?;
        let few = most / 8;
        let mut open = self.open(few).await?;
        let before = held(self.target).await?;
        open.append(&mut self.open(most - few).await?);
        let after = held(self.target).await?;
        // Only sockets that still work were worth measuring.
        let client = self.client(0);
        for socket in &mut open {
            client.echo_once(socket).await?;
        }
        let more = f64::from(most - few);
        figures.note(Figure::Base, none.bytes);
        figures.note(Figure::BaseDescriptors, none.descriptors);
        figures.note(Figure::Socket, (after.bytes - before.bytes) / more);
        let descriptors = (after.descriptors - before.descriptors) / more;
        figures.note(Figure::SocketDescriptors, descriptors);
        Ok(())
    }

    async fn open(&self, count: u32) -> Result<Vec<Connection>> {
        let mut openers = JoinSet::new();
        for opener in 0..CLIENTS {
            let client = self.client(opener);
            let share = (count + opener) / CLIENTS;
            openers.spawn(async move {
                let mut open = Vec::new();
                for _ in 0..share {
                    open.push(client.socket().await?);
                }
                Ok::<_, io::Error>(open)
            });
        }
        let mut open = Vec::new();
        while let Some(done) = openers.join_next().await {
            open.append(&mut done??);
        }
        Ok(open)
    }

    /// Memory of a live WHIP session, its stream's remembered lookup included; nothing is open for
    /// it.
    pub(super) async fn sessions(&mut self, most: u32, figures: &mut Figures) -> Result {
        let few = most / 8;
        self.publish(few).await?;
        let before = held(self.target).await?;
        self.publish(most - few).await?;
        let after = held(self.target).await?;
        let each = (after.bytes - before.bytes) / f64::from(most - few);
        figures.note(Figure::Session, each);
        Ok(())
    }

    /// Publishes `count` new streams, and leaves them.
    async fn publish(&mut self, count: u32) -> Result {
        let from = self.next;
        self.next += count;
        let mut connection = Connection::open(&self.dialer, self.target.address).await?;
        for stream in from..self.next {
            post(&mut connection, stream).await?;
        }
        Ok(())
    }

    /// CPU time of each deed.
    pub(super) async fn costs(&mut self, operations: u32, figures: &mut Figures) -> Result {
        let ask = self.cost(Deed::Ask, operations * 4).await?;
        let anew = self.cost(Deed::AskAnew, operations).await?;
        let again = self.cost(Deed::AskAgain, operations).await?;
        figures.note(Figure::Request, ask);
        figures.note(Figure::Handshake, anew - ask);
        figures.note(Figure::Resumed, again - ask);
        figures.note(Figure::Cycle, self.cost(Deed::Session, operations).await?);
        let echo = self.cost(Deed::Echo, operations * 4).await?;
        figures.note(Figure::Message, echo / 2.0);
        figures.note(Figure::Opened, self.cost(Deed::Socket, operations).await?);
        Ok(())
    }

    /// The process's CPU time a deed, µs.
    async fn cost(&mut self, deed: Deed, count: u32) -> Result<f64> {
        // Not measured: buffers grow, caches fill.
        self.perform(deed, count / 10).await?;
        let tree = self.target.child.tree()?;
        let before = tree.cpu()?;
        self.perform(deed, count).await?;
        let spent = tree.cpu()?.saturating_sub(before);
        let each = spent.as_secs_f64() * 1e6 / f64::from(count);
        eprintln!("{deed:?}: {each:.1} µs");
        Ok(each)
    }

    async fn perform(&mut self, deed: Deed, count: u32) -> Result {
        let from = self.next;
        self.next += count;
        let mut clients = JoinSet::new();
        for index in 0..CLIENTS {
            let mut client = self.client(index);
            if deed == Deed::AskAgain {
                // Each its own tickets: one that is used is gone.
                client.dialer = self.dialer.as_browsers(true)?;
            }
            let streams = (from..from + count).skip(usize::try_from(index)?);
            let streams = streams.step_by(usize::try_from(CLIENTS)?);
            clients.spawn(async move { work(&client, deed, streams).await });
        }
        while let Some(done) = clients.join_next().await {
            done??;
        }
        Ok(())
    }
}

async fn work(client: &Client, deed: Deed, streams: impl Iterator<Item = u32>) -> io::Result<()> {
    let mut kept = match deed {
        Deed::Echo => client.socket().await?,
        _ => Connection::open(&client.dialer, client.target).await?,
    };
    if deed == Deed::AskAgain {
        // The first ticket.
        ask(&mut kept).await?;
    }
    for stream in streams {
        match deed {
            Deed::Ask => ask(&mut kept).await?,
            Deed::AskAnew | Deed::AskAgain => {
                let mut connection = Connection::open(&client.dialer, client.target).await?;
                if connection.is_resumed() != (deed == Deed::AskAgain) {
                    return Err(io::Error::other("not the handshake that was meant"));
                }
                ask(&mut connection).await?;
                connection.close().await?;
            }
            Deed::Session => session(&mut kept, stream).await?,
            Deed::Echo => client.echo_once(&mut kept).await?,
            Deed::Socket => client.socket().await?.close().await?,
        }
    }
    kept.close().await
}

async fn ask(connection: &mut Connection) -> io::Result<()> {
    expect(connection, &wire::ask(), 204).await.map(drop)
}

/// The path of the new session.
async fn post(connection: &mut Connection, stream: u32) -> io::Result<String> {
    let index = usize::try_from(stream).unwrap_or_default();
    let head = expect(connection, &wire::post(index), 201).await?;
    let location = header(&head, "location").map(<[u8]>::to_vec);
    let location = location.and_then(|url| String::from_utf8(url).ok());
    let url = location.ok_or_else(|| io::Error::other("201 without Location"))?;
    let start = url.find("/live/").unwrap_or_default();
    Ok(url.get(start..).unwrap_or_default().to_owned())
}

async fn session(connection: &mut Connection, stream: u32) -> io::Result<()> {
    let path = post(connection, stream).await?;
    expect(connection, &wire::patch(&path), 204).await?;
    expect(connection, &wire::delete(&path), 200).await?;
    Ok(())
}

async fn expect(connection: &mut Connection, request: &[u8], status: u16) -> io::Result<Vec<u8>> {
    let answer = connection.exchange(request).await?;
    if answer.status == status {
        return Ok(answer.head.to_vec());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(io::Error::other(format!(
        "{} and not {status}: {body}",
        answer.status
    )))
}
