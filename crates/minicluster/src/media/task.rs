//! The media task of one node: it owns every session, moves datagrams between them and the socket,
//! and frames from publishers to players.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Input;
use str0m::crypto::{CryptoProvider, from_feature_flags};
use str0m::net::{Protocol, Receive};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::session::{Happening, Session};
use super::stun::Incomplete;
use super::{COMMANDS, Command, Frame, MediaHandle, Relayed, Relays};
use crate::config::Config;
use crate::registry::{Registry, SessionId};

/// How often sessions are polled when nothing else happens.
const TICK: Duration = Duration::from_millis(500);
/// The largest datagram read.
const DATAGRAM: usize = 2048;

/// The state of a node's media task.
pub(crate) struct MediaTask {
    node: usize,
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    registry: Arc<Registry>,
    relays: Arc<Relays>,
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) check_fingerprints: bool,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) happenings: VecDeque<Happening>,
}

/// The queues a media task reads.
pub(crate) struct Inbox {
    commands: mpsc::Receiver<Command>,
    relayed: mpsc::Receiver<Relayed>,
    ended: watch::Receiver<()>,
}

/// The media socket. On the written address itself if it is this machine's, so that answers leave
/// from the address that candidates name; behind an address translation it is not, and every
/// interface has to do.
async fn bind(ip: IpAddr, written: Option<IpAddr>) -> io::Result<UdpSocket> {
    match UdpSocket::bind((written.unwrap_or(ip), 0)).await {
        Err(error) if written.is_some() && error.kind() == io::ErrorKind::AddrNotAvailable => {
            let every = match ip {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            UdpSocket::bind((every, 0)).await
        }
        bound => bound,
    }
}

impl MediaTask {
    /// Bind the socket of node `node`. Its candidates name the configured address if there is one,
    /// else `ip`.
    ///
    /// # Errors
    /// That of binding the UDP socket.
    pub(crate) async fn open(
        node: usize,
        ip: IpAddr,
        config: &Config,
        registry: Arc<Registry>,
        relays: Arc<Relays>,
    ) -> io::Result<(Self, Inbox, MediaHandle)> {
        let written = config.media_address;
        let socket = bind(ip, written).await?;
        let address = SocketAddr::new(written.unwrap_or(ip), socket.local_addr()?.port());
        let (sender, commands) = mpsc::channel(COMMANDS);
        let inbox = Inbox {
            commands,
            relayed: relays.open(node),
            ended: registry.watch(),
        };
        let task = Self {
            node,
            socket,
            address,
            registry,
            relays,
            crypto: Arc::new(from_feature_flags()),
            check_fingerprints: config.check_fingerprints,
            sessions: BTreeMap::new(),
            happenings: VecDeque::new(),
        };
        Ok((
            task,
            inbox,
            MediaHandle {
                commands: sender,
                address,
            },
        ))
    }

    /// Run until `until` is cancelled; then every session ends abruptly, as when a machine dies.
    pub(crate) async fn run(mut self, mut inbox: Inbox, until: CancellationToken) {
        let mut buffer = vec![0; DATAGRAM];
        let mut next_tick = Instant::now() + TICK;
        loop {
            let deadline = self.sessions.values().map(|session| session.deadline).min();
            let wake = deadline.map_or(next_tick, |deadline| deadline.min(next_tick));
            tokio::select! {
                () = until.cancelled() => return,
                Some(command) = inbox.commands.recv() => self.command(command),
                Some(relayed) = inbox.relayed.recv() => self.relayed(relayed),
                Ok(()) = inbox.ended.changed() => self.drop_ended(),
                received = self.socket.recv_from(&mut buffer) => if let Ok((length, source)) = received {
                    self.datagram(buffer.get(..length).unwrap_or_default(), source);
                },
                () = tokio::time::sleep_until(wake.into()) => {
                    let now = Instant::now();
                    self.advance(now);
                    if now >= next_tick {
                        self.tick(now);
                        next_tick = now + TICK;
                    }
                }
            }
            self.settle();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Publish {
                id,
                offer,
                events,
                reply,
            } => {
                let _ = reply.send(self.publish(id, *offer, events));
            }
            Command::Play {
                id,
                tracks,
                stream,
                plan,
                events,
                reply,
            } => {
                let _ = reply.send(self.play(id, &tracks, &stream, plan, events));
            }
            Command::Answer { id, answer, reply } => {
                let _ = reply.send(self.answer(id, *answer));
            }
            Command::Candidate { id, candidate } => self.candidate(id, &candidate),
        }
    }

    fn datagram(&mut self, bytes: &[u8], source: SocketAddr) {
        let mended = Incomplete::read(bytes).and_then(|check| self.mend(&check));
        let bytes = mended.as_deref().unwrap_or(bytes);
        let Ok(contents) = bytes.try_into() else {
            return;
        };
        let receive = Receive {
            proto: Protocol::Udp,
            source,
            destination: self.address,
            contents,
        };
        let input = Input::Receive(Instant::now(), receive);
        if let Some(session) = self
            .sessions
            .values_mut()
            .find(|session| session.rtc.accepts(&input))
        {
            session.input(input);
            session.drive(&self.socket, &mut self.happenings);
        }
    }

    fn mend(&mut self, check: &Incomplete<'_>) -> Option<Vec<u8>> {
        let hmac = self.crypto.sha1_hmac_provider;
        let sessions = self.sessions.values_mut();
        let mut credentials =
            sessions.map(|session| session.rtc.direct_api().local_ice_credentials());
        let ours = credentials.find(|ours| check.is_for(ours))?;
        check.complete(&ours, hmac)
    }

    fn advance(&mut self, now: Instant) {
        for session in self
            .sessions
            .values_mut()
            .filter(|session| session.deadline <= now)
        {
            session.input(Input::Timeout(now));
            session.drive(&self.socket, &mut self.happenings);
        }
    }

    fn tick(&mut self, now: Instant) {
        // A session may have ended before its first command arrived.
        self.drop_ended();
        let dead: Vec<SessionId> = self
            .sessions
            .values()
            .filter(|s| !s.alive(now))
            .map(|s| s.id)
            .collect();
        for id in dead {
            self.registry.end(id);
        }
        let waiting = self
            .sessions
            .values()
            .filter(|s| s.wants_keyframe())
            .map(|s| Happening::WantsKeyframe(s.id));
        self.happenings.extend(waiting);
    }

    /// Drop the sessions that the registry no longer holds.
    fn drop_ended(&mut self) {
        for session in self
            .sessions
            .values_mut()
            .filter(|session| !self.registry.contains(session.id))
        {
            session.close();
            session.drive(&self.socket, &mut self.happenings);
        }
        self.sessions.retain(|id, _| self.registry.contains(*id));
    }

    /// Handle the events of sessions, which may produce more.
    fn settle(&mut self) {
        while let Some(happening) = self.happenings.pop_front() {
            match happening {
                Happening::Frame(frame) => self.publish_frame(&Arc::from(frame)),
                Happening::WantsKeyframe(player) => {
                    if let Some((publisher, node)) = self.registry.publisher_of(player) {
                        if node == self.node {
                            self.ask_keyframe(publisher);
                        } else {
                            self.relays.send(node, Relayed::Keyframe(publisher));
                        }
                    }
                }
                Happening::Unpublish(id) => {
                    self.registry.end(id);
                }
            }
        }
    }

    fn publish_frame(&mut self, frame: &Arc<Frame>) {
        let (here, elsewhere) = self.registry.players_of(frame.publisher, self.node);
        self.play_frame(frame, &here);
        for node in elsewhere {
            self.relays.send(node, Relayed::Frame(frame.clone()));
        }
    }

    fn relayed(&mut self, relayed: Relayed) {
        match relayed {
            Relayed::Frame(frame) => {
                let (here, _) = self.registry.players_of(frame.publisher, self.node);
                self.play_frame(&frame, &here);
            }
            Relayed::Keyframe(publisher) => self.ask_keyframe(publisher),
        }
    }

    fn play_frame(&mut self, frame: &Frame, players: &[SessionId]) {
        for id in players {
            if let Some(session) = self.sessions.get_mut(id) {
                session.send(frame);
                session.drive(&self.socket, &mut self.happenings);
            }
        }
    }

    fn ask_keyframe(&mut self, publisher: SessionId) {
        if let Some(session) = self.sessions.get_mut(&publisher) {
            session.ask_keyframe(Instant::now());
            session.drive(&self.socket, &mut self.happenings);
        }
    }
}
