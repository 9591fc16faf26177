//! Relays both directions of a session until both are done, and notes who ended it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep},
};

use super::{
    Detached, Duplex, Ended,
    flow::{End, Flow},
    goodbye::Goodbye,
    liveness::{Action, Liveness, Signs, TICK},
};
use crate::sessions::traffic::Traffic;

/// Longest time that a session stays after one side, or this proxy, has ended it.
const LINGER: Duration = Duration::from_secs(5);

/// What a session carried, and how it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// The code of the first Close, unless this proxy sent it.
    pub(super) close_code: Option<u16>,
    pub(super) from_client: u64,
    pub(super) from_node: u64,
}

/// Relays until both sides are done, or until `stop` says why both get a Close of ours.
pub(super) async fn relay<N: Duplex>(
    client: Detached,
    node: N,
    read: Bytes,
    stop: impl Future<Output = Goodbye>,
    traffic: &Traffic,
) -> Outcome {
    let mut relay = Relay {
        up: Flow::new(client.read, true),
        down: Flow::new(read, false),
        client: client.io,
        node,
        ended: None,
        linger: None,
        client_liveness: Liveness::default(),
        node_liveness: Liveness::default(),
    };
    let mut tick = std::pin::pin!(tokio::time::sleep(TICK));
    let mut stop = std::pin::pin!(stop);
    let mut stopped = false;
    std::future::poll_fn(|cx| {
        if !stopped && let Poll::Ready(goodbye) = stop.as_mut().poll(cx) {
            stopped = true;
            relay.stop(goodbye);
        }
        while tick.as_mut().poll(cx).is_ready() {
            tick.as_mut().reset(Instant::now() + TICK);
            relay.tick();
        }
        let over = relay.poll(cx);
        relay.publish(traffic);
        over
    })
    .await;
    relay.outcome()
}

struct Relay<N> {
    client: Box<dyn Duplex>,
    node: N,
    up: Flow,
    down: Flow,
    ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
    client_liveness: Liveness,
    node_liveness: Liveness,
}

impl<N: Duplex> Relay<N> {
    fn stop(&mut self, goodbye: Goodbye) {
        self.ended.get_or_insert(Ended::Proxy);
        self.up.stop(goodbye);
        self.down.stop(goodbye);
    }

    /// Pings a side that is silent, and gives up one that has vanished.
    fn tick(&mut self) {
        let (client_sent, node_blocked) = self.up.signs();
        let (node_sent, client_blocked) = self.down.signs();
        let client = Signs {
            sent: client_sent,
            blocked: client_blocked,
        };
        let node = Signs {
            sent: node_sent,
            blocked: node_blocked,
        };
        match self.client_liveness.tick(client) {
            Action::Ping if self.down.ping() => self.client_liveness.pinged(),
            Action::Wait | Action::Ping => {}
            Action::GiveUp => {
                self.up.source_vanished();
                self.down.sink_vanished();
            }
        }
        match self.node_liveness.tick(node) {
            Action::Ping if self.up.ping() => self.node_liveness.pinged(),
            Action::Wait | Action::Ping => {}
            Action::GiveUp => {
                self.down.source_vanished();
                self.up.sink_vanished();
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let up = self.up.poll(cx, &mut self.client, &mut self.node);
            let down = self.down.poll(cx, &mut self.node, &mut self.client);
            self.note_end();
            if up.is_ready() && down.is_ready() {
                return Poll::Ready(());
            }
            // Both sides have had our Close and answered it.
            if self.up.is_answered()
                && self.down.is_answered()
                && (self.up.finish() | self.down.finish())
            {
                continue;
            }
            if self.ended.is_some() {
                let linger = self
                    .linger
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                ready!(linger.as_mut().poll(cx));
                // Not waited for any longer, but shut down: a TLS client takes an end without that
                // for an attack.
                let _ = Pin::new(&mut self.client).poll_shutdown(cx);
                let _ = Pin::new(&mut self.node).poll_shutdown(cx);
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    }

    /// Who ended it: the first to send a Close, or to vanish.
    fn note_end(&mut self) {
        if self.ended.is_none() {
            self.ended = match (self.up.gone, self.down.gone) {
                _ if self.up.is_closed() => Some(Ended::Client),
                _ if self.down.is_closed() => Some(Ended::Node),
                (Some(End::Source), _) | (_, Some(End::Sink)) => Some(Ended::ClientLost),
                (Some(End::Sink), _) | (_, Some(End::Source)) => Some(Ended::NodeLost),
                (None, None) => None,
            };
        }
    }

    /// Publishes what the list of sessions shows.
    fn publish(&self, traffic: &Traffic) {
        traffic.passed(self.up.bytes, self.down.bytes);
        // No side is gone before the session has ended, which is nearly always the case.
        if self.ended.is_some() {
            if is_gone(&self.up, &self.down) {
                traffic.client_gone();
            }
            if is_gone(&self.down, &self.up) {
                traffic.node_gone();
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let ended = self.ended.unwrap_or(Ended::Proxy);
        Outcome {
            ended,
            close_code: match ended {
                Ended::Client => self.up.close_code(),
                Ended::Node => self.down.close_code(),
                Ended::ClientLost | Ended::NodeLost | Ended::Proxy => None,
            },
            from_client: self.up.bytes,
            from_node: self.down.bytes,
        }
    }
}

/// Whether the side from which `from` reads and to which `to` writes is no longer there.
fn is_gone(from: &Flow, to: &Flow) -> bool {
    from.gone == Some(End::Source) || to.gone == Some(End::Sink)
}

#[cfg(test)]
mod tests;
