//! The queue of the log: lines wait here for the one thread that writes them, many at once.
//!
//! | line | is written |
//! |---|---|
//! | after a pause | at once |
//! | within [`PAUSE`] of a write | at its end, or when [`ENOUGH`] bytes wait |
//! | a warning or an error | at once, with all before it |
//! | with [`LINES`] lines unwritten | never: it is counted |

use std::{
    io::{self, Write},
    mem::take,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait.
const LINES: usize = 16_384;
/// Bytes for which a write is worth its system call.
const ENOUGH: usize = 32 * 1024;
/// Shortest time between two writes of less.
const PAUSE: Duration = Duration::from_millis(20);

/// Where lines are put. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Lines that the thread has not taken, and how many they are.
    waiting: Vec<u8>,
    lines: usize,
    /// How many lines it has taken and not written.
    taken: usize,
    is_urgent: bool,
    /// No line comes any more.
    is_closed: bool,
    /// The thread has ended.
    is_written: bool,
}

impl State {
    fn is_due(&self) -> bool {
        self.is_urgent || self.is_closed || self.waiting.len() >= ENOUGH
    }
}

impl LogQueue {
    /// A queue, and the thread that writes its lines to `out`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self::default();
        let shared = queue.0.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || shared.write(out))?;
        Ok(queue)
    }

    /// How many lines there was no room for.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what is there is written, for this long at most. What comes later is lost.
    pub(crate) fn close(&self, patience: Duration) {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.changed.notify_all();
        let unwritten = |state: &mut State| !state.is_written;
        let _ = self
            .0
            .changed
            .wait_timeout_while(state, patience, unwritten);
    }

    fn put(&self, line: &[u8], is_urgent: bool) {
        let mut state = self.0.lock();
        if state.lines + state.taken >= LINES {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (was_empty, was_due) = (state.waiting.is_empty(), state.is_due());
        state.waiting.extend_from_slice(line);
        state.lines += 1;
        state.is_urgent |= is_urgent;
        let wakes = was_empty || (!was_due && state.is_due());
        drop(state);
        if wakes {
            self.0.changed.notify_all();
        }
    }
}

impl Shared {
    /// Writes until the queue is closed and empty.
    fn write(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            // If standard output is closed, there is no reader for an error either.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            self.pause();
        }
        self.lock().is_written = true;
        self.changed.notify_all();
    }

    /// Waits for lines, and takes them; false if there are none and none will come.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let state = self.changed.wait_while(self.lock(), nothing);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        batch.clear();
        // What a burst has left is given back.
        batch.shrink_to(2 * ENOUGH);
        std::mem::swap(batch, &mut state.waiting);
        state.taken = take(&mut state.lines);
        state.is_urgent = false;
        !batch.is_empty()
    }

    /// All that was taken is written; the next lines may wait for others.
    fn pause(&self) {
        let mut state = self.lock();
        state.taken = 0;
        let early = |state: &mut State| !state.is_due();
        let _ = self.changed.wait_timeout_while(state, PAUSE, early);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'q> MakeWriter<'q> for LogQueue {
    type Writer = Waiting<'q>;

    fn make_writer(&'q self) -> Waiting<'q> {
        Waiting {
            queue: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'q self, metadata: &Metadata<'_>) -> Waiting<'q> {
        Waiting {
            queue: self,
            is_urgent: *metadata.level() <= Level::WARN,
        }
    }
}

/// Puts one line into the queue, in one write.
pub(crate) struct Waiting<'q> {
    queue: &'q LogQueue,
    is_urgent: bool,
}

impl Write for Waiting<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.put(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// Reports each write, and takes none before it may.
    struct Output(Sender<String>, Receiver<()>);

    impl Write for Output {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(piece).into_owned());
            let _ = self.1.recv();
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (LogQueue, Receiver<String>, Sender<()>) {
        let (told, written) = channel();
        let (go_on, may) = channel();
        (LogQueue::start(Output(told, may)).unwrap(), written, go_on)
    }

    #[test]
    fn what_comes_during_a_write_is_one_write() {
        let (queue, written, go_on) = queue();
        queue.put(b"a\n", false);
        assert_eq!(written.recv_timeout(SOON).unwrap(), "a\n");
        for line in [b"b\n", b"c\n", b"d\n"] {
            queue.put(line, false);
        }
        go_on.send(()).unwrap();
        assert_eq!(written.recv_timeout(SOON).unwrap(), "b\nc\nd\n");
        go_on.send(()).unwrap();
        queue.close(SOON);
        assert!(queue.0.lock().is_written);
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_no_more() {
        let (queue, written, go_on) = queue();
        queue.put(b"first\n", false);
        assert_eq!(written.recv_timeout(SOON).unwrap(), "first\n");
        // The first is taken, and not written.
        for _ in 0..LINES + 9 {
            queue.put(b"x\n", true);
        }
        assert_eq!(queue.dropped(), 10);
        queue.close(Duration::ZERO);
        assert!(!queue.0.lock().is_written);
        drop(go_on);
        assert_eq!(written.recv_timeout(SOON).unwrap().len(), 2 * (LINES - 1));
        queue.close(SOON);
        assert!(queue.0.lock().is_written);
    }

    #[test]
    fn a_warning_and_a_full_batch_do_not_wait() {
        let due = |put: fn(&LogQueue)| {
            let queue = LogQueue::default();
            put(&queue);
            queue.0.lock().is_due()
        };
        assert!(!due(|queue| queue.put(b"x\n", false)));
        assert!(due(|queue| queue.put(b"x\n", true)));
        assert!(due(|queue| queue.put(&vec![b'x'; ENOUGH], false)));
    }
}
