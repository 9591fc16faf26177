//! Calls to the administration API, and the files with its secrets.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, LengthLimitError, Limited};
use thiserror::Error;
use tokio::time::{Instant, timeout};
use whipstitch_signaling::coding::{self, Coding};

use crate::{
    BaseUrl, Cause,
    connect::{Clients, ManagerAddress},
};

/// Longest part of a secret's file that is read, in bytes: more than any secret.
const MAX_FILE: u64 = 4096;

/// Sends calls to the administration API.
#[derive(Debug)]
pub(super) struct Calls {
    base: BaseUrl,
    clients: Clients<Empty<Bytes>>,
    timeout: Duration,
}

impl Calls {
    /// Calls to this manager that wait `timeout` for their answers.
    ///
    /// # Errors
    /// See [`Clients::new`].
    pub(super) fn new(manager: ManagerAddress, timeout: Duration) -> io::Result<Self> {
        Ok(Self {
            base: manager.base().clone(),
            clients: Clients::new(manager, timeout, 1)?,
            timeout,
        })
    }

    /// The body of a 200 in answer to this call, of at most `most` bytes. Redirects are not
    /// followed.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        most: usize,
    ) -> Result<Bytes, CallError> {
        let request = self.base.get(path).method(method).body(Empty::new());
        let mut request = request.map_err(|_| CallError::NotAUrl)?;
        request.headers_mut().extend(headers);
        request
            .headers_mut()
            .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        // A hyper error or the URL may hold a secret; a `Cause` holds neither.
        let began = Instant::now();
        let unreachable = |error: &(dyn std::error::Error + 'static)| {
            CallError::Unreachable(Cause::of(error, began.elapsed()))
        };
        let exchange = async {
            let client = self.clients.current().await;
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| unreachable(&error))?;
            match answer.status() {
                StatusCode::OK => {}
                status => return Err(CallError::Status(status.as_u16())),
            }
            let coding = coding::of(answer.headers());
            let body = Limited::new(answer.into_body(), most).collect().await;
            let body = body.map(Collected::to_bytes).map_err(|error| {
                if error.is::<LengthLimitError>() {
                    CallError::TooLong
                } else {
                    unreachable(error.as_ref())
                }
            })?;
            plain(coding, body, most)
        };
        timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(CallError::Unreachable(Cause::Timeout(self.timeout))))
    }
}

/// The decoded body, without a byte order mark (RFC 8259 §8.1).
fn plain(coding: Coding, body: Bytes, most: usize) -> Result<Bytes, CallError> {
    let body = match coding {
        Coding::None => body,
        coding => coding
            .decoded(&body, most)
            .ok_or(CallError::TooLong)?
            .into(),
    };
    Ok(match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => body.slice_ref(text),
        None => body,
    })
}

/// Why a call got no usable answer. `Display` continues a sentence about the manager.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// No connection, one that broke before the end of the answer, or no answer in
    /// `stream_manager.timeout`.
    #[error("gave no answer: {0}")]
    Unreachable(Cause),
    /// Another status than 200.
    #[error("answered with status {0}")]
    Status(u16),
    /// The body is over the limit.
    #[error("sent an answer that is too long")]
    TooLong,
    /// The name of a node group makes no valid URL.
    #[error("named a group that cannot be asked for")]
    NotAUrl,
}

/// The start of a file with a secret, or why it cannot be read.
pub(super) async fn read(file: PathBuf) -> Result<String, ErrorKind> {
    let read = tokio::task::spawn_blocking(move || read_now(&file)).await;
    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| error.kind())
}

fn read_now(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    // The byte order mark that some editors write.
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}
