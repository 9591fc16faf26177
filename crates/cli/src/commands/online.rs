//! `whipstitch check --online`: goes the way to the Stream Manager and to its nodes, step by step,
//! and says at which step it ends, why, and what to do.
//!
//! | step | what is tried | skipped |
//! |---|---|---|
//! | name | the name in `stream_manager.url` is resolved | it is an address |
//! | TCP | one of its addresses takes a connection | no address |
//! | TLS | the handshake of the proxy's own client, with its roots | plain HTTP, or no connection |
//! | API | a lookup is answered in the words of `stream_manager.api` | no connection |
//! | lookup | the stream of `--stream`, or one that does not exist, to play: a publish lookup would reserve a node | no API |
//! | node list | one poll, with the configured credentials | no credentials |
//! | nodes | the port of up to [`MAX_NODES`] nodes that lookup and list named | none was named |
//!
//! Every step is bounded: by [`PATIENCE`], `stream_manager.timeout` or `timeouts.connect`.

mod report;
mod steps;

use std::{io, time::Duration};

use tokio::runtime;
use whipstitch_signaling::StreamKey;

use self::report::Report;
use whipstitch_config::Config;

/// Longest wait for a connection to the Stream Manager.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most addresses of the Stream Manager that are tried.
const MAX_ADDRESSES: usize = 4;
/// Most nodes whose port is tried.
const MAX_NODES: usize = 3;

/// Tries all steps; what to print, and whether none failed.
///
/// # Errors
/// There is no runtime.
pub(super) fn perform(config: &Config, stream: Option<&StreamKey>) -> io::Result<(String, bool)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::default();
    runtime.block_on(steps::go(config, stream, &mut report));
    // A resolver that hangs holds a thread; the process exits without it.
    runtime.shutdown_background();
    Ok((report.to_string(), report.is_good()))
}
