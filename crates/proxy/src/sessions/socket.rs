//! WebSockets, which are sessions without a slot: from the 101 to the end of the relay.

use std::sync::{Arc, atomic::Ordering};

use tokio_util::sync::CancellationToken;

use super::{
    table::{SessionTable, lock},
    view::{About, SessionView},
};

/// A WebSocket session; it leaves the table when this is dropped.
pub(crate) struct OpenSocket {
    table: SessionTable,
    session: Arc<SessionView>,
}

impl SessionTable {
    /// A WebSocket session begins. `close` asks for its end.
    pub(crate) fn open_socket(&self, about: About, close: CancellationToken) -> OpenSocket {
        let session = Arc::new(SessionView::socket(self.next_id(), about, close));
        lock(&self.inner().sockets).insert(session.id(), session.clone());
        self.inner().sockets_open.fetch_add(1, Ordering::Relaxed);
        OpenSocket {
            table: self.clone(),
            session,
        }
    }
}

impl OpenSocket {
    pub(crate) fn session(&self) -> &SessionView {
        &self.session
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        lock(&self.table.inner().sockets).remove(&self.session.id());
        let open = &self.table.inner().sockets_open;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}
