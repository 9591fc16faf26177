//! The faults that tests can switch on, and the switch.

use std::time::Duration;

use tokio::sync::watch;

/// A way for a listener to misbehave. It holds for every connection from the moment
/// [`fail`](crate::Node::fail) returns until [`heal`](crate::Node::heal).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// None: the default.
    #[default]
    None,
    /// Every request waits this long before it is handled.
    Delay(Duration),
    /// Every request is handled after `before`, and answered `after` that. As in a servlet
    /// container, a client that hangs up meanwhile is not noticed: its request is handled all the
    /// same.
    Late {
        /// Until the request is handled.
        before: Duration,
        /// From then until its answer; `None` holds the answer until the fault ends.
        after: Option<Duration>,
    },
    /// New connections are refused; idle ones are closed.
    Refuse,
    /// New connections are accepted and then reset (RST); idle ones are closed.
    Reset,
    /// Connections are accepted and requests read, but nothing is ever answered.
    BlackHole,
    /// Every request is answered with this status and this plain-text body, WebSocket handshakes
    /// included.
    Status(u16, String),
    /// WebSocket handshakes are answered 101 with a wrong `Sec-WebSocket-Accept`; the rest works.
    WrongAccept,
}

/// A false answer of the Stream Manager to every lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// 200 with an HTML page, as a login form or a captive portal would give.
    Html,
    /// An array with the node in it, though one object was asked for.
    Array,
    /// 200 with `errorMessage`.
    ErrorMessage(String),
    /// The true answer, padded to this many bytes (at most 64 MiB).
    Huge(usize),
    /// 200, `application/json`, and bytes that are not JSON.
    Garbage,
    /// A proper answer that names this `serverAddress`.
    ServerAddress(String),
    /// A proper answer that names these, in this order, however many were asked for: one object, or
    /// an array if there are not exactly one.
    ServerAddresses(Vec<String>),
}

/// State of a listener: its fault, and whether it is alive at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mode {
    generation: u64,
    pub(crate) fault: Fault,
    pub(crate) dead: bool,
}

impl Mode {
    /// Whether the port is to refuse connections.
    pub(crate) fn refuses(&self) -> bool {
        self.dead || self.fault == Fault::Refuse
    }
}

/// The fault switch of one listener. A change is effective when the future that made it completes.
#[derive(Debug)]
pub(crate) struct Switch {
    mode: watch::Sender<Mode>,
    applied: watch::Sender<u64>,
}

/// What the fault does to a request.
pub(crate) enum Gate {
    Open,
    Answer(u16, String),
    Late(Duration, Option<Duration>),
    HangUp,
}

impl Switch {
    pub(crate) fn new() -> Self {
        Self {
            mode: watch::Sender::new(Mode::default()),
            applied: watch::Sender::new(0),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    pub(crate) fn fault(&self) -> Fault {
        self.mode.borrow().fault.clone()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.mode.borrow().dead
    }

    /// The listener reports that it obeys `mode`.
    pub(crate) fn obeyed(&self, mode: &Mode) {
        self.applied.send_replace(mode.generation);
    }

    pub(crate) async fn set_fault(&self, fault: Fault) {
        self.change(|mode| mode.fault = fault).await;
    }

    pub(crate) async fn set_dead(&self, dead: bool) {
        self.change(|mode| mode.dead = dead).await;
    }

    async fn change(&self, alter: impl FnOnce(&mut Mode)) {
        let mut generation = 0;
        self.mode.send_modify(|mode| {
            alter(mode);
            mode.generation += 1;
            generation = mode.generation;
        });
        let mut applied = self.applied.subscribe();
        tokio::select! {
            _ = applied.wait_for(|seen| *seen >= generation) => {}
            // The listener has shut down and would never report the mode.
            () = self.mode.closed() => {}
        }
    }

    /// Hold a request as the current fault demands, no longer than the fault lasts.
    pub(crate) async fn gate(&self) -> Gate {
        match self.fault() {
            Fault::None | Fault::WrongAccept => Gate::Open,
            Fault::Delay(time) => {
                let _ = tokio::time::timeout(time, self.until_not(&Fault::Delay(time))).await;
                Gate::Open
            }
            Fault::Late { before, after } => Gate::Late(before, after),
            Fault::Refuse | Fault::Reset => Gate::HangUp,
            Fault::Status(status, body) => Gate::Answer(status, body),
            Fault::BlackHole => {
                self.until_not(&Fault::BlackHole).await;
                Gate::HangUp
            }
        }
    }

    /// Waits until this fault ends.
    pub(crate) async fn until_not(&self, fault: &Fault) {
        let _ = self.subscribe().wait_for(|mode| mode.fault != *fault).await;
    }
}
