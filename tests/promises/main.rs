//! What the whole promises: one file a promise, over real sockets.

mod cors;
mod directory;
mod drain;
mod hostile;
mod manager;
mod media;
mod replicas;
mod sessions;
mod tls;
mod websocket;
